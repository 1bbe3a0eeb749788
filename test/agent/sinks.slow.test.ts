// A real agent under load before the worst sinks there are, one after the other: nothing is freed
// before its time, health and metrics say what is wrong, and the good vault at the end has all of
// it exactly once. Nothing is restarted.

import assert from "node:assert/strict";
import { cpSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { pairVaultKeys } from "../../src/core/checkpoint.ts";
import { systemFiles } from "../../src/host/files.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { verifySource } from "../../src/verify/all.ts";
import { Rig, textOf } from "../crash/rig.ts";
import { worse } from "../fakes/findings.ts";
import { Gate, type Manner, reads } from "./gate.ts";

interface Ordeal {
  readonly name: string;
  readonly does: Manner;
  readonly outcome: string;
  readonly state: string;
  readonly ready: number;
}

const text = { "content-type": "text/plain" };
const away = { state: "unreachable", ready: 200 };
const refused = { outcome: "refused", state: "refused", ready: 503 };
const says = (status: number, headers = {}): Manner =>
  reads((_, response) => response.writeHead(status, headers).end());

const ordeals: readonly Ordeal[] = [
  { name: "fails", does: says(500), outcome: "server-error", ...away },
  {
    name: "asks for patience",
    does: says(429, { "retry-after": "1" }),
    ...{ outcome: "throttled", state: "throttled", ready: 200 },
  },
  { name: "forbids", does: says(403), ...refused },
  { name: "finds it too large", does: says(413), ...refused },
  { name: "sends us elsewhere", does: says(308, { location: "http://127.0.0.1:1/" }), ...refused },
  {
    name: "resets in the middle of the request",
    does: (request) => void request.once("data", () => request.socket.resetAndDestroy()),
    ...{ outcome: "transport", ...away },
  },
  {
    name: "cuts the answer",
    does: reads((_, response) => {
      response.writeHead(200, { ...text, "content-length": "400" }).write("rig-vault/");
      setTimeout(() => response.destroy(), 20);
    }),
    ...{ outcome: "transport", ...away },
  },
  {
    name: "is a portal",
    does: reads((_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>Welcome</h1>");
    }),
    ...{ outcome: "bad-answer", ...away },
  },
  {
    name: "answers without end",
    does: reads((_, response) => {
      response.writeHead(200, text);
      const pour = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 97)));
      };
      response.on("drain", pour);
      pour();
    }),
    ...{ outcome: "bad-answer", ...away },
  },
  {
    name: "speaks no HTTP",
    does: reads(({ socket }) => void socket.end("SSH-2.0-OpenSSH_9.6\r\n\r\n")),
    ...{ outcome: "bad-answer", ...away },
  },
  {
    name: "makes receipts up",
    does: reads(({ url }, response) => {
      const chain = url?.split("/")[3] ?? "";
      const root = Buffer.alloc(32).toString("base64");
      const signature = Buffer.alloc(68, 1).toString("base64");
      response.writeHead(200, text);
      response.end(`rig-vault/${chain}\n3\n${root}\n\n\u2014 rig-vault ${signature}\n`);
    }),
    ...{ outcome: "bad-receipt", state: "refused", ready: 503 },
  },
];

/** Appends a line every few milliseconds until told to end. */
function writing(rig: Rig, name: string): { stop: () => Promise<void> } {
  let goes = true;
  const done = (async () => {
    for (let n = 0; goes; n++) {
      rig.append(name, `${n} ${"x".repeat(n % 300)}\n`);
      await pause(10);
    }
  })();
  return {
    stop: async () => {
      goes = false;
      await done;
    },
  };
}

async function attempts(rig: Rig, outcome: string): Promise<number> {
  const metrics = await (await fetch(`${rig.agentUrl}/metrics`)).text();
  const sample = `sealtail_agent_send_attempts_total{outcome="${outcome}"} `;
  const line = metrics.split("\n").find((each) => each.startsWith(sample));
  return Number(line?.slice(sample.length));
}

async function until(holds: () => Promise<boolean>, rig: Rig, what: string): Promise<void> {
  // Long enough for the waits that grow while a sink fails.
  for (let left = 90_000; left > 0; left -= 50) {
    if (await holds()) return;
    await pause(50);
  }
  throw new Error(`waited in vain: ${what}\n${rig.said.slice(-3000)}`);
}

async function health(rig: Rig): Promise<[livez: number, readyz: number, startupz: number]> {
  const ask = async (name: string): Promise<number> =>
    (await fetch(`${rig.agentUrl}/${name}`)).status;
  return [await ask("livez"), await ask("readyz"), await ask("startupz")];
}

async function receipted(rig: Rig): Promise<number> {
  return (await rig.status()).ship?.receiptedSize ?? 0;
}

async function endure(rig: Rig, gate: Gate, ordeal: Ordeal): Promise<void> {
  const { name, does, outcome, state, ready } = ordeal;
  const before = await attempts(rig, outcome);
  gate.manner = does;
  await until(async () => (await attempts(rig, outcome)) >= before + 2, rig, name);
  const size = await receipted(rig);
  const asked = gate.requests;
  await pause(500);
  assert.equal(await receipted(rig), size, `${name}: something was freed`);
  assert.ok(gate.requests - asked <= 5, `${name}: ${gate.requests - asked} requests`);
  assert.deepEqual(await health(rig), [200, ready, 200], name);
  assert.equal((await rig.status()).ship?.state, state, name);
  gate.manner = undefined;
  await until(async () => (await receipted(rig)) > size, rig, `${name}, then healed`);
  assert.deepEqual(await health(rig), [200, 200, 200], `${name}, then healed`);
}

test("a real agent outlives the worst sinks in a row, and a good vault has all of it once", async () => {
  await using rig = await Rig.make();
  await rig.startVault();
  await using gate = await Gate.before(rig.vaultUrl);
  rig.vaultUrl = gate.url;
  const writer = writing(rig, "a.log");
  await rig.startAgent();
  await until(async () => (await receipted(rig)) > 0, rig, "the first receipt");
  for (const ordeal of ordeals) await endure(rig, gate, ordeal);
  // Hangs: the agent waits, alive, until the connection breaks.
  gate.manner = () => undefined;
  await pause(1500);
  const size = await receipted(rig);
  assert.deepEqual(await health(rig), [200, 200, 200]);
  gate.manner = undefined;
  gate.cut();
  await until(async () => (await receipted(rig)) > size, rig, "healed from hanging");
  // Nobody listens, and then somebody does.
  await gate.shut();
  await until(async () => (await rig.status()).ship?.state === "unreachable", rig, "unreachable");
  assert.deepEqual(await health(rig), [200, 200, 200]);
  await gate.open();
  await writer.stop();
  await rig.caughtUp();
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  assert.equal(await rig.stop(rig.vault, "SIGTERM"), 0);
  const sealed = await rig.verify();
  assert.deepEqual(worse(sealed.findings), []);
  assert.equal(sealed.reports.length, 1);
  assert.equal(textOf(sealed, "a.log"), rig.log("a.log").toString());
  // What is wrong was said, but not every time: a few lines a minute.
  const said = rig.said.split("\n").filter((line) => line.includes('"the sink ')).length;
  assert.ok(said >= 4 && said <= 18, `${said} lines`);
});

async function restoreStore(rig: Rig, backup: string): Promise<void> {
  await rig.stop(rig.vault, "SIGKILL");
  rmSync(rig.storeDir, { recursive: true });
  renameSync(backup, rig.storeDir);
  // As docs/operating/recover.md has it: else the vault says that it had more, and waits.
  rmSync(join(rig.dir, "vault", "chains"), { recursive: true });
  await rig.startVault();
}

async function backUp(rig: Rig): Promise<string> {
  // A status without files looks caught up as well.
  await until(
    async () => (await rig.status()).files.some(({ offset }) => offset > 0),
    rig,
    "a file",
  );
  await rig.caughtUp();
  await rig.stop(rig.vault, "SIGTERM");
  const backup = `${rig.storeDir}.backup`;
  cpSync(rig.storeDir, backup, { recursive: true });
  await rig.startVault();
  return backup;
}

test("a vault restored from a backup gets again what the agent still holds", async () => {
  await using rig = await Rig.make();
  await rig.startVault();
  rig.append("a.log", "one\n");
  await rig.startAgent();
  const backup = await backUp(rig);
  rig.append("a.log", "two\n");
  await rig.caughtUp();
  await restoreStore(rig, backup);
  rig.append("a.log", "three\n");
  await pause(500);
  await rig.caughtUp();
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  assert.equal(await rig.stop(rig.vault, "SIGTERM"), 0);
  const sealed = await rig.verify();
  assert.deepEqual(worse(sealed.findings), []);
  assert.equal(sealed.reports.length, 1);
  assert.equal(textOf(sealed, "a.log"), "one\ntwo\nthree\n");
});

test("a vault that lost what nobody holds any more gets a chain that says so", async () => {
  await using rig = await Rig.make({
    maxChains: 2,
    agentYaml: "seal: { max_age: 50ms }\nbuffer: { max_bytes: 16MiB }",
  });
  await rig.startVault();
  rig.append("a.log", "one\n");
  await rig.startAgent();
  const backup = await backUp(rig);
  // More than the buffer keeps of what is receipted.
  const bulk = Buffer.alloc(8_000_000);
  for (let at = 0; at < bulk.length; at += 4) bulk.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  rig.append("b.log", bulk);
  await rig.caughtUp(60_000);
  await restoreStore(rig, backup);
  rig.append("a.log", "two\n");
  await until(async () => rig.said.includes("chain begun"), rig, "a chain");
  await until(
    async () => rig.said.split('"chain begun"').length === 3,
    rig,
    "the chain that goes on",
  );
  assert.ok(rig.said.includes("sink-rollback"));
  await rig.caughtUp(60_000);
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  assert.equal(await rig.stop(rig.vault, "SIGTERM"), 0);
  const sealed = await rig.verify();
  // The order of chains is that of their ids.
  assert.deepEqual(textOf(sealed, "a.log").split("\n").sort(), ["", "one", "two"]);
  // The vault's disk holds less than the vault signed for, and the new chain quotes it.
  const store = readDirStore(systemFiles, rig.storeDir);
  const source = store;
  const { counts, verdict } = await verifySource(source, {
    suite: nativeSuite,
    roots: [rig.root],
    vaults: pairVaultKeys(rig.vaultKeys),
  });
  assert.equal(verdict, "INVALID");
  assert.deepEqual(counts, { CHAIN_REPLACED: 1, CHAIN_REPLACED_UNLINKED: 1 });
});
