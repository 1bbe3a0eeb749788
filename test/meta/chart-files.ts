// Every file of the chart that is made from something else, as it has to be: `npm run chart`.

import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { stringify } from "yaml";
import { chartRules } from "./chart-rules.ts";
import { chartSchema, chartValues } from "./chart-values.ts";
import { kustomizeFiles } from "./kustomize-files.ts";
import { projectRoot, sourceFiles } from "./source-text.ts";

export const chartDir = "helm/sealtail";
export const rulesSource = "config/prometheus/rules.yaml";

const readText = (path: string): Promise<string> => readFile(join(projectRoot, path), "utf8");

/** By path from the project's root. */
export async function chartFiles(): Promise<Map<string, string>> {
  const values = chartValues(await readText(`${chartDir}/values.yaml`));
  const { text, defaults } = chartRules(await readText(rulesSource));
  const head = `# Made from ${rulesSource} by \`npm run chart\`.\n`;
  const dashboards = await sourceFiles("config/grafana/*.json");
  return new Map([
    [`${chartDir}/values.schema.json`, `${JSON.stringify(chartSchema(values), undefined, 2)}\n`],
    [`${chartDir}/files/rules.yaml`, head + text],
    [`${chartDir}/files/rules-defaults.yaml`, head + stringify(defaults)],
    ...dashboards.map(
      (each) => [`${chartDir}/files/dashboards/${basename(each.path)}`, each.text] as const,
    ),
    ...kustomizeFiles(),
  ]);
}

/** Files that lie where only made ones may, and are none. */
export async function strayChartFiles(made: ReadonlyMap<string, string>): Promise<string[]> {
  const there = await sourceFiles(`${chartDir}/files/dashboards/*`, "helm/kustomize/sidecar/*");
  return there.map(({ path }) => path).filter((path) => !made.has(path));
}
