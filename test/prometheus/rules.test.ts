// Every alert says what to do and names series that there are.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { agentMetricsText, vaultMetricsText } from "../meta/live-metrics.ts";
import { projectRoot } from "../meta/source-text.ts";
import { alertCases } from "./alert-cases.ts";
import { promtool, skip } from "./promtool.ts";
import { alerts, metricsIn, rules } from "./rules.ts";

test("every alert has severity, summary, description and a runbook that is there", () => {
  for (const { alert, labels, annotations } of alerts) {
    assert.match(labels?.["severity"] ?? "", /^(critical|warning|info)$/, alert);
    for (const key of ["summary", "description", "runbook_url"]) {
      assert.ok((annotations?.[key] ?? "").length > 10, `${alert} ${key}`);
    }
    const page = (annotations?.["runbook_url"] ?? "").split("/").at(-1);
    const path = join(projectRoot, "docs/operating/runbooks", `${page}.md`);
    const text = readFileSync(path, "utf8");
    for (const part of ["## What it means", "## First", "## What good looks like"]) {
      assert.ok(text.includes(part), `${path} has no "${part}"`);
    }
    assert.ok(text.split("\n").length <= 60, `${path} is longer than a screen`);
  }
});

test("the rules name only metrics that are exposed", async () => {
  const exposed = `${await agentMetricsText()}${await vaultMetricsText()}`;
  for (const { expr, alert, record } of rules) {
    for (const name of metricsIn(expr)) {
      assert.ok(exposed.includes(`# TYPE ${name} `), `${alert ?? record}: ${name}`);
    }
  }
});

test("the metrics pass promtool's own check", { skip }, async () => {
  for (const text of [await agentMetricsText(), await vaultMetricsText()]) {
    execFileSync(promtool, ["check", "metrics"], { input: text, stdio: ["pipe", "pipe", "pipe"] });
  }
});

test("every alert has a case in which it fires and one in which it is silent", () => {
  const names = alerts.map(({ alert }) => alert).sort();
  assert.deepEqual(Object.keys(alertCases).sort(), names);
  for (const [name, { fires, silent }] of Object.entries(alertCases)) {
    assert.ok(fires.length > 0 && silent.length > 0, name);
  }
});
