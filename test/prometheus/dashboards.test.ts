// Dashboards load into any Grafana, say what they show, and name only what there is.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { agentMetricsText, vaultMetricsText } from "../meta/live-metrics.ts";
import { dashboards, expressions, filled } from "./dashboards.ts";
import { promtool, skip } from "./promtool.ts";
import { metricsIn, rules } from "./rules.ts";

test("every dashboard and panel says what it is, in which unit, and whose data it takes", () => {
  const uids = [...dashboards.values()].map(({ uid }) => uid);
  assert.equal(new Set(uids).size, uids.length);
  assert.deepEqual([...dashboards.keys()].sort(), ["agent.json", "overview.json", "vault.json"]);
  for (const [name, { description, editable, panels, templating }] of dashboards) {
    assert.ok(description.length > 20, name);
    assert.equal(editable, false, name);
    assert.equal(templating.list[0]?.name, "datasource");
    const shown = panels.filter(({ type }) => type !== "row");
    assert.ok(shown.length >= 12, name);
    for (const { title, description: about = "", datasource, fieldConfig, targets = [] } of shown) {
      assert.ok(title !== "" && about.length > 10, `${name} ${title}`);
      assert.ok(fieldConfig?.defaults.unit, `${name} ${title} has no unit`);
      assert.ok(targets.length > 0, `${name} ${title}`);
      const sources = [datasource, ...targets.map((target) => target.datasource)];
      for (const source of sources) assert.equal(source?.uid, "${datasource}", `${name} ${title}`);
    }
  }
});

test("panels name only metrics that are exposed, and recordings that the rules make", async () => {
  const exposed = `${await agentMetricsText()}${await vaultMetricsText()}`;
  const recorded = new Set(rules.map(({ record }) => record));
  for (const { place, expr } of expressions()) {
    for (const name of metricsIn(expr)) {
      assert.ok(exposed.includes(`# TYPE ${name} `), `${place}: ${name}`);
    }
    for (const [name] of expr.matchAll(/sealtail:[a-z0-9_:]+/g)) {
      assert.ok(recorded.has(name), `${place}: ${name}`);
    }
  }
});

test("every expression parses", { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), "sealtail-dashboards-"));
  try {
    const all = [...expressions()];
    const made = all.map(({ expr }, i) => ({ record: `panel:${i}`, expr: filled(expr) }));
    const file = join(dir, "panels.yaml");
    writeFileSync(file, stringify({ groups: [{ name: "panels", rules: made }] }));
    execFileSync(promtool, ["check", "rules", file], { stdio: "pipe" });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
