// The alert rules as they are in config/prometheus/rules.yaml.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { projectRoot } from "../meta/source-text.ts";

export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export const rulesPath: string = join(projectRoot, "config/prometheus/rules.yaml");

export const rules: readonly Rule[] = (
  parse(readFileSync(rulesPath, "utf8")) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);

export const alerts: readonly (Rule & { readonly alert: string })[] = rules.flatMap((rule) =>
  rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }],
);

/** Names of our series in an expression; of a histogram, its own name. */
export function metricsIn(expr: string): string[] {
  return [...expr.matchAll(/\bsealtail_(?:agent|vault)_[a-z0-9_]+/g)].map(([name]) =>
    name.replace(/_(?:bucket|count|sum)$/, ""),
  );
}
