// The dashboards as they are in config/grafana, and what their panels ask for.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../meta/source-text.ts";

export interface Threshold {
  readonly value: number | null;
  readonly color: string;
}

export interface Panel {
  readonly type: "row" | "stat" | "timeseries" | "table";
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly {
    readonly expr: string;
    readonly legendFormat?: string;
    readonly datasource: { readonly uid: string };
  }[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly thresholds?: { readonly steps: readonly Threshold[] };
    };
  };
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly editable: boolean;
  readonly templating: { readonly list: readonly { readonly name: string }[] };
  readonly panels: readonly Panel[];
}

const folder = join(projectRoot, "config/grafana");

export const dashboards: ReadonlyMap<string, Dashboard> = new Map(
  readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => [name, JSON.parse(readFileSync(join(folder, name), "utf8")) as Dashboard]),
);

/** An expression as Grafana sends it, with everything chosen. */
export function filled(expr: string, rateInterval = "1m"): string {
  return expr
    .replaceAll("$__rate_interval", rateInterval)
    .replaceAll("$job", ".*")
    .replaceAll("$instance", ".*");
}

export function* expressions(): Generator<{ place: string; expr: string }> {
  for (const [name, { panels }] of dashboards) {
    for (const { title, targets = [] } of panels) {
      for (const { expr } of targets) yield { place: `${name} "${title}"`, expr };
    }
  }
}
