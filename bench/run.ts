// `npm run bench`: measures the built program, and writes what it found to bench/results.md.
//
//     npm run bench                            comparison with the limit loop, some minutes
//     npm run bench -- steady | latency | recovery | agents | heartbeats | strangers | all
//     npm run bench -- --lines 500000          a shorter comparison
//     npm run bench -- steady --minutes 1      a shorter steady load, and so on: scenario.ts
//     npm run bench -- --out FILE              elsewhere than bench/results.md
//     npm run bench -- --program BIN           another build: the path of its bin.js
//
// - Asserts nothing about times. Fails only where a part does not do its work.
// - Linux only: it reads /proc.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.ts";
import { comparison } from "./comparison.ts";
import { heartbeats } from "./heartbeats.ts";
import { latency } from "./latency.ts";
import { manyAgents } from "./many-agents.ts";
import { type Heading, replaceSection } from "./page.ts";
import { recovery } from "./recovery.ts";
import { type BenchOptions, defaults, type Scenario } from "./scenario.ts";
import { steady } from "./steady.ts";
import { strangers } from "./strangers.ts";

const scenarios: Readonly<Record<string, readonly [Heading, Scenario]>> = {
  comparison: ["Comparison", comparison],
  steady: ["Steady load", steady],
  latency: ["Latency", latency],
  recovery: ["Recovery", recovery],
  agents: ["Many agents", manyAgents],
  heartbeats: ["Heartbeats", heartbeats],
  strangers: ["Strangers", strangers],
};

const parsed = parseArgs({
  allowPositionals: true,
  options: {
    ...Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: "string" as const }])),
    out: { type: "string", default: join(import.meta.dirname, "results.md") },
    program: { type: "string" },
  },
});

const { positionals } = parsed;
const values: Readonly<Record<string, unknown>> = parsed.values;

function numbers(): BenchOptions {
  const given = Object.entries(values).filter(([name]) => name in defaults);
  for (const [name, text] of given) {
    if (!(Number(text) > 0)) throw new Error(`--${name} is ${text}, want a number`);
  }
  const read = Object.fromEntries(given.map(([name, text]) => [name, Number(text)]));
  return { ...defaults, ...read };
}

function chosen(): string[] {
  const names = positionals.length === 0 ? ["comparison"] : positionals;
  if (names.includes("all")) return Object.keys(scenarios);
  for (const name of names) {
    if (Object.hasOwn(scenarios, name)) continue;
    throw new Error(`${name} is none of ${Object.keys(scenarios).join(", ")}, all`);
  }
  return names;
}

function commandOf(name: string): string {
  const set = Object.keys(defaults)
    .filter((option) => values[option] !== undefined)
    .flatMap((option) => [`--${option}`, String(values[option])]);
  const other = values.program === undefined ? [] : ["--program", String(values.program)];
  return ["npm run bench --", name, ...set, ...other].join(" ");
}

const options = numbers();
const dir = mkdtempSync(join(tmpdir(), "sealtail-bench-"));
try {
  const names = chosen();
  const program = values.program === undefined ? build(dir) : resolve(String(values.program));
  for (const name of names) {
    const [heading, run] = scenarios[name] as readonly [Heading, Scenario];
    console.log(`\n${heading}`);
    const own = join(dir, name);
    mkdirSync(own);
    const lines = await run({ dir: own, program, options, command: commandOf(name) });
    replaceSection(String(values.out), heading, lines);
    console.log(`\n${lines.join("\n")}`);
    rmSync(own, { recursive: true });
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
