// The chart's alerts, made from those that a Prometheus without Kubernetes loads.
//
// - config/prometheus/rules.yaml is the source. A comment within a rule names a number of it:
//
//       # threshold lagSeconds = 300
//
//   In that rule the number stands wherever it is meant: in `expr`, `for`, and the texts.
// - The chart gets the same text with @lagSeconds@ instead, and the numbers as defaults beside it.

import { parse } from "yaml";

export interface ChartRules {
  /** The rules, with placeholders. */
  readonly text: string;
  readonly defaults: Readonly<Record<string, number | string>>;
}

interface Rule {
  readonly alert?: string;
  readonly expr: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const marker = /^[ ]*# threshold (\w+) = (\S+)[ ]*\n/gm;

export function chartRules(source: string): ChartRules {
  const defaults: Record<string, number | string> = {};
  const base = runbookBase(source);
  if (base !== undefined) defaults["runbookUrlBase"] = base;
  const blocks = source.split(/^(?=[ ]*- (?:alert|record):)/m);
  const text = blocks.map((block) => withPlaceholders(block, defaults)).join("");
  const whole = base === undefined ? text : text.replaceAll(`${base}/`, "@runbookUrlBase@/");
  return { text: whole, defaults };
}

function withPlaceholders(block: string, defaults: Record<string, number | string>): string {
  const marks = [...block.matchAll(marker)];
  let made = block.replace(marker, "");
  for (const [, name = "", value = ""] of marks) {
    const known = defaults[name];
    if (known !== undefined && String(known) !== value) {
      throw new Error(`threshold ${name} is ${known} in one rule and ${value} in another`);
    }
    const number = new RegExp(`(?<![\\w.-])${value.replace(".", "\\.")}(?!\\w|\\.\\d)`, "g");
    if (!number.test(made)) throw new Error(`threshold ${name}: ${value} is not in its rule`);
    made = made.replace(number, `@${name}@`);
    // 10e9 stays as it is written.
    defaults[name] = String(Number(value)) === value ? Number(value) : value;
  }
  return made;
}

/** What stands before the last slash of every runbook_url; it has to be the same. */
function runbookBase(source: string): string | undefined {
  const { groups = [] } = parse(source) as { groups?: { rules: Rule[] }[] };
  const urls = groups.flatMap(({ rules }) =>
    rules.flatMap(({ annotations }) => annotations?.["runbook_url"] ?? []),
  );
  const bases = new Set(urls.map((url) => url.slice(0, url.lastIndexOf("/"))));
  if (bases.size > 1) throw new Error(`runbooks lie in several places: ${[...bases].join(", ")}`);
  return [...bases][0];
}
