// The vault as a whole: beginning, end, sockets, failing disks, and who reads its store meanwhile.

import assert from "node:assert/strict";
import http from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { base64, concat } from "../../src/core/bytes.ts";
import type { SealtailError } from "../../src/core/errors.ts";
import { formatVerifierKey, verifierKey } from "../../src/core/note.ts";
import { systemClock } from "../../src/host/clock.ts";
import { silentDiag } from "../../src/host/diag.ts";
import { systemFiles } from "../../src/host/files.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { chainPath, grantPath } from "../../src/store/layout.ts";
import { startVault } from "../../src/vault/vault.ts";
import { verifyChain } from "../../src/verify/verify.ts";
import { testRoot, testVault } from "../fakes/chain-builder.ts";
import { type Item, say } from "../fakes/chain-items.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { chainOf, gist, Rig, receiptOf, signers, vaultConfigOf } from "./rig.ts";

const heartbeat: Item = say({ type: "heartbeat", sources: [] });
const deps = {
  ...{ suite, signers, diag: silentDiag, version: "0.0.0" },
  ...{ clock: systemClock, files: systemFiles },
};

function withCode(code: string): (error: SealtailError) => boolean {
  return (error) => error.code === code;
}

test("a vault that others could reach does not start while only this machine may read", async () => {
  for (const listen of ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "vault.example:0"]) {
    const config = vaultConfigOf("/nowhere", { listen });
    await assert.rejects(startVault(config, deps), withCode("access-closed"));
  }
});

test("keys that are not the vault's own are refused", async () => {
  const config = vaultConfigOf("/nowhere", { name: "other.example" });
  await assert.rejects(startVault(config, deps), withCode("vault-key-mismatch"));
});

test("a root key that is one of the vault's own keys is refused, and the locks are let go", async () => {
  await using rig = await Rig.start();
  await rig.close();
  for (const { publicKey } of [signers.receipt.key, signers.time.key]) {
    const root = formatVerifierKey(verifierKey(suite, "root", 1, publicKey));
    const config = vaultConfigOf(rig.dir, { trust: { root_keys: [root] } });
    await assert.rejects(startVault(config, deps), withCode("vault-key-mismatch"));
  }
  await rig.open();
});

test("a state directory that is the store, or lies in it or around it, is refused", async () => {
  for (const state_dir of ["/nowhere/store", "/nowhere/store/state", "/nowhere", "/"]) {
    const config = vaultConfigOf("/nowhere", { state_dir });
    await assert.rejects(startVault(config, deps), withCode("config-invalid"), state_dir);
  }
});

test("a second vault on the same store or state is refused, and what it took is let go", async () => {
  await using rig = await Rig.start();
  const { dir } = rig;
  const config = vaultConfigOf(dir, { state_dir: `${dir}/another` });
  await assert.rejects(startVault(config, deps), withCode("state-locked"));
  await assert.rejects(startVault(vaultConfigOf(dir), deps), withCode("state-locked"));
  await rig.restart();
});

test("a port that is taken leaves nothing running", async () => {
  await using rig = await Rig.start();
  const { host } = new URL(rig.vault.url);
  await using other = await Rig.start();
  await other.close();
  const config = vaultConfigOf(other.dir, { listen: host });
  await assert.rejects(startVault(config, deps), withCode("port-in-use"));
  await other.open();
});

test("health turns green with the start", async () => {
  await using rig = await Rig.start();
  for (const probe of ["livez", "readyz", "startupz"]) {
    const answer = await fetch(`${rig.vault.operationsUrl}/${probe}`);
    assert.equal(answer.status, 200, probe);
    assert.equal(((await answer.json()) as { ok: boolean }).ok, true);
  }
  assert.equal((await fetch(`${rig.vault.operationsUrl}/v1/chains`)).status, 404);
  assert.equal((await fetch(`${rig.vault.url}/metrics`)).status, 404);
});

test("metrics are named as Prometheus wants them, and there from the start", async () => {
  await using rig = await Rig.start();
  const text = await (await fetch(`${rig.vault.operationsUrl}/metrics`)).text();
  const types = [...text.matchAll(/^# TYPE (sealtail_\S+) (\S+)$/gm)];
  assert.ok(types.length > 15);
  for (const [, name = "", type] of types) {
    assert.match(name, /^sealtail_vault_[a-z_]+$/);
    assert.equal(type === "counter", name.endsWith("_total"), name);
    assert.match(text, new RegExp(`^# HELP ${name} [A-Z0-9].+\\.$`, "m"), name);
  }
  for (const series of [
    'sealtail_vault_envelopes_received_total{outcome="rejected"} 0',
    'sealtail_vault_verification_failures_total{check="bad_signature"} 0',
    'sealtail_vault_chains{state="active"} 0',
    'sealtail_vault_request_duration_seconds_count{endpoint="post-blocks",status="422"} 0',
    "sealtail_vault_open_forks 0",
  ]) {
    assert.ok(text.includes(series), series);
  }
  assert.ok(((await rig.metric("sealtail_vault_store_free_bytes")) ?? 0) > 0);
});

interface Posted {
  readonly status: number | undefined;
  readonly text: string;
}

/** A POST of which `sent` bytes come, and then nothing more. */
function postSlowly(rig: Rig, path: string, headers: object, sent: Uint8Array): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${rig.vault.url}${path}`, {
      method: "POST",
      headers: { ...headers },
      agent: false,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      let text = "";
      response.on("data", (piece) => {
        text += piece;
      });
      response.on("end", () => {
        resolve({ status: response.statusCode, text });
        request.destroy();
      });
      response.on("error", () => resolve({ status: response.statusCode, text }));
    });
    request.flushHeaders();
    if (sent.length > 0) request.write(sent);
  });
}

test("who may not begin a chain is told so before the payload is read", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("early");
  chain.begin();
  const path = `/v1/chains/${chain.name}/blocks`;
  const length = { "content-length": 5_000_000 };
  const nothing = new Uint8Array(0);
  const unknown = await postSlowly(rig, path, length, nothing);
  assert.equal(unknown.status, 404);
  const stray = chainOf("stray", { terms: { audience: "elsewhere.example" } });
  const header = { ...length, "sealtail-grant": base64(stray.grant) };
  assert.equal((await postSlowly(rig, path, header, nothing)).status, 403);
  const large = { "content-length": 10_000_000, "sealtail-grant": base64(chain.grant) };
  assert.equal((await postSlowly(rig, path, large, nothing)).status, 413);
});

test("a body of a known chain is read only if its first head is signed right", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("signed");
  chain.begin();
  await rig.post(chain);
  const next = chain.seal([heartbeat]);
  const path = `/v1/chains/${chain.name}/blocks`;
  const length = { "content-length": 5_000_000 };
  const bad = next.head.slice();
  bad[400]! ^= 1;
  const answer = await postSlowly(rig, path, length, bad);
  assert.equal(answer.status, 422);
  assert.match(answer.text, /BAD_SIGNATURE/);
});

test("a client that breaks off stores nothing, and the chain goes on", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("broken");
  chain.begin();
  await rig.post(chain);
  const next = chain.seal([heartbeat]);
  const { hostname, port } = new URL(rig.vault.url);
  const socket = connect(Number(port), hostname);
  await new Promise((resolve) => socket.once("connect", resolve));
  const target = `POST /v1/chains/${chain.name}/blocks HTTP/1.1`;
  const head = `${target}\r\nHost: a\r\nContent-Length: 9000\r\n\r\n`;
  socket.write(concat(Buffer.from(head), next.bytes));
  await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  assert.equal((await rig.json(`/v1/chains/${chain.name}`))["size"], 1);
  assert.equal(receiptOf(await rig.post(chain, [next])).size, 2);
});

test("closing finishes what is under way and keeps the newest receipts", async () => {
  const clock = new FakeClock(Date.now() * 1000);
  await using rig = await Rig.start({ clock });
  const chain = chainOf("closing");
  chain.begin();
  for (let i = 0; i < 200; i++) chain.seal([heartbeat]);
  await rig.post(chain, chain.blocks.slice(0, 1));
  const body = concat(...chain.blocks.map(({ bytes }) => bytes)) as Uint8Array<ArrayBuffer>;
  // It may be cut off.
  const posting = rig
    .http(`/v1/chains/${chain.name}/blocks`, { method: "POST", body })
    .catch(() => undefined);
  const before = rig.vault;
  while ((await rig.metric("sealtail_vault_heads_open")) !== 1) await clock.advance(0);
  await new Promise((resolve) => setImmediate(resolve));
  await rig.close();
  const posted = await posting;
  const reader = readDirStore(systemFiles, rig.store).reader(chain.name);
  const { size } = await reader.newest();
  if (posted?.status === 200) assert.equal(size, 201);
  const kept = Buffer.from((await reader.receipt()) ?? []).toString();
  assert.equal(Number(kept.split("\n")[1]), size);
  assert.equal(before.url.startsWith("http://127.0.0.1:"), true);
});

test("the kept receipt follows within a second, and the first one at once", async () => {
  const clock = new FakeClock(Date.now() * 1000);
  const files = new FakeFiles();
  await using rig = await Rig.start({ clock, files });
  const chain = chainOf("kept");
  chain.begin();
  const path = `${rig.store}/${chainPath(chain.name)}/receipt`;
  const keptSize = (): number => Number(Buffer.from(files.bytes(path)).toString().split("\n")[1]);
  await rig.post(chain);
  assert.equal(keptSize(), 1);
  for (let i = 0; i < 3; i++) {
    await rig.post(chain, [chain.seal([heartbeat])]);
    assert.equal(keptSize(), 1);
  }
  assert.equal(receiptOf(await rig.direct(`/v1/chains/${chain.name}/receipt`)).size, 4);
  await clock.advance(1000);
  assert.equal(keptSize(), 4);
});

for (const call of ["datasync", "syncDir", "sync"] as const) {
  for (const variant of ["failed", "persisted"] as const) {
    test(`a ${call} that ${variant}: no receipt, nothing more is taken in, nothing promised is lost`, async () => {
      const inner = new FakeFiles();
      const files = new FaultyFiles(inner);
      await using rig = await Rig.start({ files });
      const chain = chainOf("sync");
      chain.begin();
      files.arm({ call, variant, nth: 1, path: chainPath(chain.name) });
      const answer = await rig.post(chain);
      assert.equal(gist(answer), "503 vault-unsafe");
      await assert.rejects(rig.vault.failed, (error: SealtailError) => error.kind === "unsafe");
      assert.equal(gist(await rig.post(chain)), "503 vault-unsafe");
      assert.equal((await fetch(`${rig.vault.operationsUrl}/livez`)).status, 503);
      await rig.close();
      files.disarm();
      inner.crash();
      await rig.open();
      assert.equal(receiptOf(await rig.post(chain)).size, 1);
      const before = rig.vault;
      inner.crash();
      await rig.open();
      assert.equal((await rig.json(`/v1/chains/${chain.name}`))["size"], 1);
      await before.close(0);
    });
  }
}

test("a full disk is told as such, and the chain goes on when there is room", async () => {
  const files = new FakeFiles();
  await using rig = await Rig.start({ files });
  const chain = chainOf("full");
  chain.begin();
  await rig.post(chain);
  const next = chain.seal([heartbeat]);
  files.capacity = files.used() + 100;
  const answer = await rig.post(chain, [next]);
  assert.equal(gist(answer), "503 disk-full");
  assert.equal(answer.headers.get("retry-after"), "30");
  assert.equal(await rig.metric('sealtail_vault_store_errors_total{code="disk-full"}'), 1);
  files.capacity = Number.POSITIVE_INFINITY;
  assert.equal(receiptOf(await rig.post(chain, [next])).size, 2);
});

test("a vault whose store is full is not ready until there is room, and alive all the time", async () => {
  const files = new FakeFiles();
  await using rig = await Rig.start({ files });
  const ask = async (name: string): Promise<Response> =>
    fetch(`${rig.vault.operationsUrl}/${name}`);
  assert.equal((await ask("readyz")).status, 200);
  // Less than one request may bring.
  files.capacity = files.used() + 1_000_000;
  const full = await ask("readyz");
  assert.equal(full.status, 503);
  const { checks } = (await full.json()) as { checks: Record<string, boolean> };
  assert.deepEqual(checks, { started: true, store: true, open: true, room: false });
  assert.equal((await ask("livez")).status, 200);
  assert.equal((await ask("startupz")).status, 200);
  files.capacity = Number.POSITIVE_INFINITY;
  assert.equal((await ask("readyz")).status, 200);
});

test("a chain whose grant was stored and whose genesis was not begins again", async () => {
  const inner = new FakeFiles();
  const files = new FaultyFiles(inner);
  await using rig = await Rig.start({ files });
  const chain = chainOf("half");
  chain.begin();
  files.arm({ call: "create", variant: "failed", nth: 1, path: ".blocks" });
  assert.equal(gist(await rig.post(chain)), "503 store-unavailable");
  const grant = `${rig.store}/${grantPath(chain.name)}`;
  assert.equal(inner.node(grant), undefined);
  assert.equal(gist(await rig.direct(`/v1/chains/${chain.name}`)), "404 unknown-chain");
  await rig.close();
  inner.put(grant, chain.grant);
  await rig.open();
  assert.equal(receiptOf(await rig.post(chain)).size, 1);
});

test("a living store verifies at any moment", async () => {
  await using rig = await Rig.start({ limits: { objects: { bytes: 20_000, ageMicros: 1e15 } } });
  const chain = chainOf("living", { time: (Math.floor(Date.now() / 1000) - 5000) * 1e6 });
  chain.begin();
  await rig.post(chain);
  let done = false;
  const posting = (async (): Promise<void> => {
    for (let i = 0; i < 40; i++) {
      const sent = Array.from({ length: 7 }, () => chain.seal([heartbeat]));
      assert.equal(gist(await rig.post(chain, sent)), "200");
    }
    done = true;
  })();
  let looks = 0;
  while (!done) {
    const codes: string[] = [];
    const report = await verifyChain(readDirStore(systemFiles, rig.store).reader(chain.name), {
      ...{ suite, roots: [testRoot.key], vaults: [testVault.keys] },
      report: ({ code }) => codes.push(code),
    });
    assert.ok(["VALID", "VALID_WITH_FINDINGS"].includes(report.verdict), codes.join());
    assert.deepEqual(
      codes.filter((code) => code !== "TAIL_UNCONFIRMED"),
      [],
    );
    looks += 1;
  }
  await posting;
  assert.ok(looks > 1);
});

test("three hundred chains: the vault starts at once and knows them soon", async () => {
  const files = new FakeFiles();
  await using rig = await Rig.start({ files });
  const chain = chainOf("model");
  chain.begin();
  await rig.post(chain);
  await rig.close();
  const from = `${rig.store}/${chainPath(chain.name)}`;
  const names = ["grant", "receipt", "0000000000000000.blocks"];
  for (let i = 0; i < 300; i++) {
    const id = i.toString(16).padStart(64, "0");
    for (const name of names)
      files.put(`${rig.store}/${chainPath(id)}/${name}`, files.bytes(`${from}/${name}`));
  }
  let calls = 0;
  files.hook = () => {
    calls += 1;
  };
  await rig.open();
  assert.ok(calls < 100, `${calls} calls to start`);
  await rig.vault.surveyed;
  const page = (await rig.json("/v1/chains?limit=200"))["chains"] as unknown[];
  assert.equal(page.length, 200);
  assert.equal(gist(await rig.post(chain)), "200");
});
