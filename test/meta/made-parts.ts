// The parts of the reference that are made from the code.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { agentConfig } from "../../src/agent/config.ts";
import { type ErrorKind, errorTable } from "../../src/core/errors.ts";
import { vaultConfig } from "../../src/vault/config.ts";
import type { EndpointShape, Parameter } from "../../src/vault/endpoint.ts";
import { problemTable } from "../../src/vault/problem.ts";
import { apiTable } from "./api-table.ts";
import { chartDir } from "./chart-files.ts";
import { chartValues } from "./chart-values.ts";
import { allCommands, type CommandWords } from "./command-words.ts";
import { configRows } from "./config-rows.ts";
import { table } from "./doc-parts.ts";
import { agentMetricsText, vaultMetricsText } from "./live-metrics.ts";
import { metricRows } from "./metric-rows.ts";
import { projectRoot } from "./source-text.ts";

export const errorKinds: readonly ErrorKind[] = [
  "usage",
  "config",
  "format",
  "operating",
  "unsafe",
];

/** By the name that stands in the page. */
export async function madeParts(): Promise<Map<string, string>> {
  const commands = await allCommands();
  return new Map([
    ["commands", commandTable(commands)],
    ["command-help", commandSections(commands)],
    ["agent-config", configTable(agentConfig)],
    ["vault-config", configTable(vaultConfig)],
    ...errorKinds.map((kind) => [`errors-${kind}`, errorRows(kind)] as const),
    ["endpoints", endpointTable()],
    ["endpoint-details", endpointSections()],
    ["problems", problems()],
    ["agent-metrics", metricsTable(await agentMetricsText())],
    ["vault-metrics", metricsTable(await vaultMetricsText())],
    ["chart-values", await valuesTable()],
  ]);
}

/** Everything that the chart's values.yaml takes. */
async function valuesTable(): Promise<string> {
  const text = await readFile(join(projectRoot, chartDir, "values.yaml"), "utf8");
  const rows = chartValues(text).map(({ path, preset, meaning }) => [
    `\`${path}\``,
    `\`${JSON.stringify(preset)}\``,
    meaning,
  ]);
  return table(["value", "default", "meaning"], rows);
}

function commandTable(commands: readonly CommandWords[]): string {
  const rows = commands.map(({ name, about }) => [
    `[\`${name}\`](#${name.replace(" ", "-")})`,
    about,
  ]);
  return table(["command", "what it does"], rows);
}

function commandSections(commands: readonly CommandWords[]): string {
  return commands.map(({ name, help }) => `## ${name}\n\n\`\`\`text\n${help}\n\`\`\``).join("\n\n");
}

function configTable(schema: Parameters<typeof configRows>[0]): string {
  return table(
    ["key", "takes", "default", "meaning"],
    configRows(schema).map(({ key, takes, preset, description }) => [
      `\`${key}\``,
      takes,
      preset,
      description,
    ]),
  );
}

function errorRows(kind: ErrorKind): string {
  const rows = Object.entries(errorTable)
    .filter(([, row]) => row.kind === kind)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { means, remedy }]) => [`\`${code}\``, means, remedy]);
  return table(["code", "meaning", "what to do"], rows);
}

function endpointTable(): string {
  const who = { read: "readers", write: "whoever has a grant or a chain", any: "anyone" };
  const rows = apiTable().map(({ method, path, about, access }) => [
    `\`${method} ${path}\``,
    who[access],
    about,
  ]);
  return table(["address", "for", "what it does"], rows);
}

function endpointSections(): string {
  return apiTable().map(endpointSection).join("\n\n");
}

function endpointSection(endpoint: EndpointShape): string {
  const { method, path, about, parameters, success, problems: statuses } = endpoint;
  const given = parameters.filter((each) => each.in !== "path");
  const rows = given.map((each: Parameter) => [`\`${each.name}\``, each.in, each.kind, each.about]);
  const known = Object.values(problemTable).map(({ status }) => Number(status));
  const listed = statuses.filter((status) => known.includes(status));
  const parts = [
    `### ${method} ${path}`,
    about,
    ...(rows.length === 0 ? [] : [table(["parameter", "in", "kind", "meaning"], rows)]),
    `Answer: \`${success.type}\`. ${success.about}`,
    ...(listed.length === 0 ? [] : [`Problems: ${listed.join(", ")}.`]),
  ];
  return parts.join("\n\n");
}

function problems(): string {
  const rows = Object.entries(problemTable)
    .sort(([a, one], [b, other]) => one.status - other.status || (a < b ? -1 : 1))
    .map(([code, { status, title, remedy }]) => [String(status), `\`${code}\``, title, remedy]);
  return table(["status", "code", "meaning", "what to do"], rows);
}

/** Our own metrics only: node's and the process' are those of every program. */
function metricsTable(text: string): string {
  const rows = metricRows(text)
    .filter(({ name }) => name.startsWith("sealtail_"))
    .map(({ name, type, labels, help }) => [
      `\`${name}\``,
      type,
      labels.map(labelText).join("; "),
      help,
    ]);
  return table(["metric", "type", "labels", "meaning"], rows);
}

function labelText(label: string): string {
  const [name = "", values] = label.split("=");
  return values === undefined ? `\`${name}\`` : `\`${name}\`: ${values}`;
}
