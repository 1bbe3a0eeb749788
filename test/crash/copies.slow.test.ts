// Copies of what there should be one of: a state directory under two agents, a store of yesterday.

import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { builtBin } from "./built.ts";
import { type AgentStatus, Rig } from "./rig.ts";
import { assertWhole } from "./whole.ts";

async function statusAt(url: string): Promise<AgentStatus | undefined> {
  const answer = await fetch(`${url}/status`).catch(() => undefined);
  return (await answer?.json()) as AgentStatus | undefined;
}

/** The agent of each address, by what it does once one of them has given up. */
async function outcome(urls: readonly string[]): Promise<string[]> {
  for (let left = 600; left > 0; left--) {
    const states = await Promise.all(urls.map(async (url) => (await statusAt(url))?.state ?? ""));
    if (states.includes("needs-grant")) return states;
    await pause(100);
  }
  throw new Error("both agents go on");
}

/** Also the receipt's own record is sealed and receipted. */
async function quiet(rig: Rig): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await rig.caughtUp();
    await pause(200);
  }
}

test("of two agents with one state directory one goes on, and the fork is proven", async (t) => {
  await using rig = await Rig.make({ bin: builtBin() });
  await rig.startVault();
  rig.append("app.log", "one\n");
  await rig.startAgent();
  await quiet(rig);
  const [first, url, state] = [rig.agent, rig.agentUrl, rig.stateDir];
  t.after(() => first?.kill("SIGKILL"));
  // A consistent copy, as a snapshot of the file system would be. The first agent sleeps until the
  // second one has sealed the next height.
  first?.kill("SIGSTOP");
  cpSync(state, `${state}-copy`, { recursive: true });
  rig.append("app.log", "two\n");
  rig.stateDir = `${state}-copy`;
  await rig.startAgent();
  await rig.caughtUp();
  first?.kill("SIGCONT");
  assert.deepEqual(await outcome([url, rig.agentUrl]), ["needs-grant", "running"]);
  assert.equal(readFileSync(join(state, "chains/0000/replaced"), "utf8"), "fork\n");
  rig.append("app.log", "three\n");
  await rig.caughtUp();
  for (const agent of [first, rig.agent]) assert.equal(await rig.stop(agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  const { reports, findings, bytes } = await rig.verify();
  assert.deepEqual([reports.length, reports[0]?.verdict], [1, "INVALID"]);
  assert.ok(findings.some(({ code }) => code === "FORK"));
  const [chain = ""] = readdirSync(join(rig.storeDir, "chains"));
  assert.equal(readdirSync(join(rig.storeDir, "chains", chain, "forks")).length, 1);
  const sealed = [...bytes.values()].flat().map((part) => Buffer.from(part).toString());
  assert.equal(sealed.join(""), "one\ntwo\nthree\n");
});

test("a copy that starts while the first agent is ahead signs nothing, and waits for a grant", async (t) => {
  await using rig = await Rig.make({ bin: builtBin() });
  await rig.startVault();
  rig.append("app.log", "one\n");
  await rig.startAgent();
  await quiet(rig);
  const [first, url, state] = [rig.agent, rig.agentUrl, rig.stateDir];
  t.after(() => first?.kill("SIGKILL"));
  first?.kill("SIGSTOP");
  cpSync(state, `${state}-copy`, { recursive: true });
  first?.kill("SIGCONT");
  rig.append("app.log", "two\n");
  await rig.caughtUp();
  rig.stateDir = `${state}-copy`;
  await rig.startAgent();
  assert.deepEqual(await outcome([url, rig.agentUrl]), ["running", "needs-grant"]);
  const replaced = join(`${state}-copy`, "chains/0000/replaced");
  assert.equal(readFileSync(replaced, "utf8"), "agent-rollback\n");
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  assert.equal(await rig.stop(first, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  const { reports, bytes } = await rig.verify();
  assert.deepEqual([reports.length, reports[0]?.verdict], [1, "VALID"]);
  const sealed = [...bytes.values()].flat().map((part) => Buffer.from(part).toString());
  assert.equal(sealed.join(""), "one\ntwo\n");
});

test("a vault restored from yesterday is noticed, and gets again what the agent still holds", async () => {
  await using rig = await Rig.make({ bin: builtBin() });
  await rig.begin("app.log", "one\n");
  await rig.stop(rig.vault, "SIGTERM");
  cpSync(rig.storeDir, `${rig.storeDir}-yesterday`, { recursive: true });
  await rig.startVault();
  rig.append("app.log", "two\n");
  await quiet(rig);
  await rig.stop(rig.vault, "SIGTERM");
  rmSync(rig.storeDir, { recursive: true });
  renameSync(`${rig.storeDir}-yesterday`, rig.storeDir);
  // As docs/operating/recover.md has it: else the vault says that it had more, and waits.
  rmSync(join(rig.dir, "vault", "chains"), { recursive: true });
  await rig.startVault();
  rig.append("app.log", "three\n");
  for (let left = 300; left > 0 && !rig.said.includes('"state":"rollback"'); left--)
    await pause(50);
  await quiet(rig);
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  assert.match(rig.said, /"state":"rollback"/);
  await assertWhole(rig, ["app.log"]);
});
