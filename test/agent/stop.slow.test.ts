// Real processes that are told to stop at a bad moment: with writers that go on, a vault that is
// gone or hangs, a file that is being rotated. The deadline is kept, and after the next start every
// byte is sealed once or lies in a gap.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Rig, type Sealed, textOf } from "../crash/rig.ts";
import { codesOf, worse } from "../fakes/findings.ts";

const deadline = 2000;

async function begun(deadlineMs = deadline): Promise<Rig> {
  const agentYaml = `seal: { max_age: 50ms }\ndrain: { deadline: ${deadlineMs}ms }`;
  const rig = await Rig.make({ agentYaml });
  await rig.begin("a.log", "begin\n");
  return rig;
}

/** Exit code, and the milliseconds that the stop took. */
async function timedStop(
  rig: Rig,
  signal: NodeJS.Signals = "SIGTERM",
): Promise<[code: number | string, ms: number]> {
  const before = performance.now();
  const code = await rig.stop(rig.agent, signal);
  return [code, performance.now() - before];
}

function assertInTime([code, ms]: [number | string, number]): void {
  assert.equal(code, 0);
  assert.ok(ms < deadline + 1000, `${ms} ms`);
}

async function settled(rig: Rig): Promise<Sealed> {
  await rig.startAgent();
  await rig.caughtUp();
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  assert.equal(await rig.stop(rig.vault, "SIGTERM"), 0);
  return rig.verify();
}

test("SIGTERM under load, with a writer that goes on: in time, and nothing lost or doubled", async () => {
  await using rig = await begun();
  let goes = true;
  const writer = (async () => {
    for (let n = 0; goes; n++) {
      rig.append("a.log", `${n} ${"x".repeat(200)}\n`.repeat(200));
      await pause(5);
    }
  })();
  await pause(1000);
  assertInTime(await timedStop(rig));
  await pause(300);
  goes = false;
  await writer;
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  assert.ok(textOf(sealed, "a.log") === rig.log("a.log").toString());
});

for (const [name, signal] of [
  ["gone", "SIGKILL"],
  ["hanging", "SIGSTOP"],
] as const) {
  test(`SIGTERM with the vault ${name}: in time, and the rest goes at the next start`, async () => {
    await using rig = await begun();
    rig.vault?.kill(signal);
    rig.append("a.log", "meanwhile\npart");
    await pause(500);
    assertInTime(await timedStop(rig));
    assert.match(rig.said, /"unsent":[1-9].*"agent stopped"/);
    rig.append("a.log", "ial\n");
    if (signal === "SIGSTOP") rig.vault?.kill("SIGCONT");
    else await rig.startVault();
    const sealed = await settled(rig);
    assert.deepEqual(worse(sealed.findings), []);
    assert.equal(textOf(sealed, "a.log"), "begin\nmeanwhile\npartial\n");
  });
}

test("SIGINT is a stop like SIGTERM, SIGHUP none, and a second signal does not wait", async () => {
  await using rig = await begun(15_000);
  rig.agent?.kill("SIGHUP");
  rig.vault?.kill("SIGHUP");
  rig.append("a.log", "after SIGHUP\n");
  await pause(300);
  await rig.caughtUp();
  assert.equal(rig.said.match(/SIGHUP changes nothing/g)?.length, 2);
  assertInTime(await timedStop(rig, "SIGINT"));
  await rig.startAgent();
  await rig.caughtUp();
  rig.vault?.kill("SIGSTOP");
  rig.append("a.log", "unsent\n");
  await pause(300);
  rig.agent?.kill("SIGTERM");
  await pause(700);
  // Long before the deadline.
  assertInTime(await timedStop(rig));
  rig.vault?.kill("SIGCONT");
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  assert.equal(textOf(sealed, "a.log"), "begin\nafter SIGHUP\nunsent\n");
});

test("SIGTERM while a file is rotated, and again while we are down, out of the pattern", async () => {
  await using rig = await begun();
  const old = join(rig.dir, "old");
  mkdirSync(old);
  const at = (name: string): string => join(rig.logs, name);
  rig.append("a.log", "1\n2 without en");
  const stopped = timedStop(rig);
  // In the middle of the drain.
  await pause(100);
  renameSync(at("a.log"), at("a.log.1"));
  rig.append("a.log.1", "d\nlate\n");
  rig.append("a.log", "fresh\n");
  assertInTime(await stopped);
  rig.append("a.log.1", "later, nobody looks\n");
  renameSync(at("a.log.1"), join(old, "a.1"));
  renameSync(at("a.log"), at("a.log.1"));
  rig.append("a.log.1", "fresh late\n");
  rig.append("a.log", "third\n");
  // Back within what is searched: beside the pattern, under a name that it does not match.
  renameSync(join(old, "a.1"), at("a.log.2"));
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  const all = `${rig.log("a.log.2")}${rig.log("a.log.1")}${rig.log("a.log")}`;
  assert.equal(textOf(sealed, "a.log"), all);
});

test("a file rotated, compressed and removed while we are down leaves a gap that says so", async () => {
  await using rig = await begun();
  assertInTime(await timedStop(rig));
  rig.append("a.log", "nobody saw this\n");
  renameSync(join(rig.logs, "a.log"), join(rig.logs, "a.log.1"));
  execFileSync("gzip", [join(rig.logs, "a.log.1")]);
  rig.append("a.log", "after\n");
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  assert.ok(codesOf(sealed.findings).includes("GAP_DECLARED"), codesOf(sealed.findings).join());
  assert.equal(textOf(sealed, "a.log"), "begin\nafter\n");
});

test("a machine whose clock was set back a day, or ahead, is no reason to refuse anything", async () => {
  await using rig = await begun();
  for (const days of [1, -1]) {
    await rig.stop(rig.agent, "SIGTERM");
    rig.append("a.log", `clock ${days}\n`);
    const shifted = `const real = Date.now; Date.now = () => real() + ${days * 86_400_000};`;
    const preload = `data:text/javascript,${encodeURIComponent(shifted)}`;
    await rig.startAgent({ NODE_OPTIONS: `--import=${preload}` });
    await rig.caughtUp();
  }
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  rig.append("a.log", "right again\n");
  const sealed = await settled(rig);
  assert.equal(sealed.reports.length, 1);
  assert.deepEqual(worse(sealed.findings), []);
  assert.equal(textOf(sealed, "a.log"), rig.log("a.log").toString());
});

test("SIGTERM while a grant is waited for ends at once, and the files are still there to read", async () => {
  await using rig = await begun();
  assertInTime(await timedStop(rig));
  // The keys are gone: this chain cannot be gone on with.
  renameSync(join(rig.stateDir, "chains/0000/keys"), join(rig.dir, "lost-keys"));
  rig.append("a.log", "waits\n");
  await rig.startAgent();
  await pause(500);
  assert.equal((await rig.status()).state, "needs-grant");
  assertInTime(await timedStop(rig));
  await rig.grant({});
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  const parts = textOf(sealed, "a.log").split("\n").sort();
  assert.deepEqual(parts, ["", "begin", "waits"]);
});
