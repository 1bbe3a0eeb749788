// What health says to whoever restarts, routes or pages: a restart must be asked for only where it
// helps, and people only where they have to act.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Gauge } from "../../src/agent/gauge.ts";
import { liveness, readiness, startup } from "../../src/agent/operations.ts";
import type { Probe } from "../../src/host/operations-listener.ts";
import type { Answer } from "../../src/ship/sink.ts";
import { World } from "./world.ts";

const minutes = 60_000_000;
const gaugeOf = (world: World): Gauge => world.agent?.gauge ?? new Gauge();
/** What /livez would say ten minutes from now, should nothing move until then. */
const aliveLater = (world: World): boolean =>
  liveness(gaugeOf(world), world.clock.mono() + 10 * minutes).ok;

async function probes(world: World): Promise<Record<string, number>> {
  const url = world.agent?.operationsUrl ?? "";
  const names = ["livez", "readyz", "startupz"];
  const got = names.map(async (name) => [name, (await fetch(`${url}/${name}`)).status] as const);
  return Object.fromEntries(await Promise.all(got));
}

/** What status and metrics say of the files. */
async function held(world: World): Promise<object> {
  const url = world.agent?.operationsUrl ?? "";
  const status = (await (await fetch(`${url}/status`)).json()) as { files: { path: string }[] };
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const [, unread] = /^sealtail_agent_source_unread_bytes\{.*\} (\d+)$/m.exec(metrics) ?? [];
  return { files: status.files.map(({ path }) => path), unread: Number(unread) };
}

/** A chain that cannot be gone on with, and no grant for another one. */
async function inNeedsGrant(): Promise<World> {
  const world = await World.make();
  world.files.append("/logs/a.log", "a\n");
  await world.start();
  await world.caughtUp();
  return world;
}

suite("health", () => {
  test("an agent that waits for a grant is alive and started, but not ready, and tells of its files", async () => {
    await using world = await inNeedsGrant();
    world.vault.away = true;
    world.files.append("/logs/a.log", "only in the buffer\n");
    await world.until(() => (world.agent?.session?.shipper.status().unreceiptedBlocks ?? 0) > 0);
    await world.stop();
    await world.files.unlink(`${world.dir}/chains/0000/keys`);
    await world.start();
    await world.until(() => gaugeOf(world).state === "needs-grant");
    assert.deepEqual(await probes(world), { livez: 200, readyz: 503, startupz: 200 });
    world.files.append("/logs/a.log", "held\n");
    await world.until(() => gaugeOf(world).tail()?.stats().get("app")?.bytesBehind !== 0);
    assert.deepEqual(await held(world), { files: ["/logs/a.log"], unread: 5 });
    // What nobody has is not forgotten by a stop.
    assert.ok(((await world.stop()).unsent ?? 0) > 0);
  });

  test("an agent whose chain ended under it stays alive however long it waits for a grant", async () => {
    await using world = await inNeedsGrant();
    assert.equal(aliveLater(world), false);
    const [vault] = world.vault.chains.values();
    // The vault fell back behind what is still held here.
    vault?.stored.splice(0);
    const answer: Answer = { outcome: "fork", code: "fork" };
    if (vault !== undefined) vault.always = answer;
    world.files.append("/logs/a.log", "b\n");
    await world.until(() => gaugeOf(world).state === "needs-grant", 20_000);
    assert.equal(aliveLater(world), true);
    assert.deepEqual(await probes(world), { livez: 200, readyz: 503, startupz: 200 });
  });

  test("a drain that waits for the vault shows that it lives", async () => {
    await using world = await inNeedsGrant();
    world.vault.silent = true;
    world.files.append("/logs/a.log", "b\n");
    await world.pass(100);
    const stopped = world.stop();
    await world.until(() => gaugeOf(world).state === "draining");
    await world.pass(1500);
    assert.equal(gaugeOf(world).state, "draining");
    assert.ok(world.clock.mono() - gaugeOf(world).lastTurn < 500_000);
    await stopped;
  });

  test("a vault that is away, slow or patient calls nobody; one that refuses, or certificates, do", () => {
    const gauge = Object.assign(new Gauge(), { chain: "c", state: "running" });
    const ready = (state: string, code: string): Probe =>
      readiness(gauge, { state, code } as Parameters<typeof readiness>[1]);
    for (const [state, code, ok] of [
      ["ok", "", true],
      ["unreachable", "dns", true],
      ["unreachable", "connection-refused", true],
      ["unreachable", "http-500", true],
      ["unreachable", "timeout", true],
      ["throttled", "http-429", true],
      ["rollback", "receipt-shrunk", true],
      ["refused", "http-403", false],
      ["refused", "receipt-forged", false],
      ["unreachable", "tls-untrusted", false],
      ["unreachable", "tls-expired", false],
      ["unreachable", "tls-file-unreadable", false],
      ["unreachable", "certificate-expired", false],
    ] as const) {
      const probe = ready(state, code);
      assert.equal(probe.ok, ok, `${state} ${code}`);
      // Whoever is told to look there finds what status and metrics say, ready or not.
      assert.equal(probe.checks["sink"], code === "" ? state : `${state}: ${code}`);
    }
  });

  test("what is waited for before a chain begins is named, not only that something is", () => {
    const gauge = Object.assign(new Gauge(), { state: "needs-vault", waits: "predecessor-lives" });
    const { ok, checks } = readiness(gauge, undefined);
    assert.deepEqual([ok, checks["chain"]], [false, "predecessor-lives"]);
    assert.equal(checks["sink"], "no chain is sent yet");
  });

  test("a start that is under way is not over yet", () => {
    assert.equal(startup(new Gauge()).ok, false);
  });
});
