import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { loadConfig } from "../../src/host/config.ts";
import { ConfigError } from "../../src/host/config-error.ts";
import { type VaultConfig, vaultConfig } from "../../src/vault/config.ts";

const least = `version: 1
name: vault.example
state_dir: /var/lib/sealtail-vault
keys: { receipt: vault.key, time: vault-time.key }
listen: 127.0.0.1:8443
store: { type: dir, path: store }
trust: { root_keys: [acme-root+8ea5b601+ASR6LJLCTyABZLBIhML7FqRTo4RK/zfwR1Z/+LlKXzgd] }
`;

async function load(text: string): Promise<{ config: VaultConfig; warnings: string[] }> {
  const { config, warnings } = await loadConfig(vaultConfig, text, "/e/vault.yaml", {});
  return { config, warnings: warnings.map(({ place, message }) => `${place} ${message}`) };
}

async function messages(text: string): Promise<string[]> {
  try {
    await load(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map(({ code, message }) => `${code} ${message}`);
  }
  return [];
}

test("the least configuration has the documented defaults and no warnings", async () => {
  const { config, warnings } = await load(least);
  assert.deepEqual(warnings, []);
  assert.deepEqual(config, {
    version: 1,
    name: "vault.example",
    state_dir: "/var/lib/sealtail-vault",
    keys: { receipt: "/e/vault.key", time: "/e/vault-time.key" },
    listen: "127.0.0.1:8443",
    access: { open: false },
    store: { type: "dir", path: "/e/store" },
    trust: { root_keys: ["acme-root+8ea5b601+ASR6LJLCTyABZLBIhML7FqRTo4RK/zfwR1Z/+LlKXzgd"] },
    limits: { connections: 2048, readers: 32, address_share: 75 },
    expect: [],
    metrics: { listen: "127.0.0.1:9465" },
    diagnostics: { level: "info" },
  });
});

test("the example is sound", async () => {
  const file = new URL("../../config/vault.yaml", import.meta.url);
  const { config, warnings } = await load(await readFile(file, "utf8"));
  assert.deepEqual(warnings, []);
  assert.equal(config.listen, "127.0.0.1:8443");
});

test("an object store is refused as a thing of a later version, whatever stands beside it", async () => {
  const store = "store: { type: s3, bucket: b, lock: { mode: GOVERNANCE, days: 400 } }";
  assert.deepEqual(await messages(least.replace(/^store.*$/m, store)), [
    'config-unsupported store.type is "s3", want dir in this version',
  ]);
  const unknown = "store: { type: tape, path: p }";
  assert.deepEqual(await messages(least.replace(/^store.*$/m, unknown)), [
    'config-invalid store.type is "tape", want dir',
  ]);
});

test("what no part of the vault does yet cannot be asked of it", async () => {
  const keep = 'retention: [{ subject: "*", keep: 400d, then: delete }]';
  const [message = "", ...others] = await messages(`${least}${keep}\n`);
  assert.match(message, /^config-unknown-key retention /);
  assert.deepEqual(others, []);
});

test("an open or unencrypted vault that others can reach is worth a warning", async () => {
  const reachable = least.replace("127.0.0.1:8443", "0.0.0.0:8443");
  assert.equal((await load(reachable)).warnings.length, 1);
  assert.equal((await load(`${reachable}access: { open: true }\n`)).warnings.length, 2);
  assert.equal((await load(`${least}access: { open: true }\n`)).warnings.length, 0);
});

test("a time key is no root key", async () => {
  const time = "vault.example/time+f5beaadb+BP+8tv3LJ2hXSnMQxCBGhex5ld42Hnv9rKBXIoPRFbbD";
  const [message = ""] = await messages(least.replace(/acme-root[^\]]+/, time));
  assert.match(message, /want a verifier key of type 1, not of type 4$/);
});
