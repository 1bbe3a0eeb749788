// A running agent and vault, a real Prometheus, and faults: each alert fires, and clears.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { main } from "../../src/cli/main.ts";
import { Rig } from "../crash/rig.ts";
import { type Dashboard, dashboards, expressions, filled } from "./dashboards.ts";
import { draw } from "./draw.ts";
import { Prometheus, skip } from "./prometheus.ts";

const faketime = ["x86_64", "aarch64"]
  .map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));
if (faketime === undefined && process.env["CI"] === "true") throw new Error("needs faketime");

let rig: Rig;
let prometheus: Prometheus;
let grant = "";

function scrape(): void {
  const { agentUrl, vaultOperations } = rig;
  prometheus.targets({ "sealtail-agent": agentUrl, "sealtail-vault": vaultOperations });
}

async function startVault(): Promise<void> {
  await rig.startVault();
  scrape();
}

async function startAgent(env: Record<string, string> = {}): Promise<void> {
  await rig.startAgent(env);
  scrape();
}

/** Acknowledges what is open in the one chain. */
async function acknowledge(reason: string, ...codes: string[]): Promise<void> {
  const [chain = ""] = readdirSync(join(rig.storeDir, "chains"));
  const more = codes.flatMap((code) => ["--code", code]);
  const words = ["ack", rig.vaultUrl, chain, "--grant", grant, "--reason", reason, ...more];
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const io = { stdin: Readable.from([]), stdout, stderr, env: {}, cwd: rig.dir };
  assert.equal(await main(words, io), 0, String(stderr.read()));
}

before(async () => {
  if (skip !== false) return;
  const agentYaml = `seal: { max_age: 50ms, max_silence: 2s }
buffer: { max_bytes: 16MiB }`;
  rig = await Rig.make({ agentYaml });
  grant = await rig.adminGrant();
  prometheus = await Prometheus.start();
  await startVault();
  rig.append("app.log", "first\n");
  await startAgent();
  await rig.caughtUp();
});

after(async () => {
  await rig?.[Symbol.asyncDispose]();
  await prometheus?.[Symbol.asyncDispose]();
});

test("while all is well no alert fires", { skip }, async () => {
  // Before that the vault is as good as down, and the alert may be about to fire.
  await prometheus.sees("sealtail_vault_build_info");
  await prometheus.sees("sealtail_agent_build_info");
  await prometheus.clears("SealtailVaultDown");
  for (let i = 0; i < 20; i++) {
    rig.append("app.log", `line ${i}\n`);
    await pause(200);
  }
  assert.deepEqual(await prometheus.firing(), []);
});

test("a vault that is stopped is noticed, and so is what waits for it", { skip }, async () => {
  await rig.stop(rig.vault, "SIGTERM");
  rig.append("app.log", "while it is away\n");
  await prometheus.fires("SealtailVaultDown", "SealtailDeliveryLate");
  await startVault();
  await prometheus.clears("SealtailVaultDown", "SealtailDeliveryLate");
});

test("an agent that is killed is silent; what it leaves open is closed by an operator alone", {
  skip,
}, async () => {
  await rig.stop(rig.agent, "SIGKILL");
  await prometheus.fires("SealtailAgentDown", "SealtailChainSilent");
  await startAgent();
  await rig.caughtUp();
  await prometheus.clears("SealtailAgentDown", "SealtailChainSilent");
  await prometheus.fires("SealtailRestartUnclean");
  // A restart of the vault does not close it.
  await rig.stop(rig.vault, "SIGTERM");
  await startVault();
  await prometheus.fires("SealtailRestartUnclean");
  await acknowledge("killed by the test");
  await prometheus.clears("SealtailRestartUnclean");
});

test("an agent that is stopped is reported until somebody acknowledges it", { skip }, async () => {
  await rig.stop(rig.agent, "SIGTERM");
  await prometheus.fires("SealtailChainStopped");
  await acknowledge("stopped by the test");
  await prometheus.clears("SealtailChainStopped");
  await startAgent();
  await rig.caughtUp();
  await acknowledge("it came back");
});

test("a full buffer stops reading, and what is truncated meanwhile is a gap", {
  skip,
}, async () => {
  await rig.stop(rig.vault, "SIGTERM");
  const noise = (): string => `${randomBytes(3_000_000).toString("base64")}\n`;
  for (let i = 0; i < 5; i++) rig.append("app.log", noise());
  await prometheus.fires("SealtailBufferFilling");
  for (let i = 0; i < 3; i++) rig.append("app.log", noise());
  await prometheus.fires("SealtailReadingStopped", "SealtailReadingBehind");
  truncateSync(join(rig.logs, "app.log"), 0);
  await startVault();
  await prometheus.fires("SealtailAgentGap");
  await prometheus.clears("SealtailReadingStopped", "SealtailReadingBehind");
  rig.append("app.log", "after the cut\n");
  await rig.caughtUp();
  await prometheus.fires("SealtailGapOpen");
  await prometheus.clears("SealtailAgentGap", "SealtailBufferFilling");
  await acknowledge("cut by the test", "GAP_DECLARED");
  await prometheus.clears("SealtailGapOpen");
});

test("every panel of every dashboard shows data", { skip }, async () => {
  for (const { place, expr } of expressions()) {
    const series = await prometheus.query(filled(expr, "30s"));
    assert.ok(series.length > 0, `${place}: ${expr}`);
  }
  const board = dashboards.get("overview.json") as Dashboard;
  const picture = await draw(board, prometheus, 120);
  assert.ok(!picture.includes("no data") && picture.includes("<polyline"), picture.slice(0, 500));
  // Written where the README shows it, when somebody asks.
  const path = process.env["SEALTAIL_DRAW"];
  if (path !== undefined) writeFileSync(path, picture);
});

test("a clock that is moved is noticed", {
  skip: skip || (faketime === undefined ? "needs faketime" : false),
}, async () => {
  await rig.stop(rig.agent, "SIGTERM");
  const LD_PRELOAD = faketime as string;
  await startAgent({ LD_PRELOAD, FAKETIME: "-30s", FAKETIME_DONT_FAKE_MONOTONIC: "1" });
  rig.append("app.log", "half a minute ago\n");
  await prometheus.fires("SealtailClockSkew");
  await rig.stop(rig.agent, "SIGTERM");
  await startAgent();
  rig.append("app.log", "now\n");
  await prometheus.clears("SealtailClockSkew");
});

test("a forged block is refused, and somebody is told", { skip }, async () => {
  const [chain = ""] = readdirSync(join(rig.storeDir, "chains"));
  const folder = join(rig.storeDir, "chains", chain);
  const [name = ""] = readdirSync(folder).filter((each) => each.endsWith(".blocks"));
  const bytes = readFileSync(join(folder, name));
  // The genesis, with another signature.
  const length = 448 + bytes.readUInt32BE(72);
  const forged = Buffer.from(bytes.subarray(0, length));
  forged[400] = (forged[400] as number) ^ 1;
  const url = `${rig.vaultUrl}/v1/chains/${chain}/blocks`;
  const answer = await fetch(url, { method: "POST", body: forged });
  assert.equal(answer.status, 422, await answer.text());
  await prometheus.fires("SealtailBlockRefused");
  await prometheus.clears("SealtailBlockRefused");
});
