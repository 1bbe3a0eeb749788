// Rows become series: which are there from the start, and what they show at a scrape.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byLabel, counted, counter, gauge, histogram, Metrics } from "../../src/host/metrics.ts";

/** Samples of ours but the build's, by name and labels. */
async function samples(metrics: Metrics): Promise<Record<string, number>> {
  const lines = (await metrics.text()).matchAll(/^(t_\S+) (\S+)$/gm);
  const ours = [...lines].filter(([, name = ""]) => !/build_info|_bucket/.test(name));
  return Object.fromEntries(ours.map(([, name = "", value]) => [name, Number(value)]));
}

test("series of known labels are there before anything happened", async () => {
  const metrics = new Metrics("t_", "0.0.0");
  const table = {
    plain_total: counted("Plain."),
    by_total: counted("By.", { why: ["a", "b"] }),
    two_total: counted("Two.", { x: ["1", "2"], y: ["3"] }),
    open_total: counted("Open.", { source: [] }),
    took_seconds: histogram("Took.", [1, 2]),
  };
  const tally = metrics.add(table, () => undefined);
  const zero = {
    ...{ t_plain_total: 0, 't_by_total{why="a"}': 0, 't_by_total{why="b"}': 0 },
    ...{ 't_two_total{x="1",y="3"}': 0, 't_two_total{x="2",y="3"}': 0 },
    ...{ t_took_seconds_sum: 0, t_took_seconds_count: 0 },
  };
  assert.deepEqual(await samples(metrics), zero);
  tally.open_total.begin({ source: "app" });
  tally.by_total.add(2, { why: "b" });
  tally.took_seconds.add(1.5);
  assert.deepEqual(await samples(metrics), {
    ...{ ...zero, 't_by_total{why="b"}': 2, 't_open_total{source="app"}': 0 },
    ...{ t_took_seconds_sum: 1.5, t_took_seconds_count: 1 },
  });
});

test("rows with a value show one reading of the moment, counters among them", async () => {
  const metrics = new Metrics("t_", "0.0.0");
  const now = { size: 3, grown: 7, states: ["on", "off"], state: "on" };
  let readings = 0;
  const table = {
    size: gauge("Size.", (n: typeof now) => n.size),
    grown_total: counter("Grown.", (n: typeof now) => n.grown),
    state: gauge("State.", (n: typeof now) => byLabel(n.states, (s) => (s === n.state ? 1 : 0)), {
      state: [],
    }),
  };
  metrics.add(table, async () => {
    readings += 1;
    return now;
  });
  const shown = {
    t_size: 3,
    t_grown_total: 7,
    't_state{state="on"}': 1,
    't_state{state="off"}': 0,
  };
  assert.deepEqual(await samples(metrics), shown);
  assert.deepEqual(await samples(metrics), shown);
  [now.size, now.grown, now.states] = [Number.NaN, 8, ["off"]];
  const later = { t_size: Number.NaN, t_grown_total: 8, 't_state{state="off"}': 0 };
  assert.deepEqual(await samples(metrics), later);
  assert.equal(readings, 3);
});
