// What a metrics text exposes: name, type, labels and help of each metric, for the reference.

export interface MetricRow {
  readonly name: string;
  readonly type: string;
  /** `state=starting, running`: values too, where they are a closed set; else the name alone. */
  readonly labels: readonly string[];
  readonly help: string;
}

/** Labels whose values come from outside, or are too many to be listed here. */
const openLabels: readonly string[] = ["version", "node_version", "source", "check", "status"];

/** Rows in the order of the text, which is that of registration. */
export function metricRows(text: string): MetricRow[] {
  const rows = new Map<string, { type: string; help: string; labels: Map<string, Set<string>> }>();
  for (const line of text.split("\n")) {
    const [, word = "", name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === "HELP") rows.set(name, { type: "", help: rest, labels: new Map() });
    const row = rows.get(name);
    if (word === "TYPE" && row !== undefined) row.type = rest;
    const [, sample = "", pairs = ""] = /^([a-z_]+)\{(.*)\} /.exec(line) ?? [];
    const owner = rows.get(sample) ?? rows.get(sample.replace(/_(?:bucket|sum|count)$/, ""));
    for (const [, label = "", value = ""] of pairs.matchAll(/([a-z_]+)="([^"]*)"/g)) {
      if (label === "le" || owner === undefined) continue;
      owner.labels.set(label, (owner.labels.get(label) ?? new Set()).add(value));
    }
  }
  return [...rows].map(([name, { type, help, labels }]) => ({
    name,
    type,
    help,
    labels: [...labels].map(([label, values]) =>
      openLabels.includes(label) ? label : `${label}=${[...values].join(", ")}`,
    ),
  }));
}
