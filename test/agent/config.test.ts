import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { type AgentConfig, agentConfig } from "../../src/agent/config.ts";
import { formatVerifierKey, parseVerifierKey, verifierKey } from "../../src/core/note.ts";
import { loadConfig } from "../../src/host/config.ts";
import { ConfigError } from "../../src/host/config-error.ts";
import { maskedConfig } from "../../src/host/masked-config.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";

const key = "vault.example+c487dd37+AfkhOxI7qlwemNBmES8kppQKlpGcjmvwd3ERR+51lZnx";
const timeKey = "vault.example/time+f5beaadb+BP+8tv3LJ2hXSnMQxCBGhex5ld42Hnv9rKBXIoPRFbbD";

const least = `version: 1
name: payments-api
state_dir: state
sources: [{ name: app, include: ["logs/*.log"] }]
sink: { url: "https://vault.example:8443" }
trust: { vault_keys: [${key}, ${timeKey}] }
grant: { file: grant.txt, key: grant.key }
`;

async function load(text: string): Promise<AgentConfig> {
  return (await loadConfig(agentConfig, text, "/etc/[x]/agent.yaml", {})).config;
}

async function messages(text: string): Promise<string[]> {
  try {
    await load(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map(({ message }) => message);
  }
  return [];
}

test("the least configuration has the documented defaults", async () => {
  assert.deepEqual(await load(least), {
    version: 1,
    name: "payments-api",
    labels: {},
    state_dir: "/etc/[x]/state",
    sources: [
      {
        name: "app",
        include: ["/etc/\\[x\\]/logs/*.log"],
        exclude: [],
        start_at: "beginning",
      },
    ],
    seal: {
      max_bytes: 1_048_576,
      max_age: 1000,
      max_lines: 65_536,
      partial_age: 5000,
      max_silence: 60_000,
    },
    buffer: { max_bytes: 2_147_483_648 },
    drain: { deadline: 20_000, final: false },
    sink: {
      url: "https://vault.example:8443",
      tls: {},
      max_delay: 1000,
      patience: 600_000,
      when_silent: "begin",
    },
    trust: { vault_keys: [key, timeKey] },
    grant: { file: "/etc/[x]/grant.txt", key: "/etc/[x]/grant.key" },
    metrics: { listen: "127.0.0.1:9464" },
    diagnostics: { level: "info" },
  });
});

test("the example is complete, sound and shows the defaults", async () => {
  const file = new URL("../../config/agent.yaml", import.meta.url);
  const text = await readFile(file, "utf8");
  const { config, warnings } = await loadConfig(agentConfig, text, "/e/agent.yaml", {});
  assert.deepEqual(warnings, []);
  const bare = await load(least);
  for (const part of ["seal", "buffer", "drain", "metrics"] as const) {
    assert.deepEqual(config[part], bare[part]);
  }
  assert.equal(config.sink.max_delay, bare.sink.max_delay);
});

test("an include is a glob over whole paths, an exclude without a slash one over names", async () => {
  const sources = 'sources: [{ name: a, include: ["/v/*.log"], exclude: ["*.gz", "old/**"] }]';
  const {
    sources: [source],
  } = await load(least.replace(/^sources.*$/m, sources));
  assert.deepEqual(source?.include, ["/v/*.log"]);
  assert.deepEqual(source?.exclude, ["*.gz", "/etc/\\[x\\]/old/**"]);
});

const ranges: readonly (readonly [
  key: string,
  below: string,
  min: string,
  max: string,
  above: string,
])[] = [
  ["seal.max_bytes", "65535", "64KiB", "7MiB", "8MiB"],
  ["seal.max_lines", "0", "1", "1048576", "1048577"],
  ["seal.partial_age", "9ms", "10ms", "24h", "25h"],
  ["seal.max_silence", "999ms", "2s", "24h", "86400001ms"],
  ["buffer.max_bytes", "15MiB", "16MiB", "1024GiB", "1025GiB"],
  ["drain.deadline", "1ms", "1s", "1h", "61m"],
];
for (const [path, below, min, max, above] of ranges) {
  test(`${path} takes ${min} to ${max}`, async () => {
    const [part, name] = path.split(".");
    for (const value of [min, max]) {
      assert.deepEqual(await messages(`${least}${part}: { ${name}: ${value} }\n`), []);
    }
    for (const value of [below, above]) {
      const [message = ""] = await messages(`${least}${part}: { ${name}: ${value} }\n`);
      assert.ok(message.startsWith(`${path} is `), message);
    }
  });
}

test("a block may not stay open longer than half of the promised silence", async () => {
  assert.deepEqual(await messages(`${least}seal: { max_age: 31s }\n`), [
    "seal.max_age is more than half of seal.max_silence",
  ]);
  assert.deepEqual(await messages(`${least}seal: { max_age: 500ms, max_silence: 1s }\n`), []);
});

test("two sources cannot have one name", async () => {
  const sources = "sources: [{ name: a, include: [x] }, { name: a, include: [y] }]";
  assert.deepEqual(await messages(least.replace(/^sources.*$/m, sources)), [
    "sources[1].name is the name of sources[0] already",
  ]);
});

test("a root key that is a vault's key, and one key for receipts and for time, are refused", async () => {
  const { publicKey } = parseVerifierKey(nativeSuite, key);
  const as = (name: string, type: 1 | 4): string =>
    formatVerifierKey(verifierKey(nativeSuite, name, type, publicKey));
  const withTrust = (trust: string): string => least.replace(/^trust.*$/m, `trust: { ${trust} }`);
  const root = as("root", 1);
  assert.deepEqual(
    await messages(withTrust(`vault_keys: [${key}, ${timeKey}], root_keys: [${root}]`)),
    ["trust.root_keys[0] is the key of a vault, too"],
  );
  assert.deepEqual(
    await messages(withTrust(`vault_keys: [${key}, ${as("vault.example/time", 4)}]`)),
    ["trust.vault_keys[1] is the same key as that of vault.example"],
  );
});

test("a vault key without its time key, or the other way round, is refused", async () => {
  const withKeys = (...keys: string[]): string =>
    least.replace(/^trust.*$/m, `trust: { vault_keys: [${keys.join(", ")}] }`);
  assert.deepEqual(await messages(withKeys(key, key)), [
    "trust.vault_keys[0] has no vault.example/time key beside it",
    "trust.vault_keys[1] has no vault.example/time key beside it",
  ]);
  assert.deepEqual(await messages(withKeys(timeKey, timeKey)), [
    "trust.vault_keys[0] has no key of type 1 of vault.example beside it",
    "trust.vault_keys[1] has no key of type 1 of vault.example beside it",
  ]);
  assert.deepEqual(await messages(withKeys(timeKey, key)), []);
  const [bad = ""] = await messages(withKeys(key.replace("c487", "c488"), timeKey));
  assert.match(bad, /want a verifier key such as .* \(key id is c488dd37, want c487dd37\)/);
});

test("files for TLS come in pairs and need an https address", async () => {
  const withSink = (sink: string): string => least.replace(/^sink.*$/m, `sink: ${sink}`);
  assert.deepEqual(await messages(withSink('{ url: "https://x", tls: { cert: c } }')), [
    "sink.tls.cert needs key beside it",
  ]);
  assert.deepEqual(await messages(withSink('{ url: "http://localhost:1", tls: { ca: c } }')), [
    "sink.tls goes with an https address only, and sink.url is none",
  ]);
});

test("a vault on another machine without https is worth a warning", async () => {
  const warned = async (url: string): Promise<number> =>
    (await loadConfig(agentConfig, least.replace("https://vault.example:8443", url), "c", {}))
      .warnings.length;
  assert.equal(await warned("http://vault.example"), 1);
  for (const url of ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "https://x"]) {
    assert.equal(await warned(url), 0, url);
  }
});

test("the whole configuration can go into a record as it is", async () => {
  const masked = maskedConfig(await load(least));
  assert.deepEqual(JSON.parse(JSON.stringify(masked)), masked);
  assert.deepEqual(masked.buffer, { max_bytes: 2_147_483_648 });
});
