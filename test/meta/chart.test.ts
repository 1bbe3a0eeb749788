// The chart agrees with what it is made from; what only the real helm can tell is in test/helm.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { parse } from "yaml";
import { chartDir, chartFiles, strayChartFiles } from "./chart-files.ts";
import { chartRules } from "./chart-rules.ts";
import { chartSchema, chartValues } from "./chart-values.ts";
import { projectRoot } from "./source-text.ts";

const read = (path: string): Promise<string> => readFile(join(projectRoot, path), "utf8");

test("what the chart has from elsewhere is current: otherwise `npm run chart` writes it", async () => {
  const made = await chartFiles();
  for (const [path, text] of made) assert.equal(await read(path).catch(() => ""), text, path);
  assert.deepEqual(await strayChartFiles(made), []);
});

test("package, chart, image and bill of tags all say one version", async () => {
  const { version } = JSON.parse(await read("package.json"));
  const { version: chart, appVersion } = parse(await read(`${chartDir}/Chart.yaml`));
  const { image } = parse(await read(`${chartDir}/values.yaml`));
  const [, labelled] = /^ARG VERSION=(\S+)$/m.exec(await read("Dockerfile")) ?? [];
  assert.deepEqual([chart, appVersion, image.tag, labelled], Array(4).fill(version));
});

test("both bases of the image are pinned by digest, and can be others", async () => {
  const text = await read("Dockerfile");
  const bases = [...text.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
  assert.deepEqual(bases, ["$" + "{BUILD_BASE}", "$" + "{RUNTIME_BASE}"]);
  assert.equal([...text.matchAll(/^ARG \w+_BASE=\S+:\S+@sha256:[0-9a-f]{64}$/gm)].length, 2);
});

const rules = `groups:
  - name: one
    rules:
      - alert: Late
        # threshold lag = 300
        # threshold patience = 10m
        expr: a1300 > 300 and b > 300.5
        for: 10m
        annotations:
          summary: more than 300 s, or 10m.
          runbook_url: https://x.example/books/Late
      - alert: Full
        expr: c > 300
`;

test("a named number of a rule becomes a value there, and nowhere else", () => {
  const { text, defaults } = chartRules(rules);
  assert.deepEqual(defaults, {
    lag: 300,
    patience: "10m",
    runbookUrlBase: "https://x.example/books",
  });
  assert.match(text, /expr: a1300 > @lag@ and b > 300\.5\n/);
  assert.match(text, /for: @patience@\n/);
  assert.match(text, /summary: more than @lag@ s, or @patience@\.\n/);
  assert.match(text, /runbook_url: @runbookUrlBase@\/Late\n/);
  assert.match(text, /expr: c > 300\n/);
  assert.doesNotMatch(text, /# threshold/);
});

test("a threshold that its rule does not hold, or that two rules disagree on, is an error", () => {
  assert.throws(
    () => chartRules(rules.replace("lag = 300", "lag = 301")),
    /301 is not in its rule/,
  );
  const twice = rules.replace("alert: Full", "alert: Full\n        # threshold lag = 300");
  assert.equal(chartRules(twice).defaults["lag"], 300);
  const other = twice.replace("c > 300", "c > 301").replace(/(Full\n.*)300/, "$1301");
  assert.throws(() => chartRules(other), /lag is 300 in one rule and 301 in another/);
});

test("every value of the chart has a meaning, and a schema of its own", () => {
  const values = chartValues("a:\n  # -- One.\n  b: true\n  # -- Two.\n  name: x\n");
  assert.deepEqual(
    values.map(({ path, meaning }) => [path, meaning]),
    [
      ["a.b", "One."],
      ["a.name", "Two."],
    ],
  );
  const { properties } = chartSchema(values) as { properties: Record<string, object> };
  assert.equal(Object.hasOwn(properties["a"] ?? {}, "additionalProperties"), true);
  assert.throws(() => chartValues("a: 1\n"), /a has no comment/);
  assert.throws(() => chartSchema(chartValues("# -- What?\nodd: [1]\n")), /which values odd takes/);
});
