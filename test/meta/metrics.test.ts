import assert from "node:assert/strict";
import test from "node:test";
import { agentMetricsText, vaultMetricsText } from "./live-metrics.ts";

for (const [program, text] of [
  ["agent", await agentMetricsText()],
  ["vault", await vaultMetricsText()],
] as const) {
  test(`every series of the ${program} has a help text, and counters alone are called _total`, () => {
    const helped = new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name));
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    assert.ok(types.length > 20);
    for (const [, name = "", type] of types) {
      assert.ok(helped.has(name), name);
      assert.equal(name.endsWith("_total"), type === "counter", `${name} is a ${type}`);
    }
  });
}
