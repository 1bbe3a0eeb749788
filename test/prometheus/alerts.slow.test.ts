// Alerts fire when they must and only then, played by promtool minute by minute.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { type AlertCase, alertCases } from "./alert-cases.ts";
import { promtool, skip } from "./promtool.ts";
import { rulesPath } from "./rules.ts";

function promtoolTest(name: string, { series, at, firing }: AlertCase, index: number): object {
  return {
    name: `${name} ${index}`,
    interval: "1m",
    input_series: Object.entries(series).map(([each, values]) => ({ series: each, values })),
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${name}",alertstate="firing"}) or vector(0)`,
        eval_time: `${at}m`,
        exp_samples: [{ labels: "{}", value: firing }],
      },
    ],
  };
}

test("alerts fire in their cases and stay silent in the others", { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), "sealtail-rules-"));
  try {
    const tests = Object.entries(alertCases).flatMap(([name, { fires, silent }]) =>
      [...fires, ...silent].map((each, index) => promtoolTest(name, each, index)),
    );
    const file = join(dir, "tests.yaml");
    const text = { rule_files: [rulesPath], evaluation_interval: "1m", tests };
    writeFileSync(file, stringify(text));
    execFileSync(promtool, ["check", "rules", rulesPath], { stdio: "pipe" });
    try {
      execFileSync(promtool, ["test", "rules", file], { stdio: "pipe" });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: Buffer; stderr: Buffer };
      assert.fail(`${stdout}${stderr}`);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});
