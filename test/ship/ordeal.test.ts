// A sink that misbehaves in one way, attempt after attempt, one of each kind for a virtual hour.
// Whatever it is: nothing is saved or freed, metric, health and diagnostics name it, no attempt is
// wasted, and once the sink is honest all is stored without a restart.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { Gauge } from "../../src/agent/gauge.ts";
import { readiness } from "../../src/agent/operations.ts";
import { Metrics } from "../../src/host/metrics.ts";
import { addShipMetrics } from "../../src/ship/metrics.ts";
import { outcomes } from "../../src/ship/sink.ts";
import type { ShipStatus } from "../../src/ship/status.ts";
import { settle } from "../fakes/clock.ts";
import { TestChain } from "./chain.ts";
import { HostileServer, honest, sinkTo } from "./hostile-server.ts";
import { type Ordeal, ordeals } from "./ordeals.ts";
import { type Setup, ship, until } from "./setup.ts";

const waits = { connectTimeoutMs: 60, headersTimeoutMs: 60, bodyTimeoutMs: 60 };
const hourMs = 3_600_000;

/** Metrics as they are scraped: the attempts by outcome, and the state of the sink. */
async function scraped(metrics: Metrics): Promise<{ attempts: object; state: string[] }> {
  const samples = [...(await metrics.text()).matchAll(/^(\S+)\{\w+="([^"]+)"\} (\S+)$/gm)];
  const of = (name: string): [string, number][] =>
    samples
      .filter(([, metric, , value]) => metric === `sealtail_agent_${name}` && value !== "0")
      .map(([, , label, value]) => [label as string, Number(value)]);
  return {
    attempts: Object.fromEntries(of("send_attempts_total")),
    state: of("sink_state").map(([label]) => label),
  };
}

interface Trial {
  readonly waits: number[];
  readonly minutes: Map<number, number>;
}

/** These go on for an hour, the others for a few attempts. */
const long: readonly string[] = [
  "http-500",
  "http-503",
  "http-401",
  "receipt-untrusted",
  "receipt-root",
];

function attemptsOf({ code }: Ordeal): number {
  if (long.includes(code)) return 1000;
  return code === "timeout" ? 2 : 6;
}

/** Lets the shipper try, attempt after attempt, until a virtual hour is over. */
async function endure(all: Setup, count: () => number, most: number): Promise<Trial> {
  const waits: number[] = [];
  const minutes = new Map<number, number>();
  let elapsed = 0;
  for (let n = 1; elapsed < hourMs && n <= most; n++) {
    await until(() => count() >= n && all.clock.nextWakeMs !== undefined);
    assert.equal(count(), n);
    const wait = all.clock.nextWakeMs ?? 0;
    waits.push(wait);
    minutes.set(Math.floor(elapsed / 60_000), (minutes.get(Math.floor(elapsed / 60_000)) ?? 0) + 1);
    elapsed += wait;
    await all.clock.advance(wait);
  }
  await until(() => count() > waits.length && all.clock.nextWakeMs !== undefined);
  return { waits, minutes };
}

// Side by side: what waits for a real timeout holds nobody up.
suite("a sink that misbehaves", { concurrency: 8 }, () => {
  for (const ordeal of ordeals) {
    test(`a sink that ${ordeal.name} is borne: ${ordeal.outcome}, and it heals`, async () => {
      await using server = await HostileServer.start();
      server.manner = ordeal.does;
      const metrics = new Metrics("sealtail_agent_", "0.0.0");
      let status: () => ShipStatus | undefined = () => undefined;
      const shared = addShipMetrics(metrics, () => status());
      let attempts = 0;
      const observer = {
        ...shared,
        attempt: (...args: Parameters<typeof shared.attempt>): void => {
          attempts += 1;
          shared.attempt(...args);
        },
      };
      const chain = new TestChain(3);
      const sink = sinkTo(server.url, { waits });
      await using all = ship(chain, sink, { signer: server.vault.signer, observer });
      status = () => all.shipper.status();
      const trial = await endure(all, () => attempts, attemptsOf(ordeal));
      assertBorne(ordeal, all, server, trial);
      assert.deepEqual(await scraped(metrics), {
        attempts: { [ordeal.outcome]: attempts },
        state: [ordeal.state],
      });
      server.manner = honest;
      chain.seal();
      await all.clock.advance(all.clock.nextWakeMs ?? 0);
      for (let n = 0; n < 3 && all.freed.at(-1) !== 4; n++) {
        await settle();
        await all.clock.advance(600_000);
        await until(() => all.clock.nextWakeMs !== undefined || all.freed.at(-1) === 4);
      }
      await until(() => all.freed.at(-1) === 4);
      assert.deepEqual(server.vault.stored, chain.blocks);
      assert.equal(all.shipper.status().state, "ok");
      assert.equal(isReady(all.shipper.status()), true);
      assert.equal(all.diag.phrases("info").at(-1), "the sink takes blocks");
      await sink.close();
    });
  }
});

function assertBorne(ordeal: Ordeal, all: Setup, server: HostileServer, trial: Trial): void {
  const { outcome, code, state, wait, unusable } = ordeal;
  const status = all.shipper.status();
  assert.deepEqual([status.lastOutcome, status.code, status.state], [outcome, code, state]);
  assert.deepEqual([all.saved, all.freed], [[], []]);
  assert.equal(status.receiptedSize, 0);
  assert.deepEqual(all.unusable, unusable === undefined ? [] : [unusable]);
  assert.equal(isReady(status), ordeal.ready);
  // One connection at a time, nobody followed anywhere, and no request that was not counted.
  assert.ok(server.sockets.size <= 1, `${server.sockets.size} connections`);
  assert.ok(server.requests <= trial.waits.length + 1);
  assert.equal(new Set(server.paths).size, 1);
  const [least, most] = wait ?? [50, state === "unreachable" || state === "throttled" ? 250 : 1000];
  const first = trial.waits[0] ?? 0;
  assert.ok(first >= least && first <= most, `first wait ${first} ms`);
  for (const each of trial.waits) assert.ok(each >= 50, `waits ${each} ms`);
  // Once the waits have grown, a few attempts a minute; never a busy loop, never a stop.
  for (const [minute, count] of trial.minutes) assert.ok(count <= 15, `${count} in ${minute}`);
  const said = all.diag.lines.filter(({ level }) => level !== "debug");
  assert.ok(said.length <= (unusable === undefined ? 1 : 2), JSON.stringify(said));
  assert.deepEqual(said[0]?.fields, { state, code });
}

function isReady(ship: ShipStatus): boolean {
  const gauge = Object.assign(new Gauge(), { chain: "c", state: "running" });
  return readiness(gauge, ship).ok;
}

test("every outcome of a sink that answers is tried", () => {
  const tried = new Set<string>(ordeals.map(({ outcome }) => outcome));
  const apart = ["receipt", "local"];
  assert.deepEqual([...tried, ...apart].sort(), [...outcomes].sort());
});

test("every reason that was met here stands in docs/reference/delivery.md", async () => {
  const page = await readFile(new URL("../../docs/reference/delivery.md", import.meta.url), "utf8");
  const codes = new Set(ordeals.map(({ code }) => code).filter((code) => !/^http-/.test(code)));
  assert.ok(codes.size > 12);
  for (const code of codes) assert.ok(page.includes(`\`${code}\``), code);
});
