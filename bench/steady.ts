// Steady load: an agent and a vault under the same load for minutes. Does memory creep?
//
// - One file, rotated once a minute by renaming; the one before is deleted.
// - CPU is that of the five seconds before a sample; memory and what is behind are looked at.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Deployment, metricOf, statusOf, until } from "./deployment.ts";
import { MachineUse } from "./machine-use.ts";
import { LinePool, PacedWriter } from "./paced-writer.ts";
import { originLines, table, thousands } from "./page.ts";
import type { Bench } from "./scenario.ts";
import { Series } from "./series.ts";
import type { WatchedProcess } from "./watched-process.ts";

const sampleSeconds = 5;
const rotateSeconds = 60;

export async function steady({ dir, program, options, command }: Bench): Promise<string[]> {
  const { rate } = options;
  const seconds = options.minutes * 60;
  const setup = new Deployment(join(dir, "setup"), program);
  const pool = new LinePool(join(dir, "pool.log"), 200_000, 1);
  await using vault = setup.startVault();
  const { url } = await vault.said("vault started");
  await using agent = setup.startAgent("steady", { url: String(url), seal: "max_age: 1s" });
  const operations = String((await agent.said("agent started"))["operations"]);
  await until(operations, ({ head, ship }) => head.block > 0 && ship?.receiptedSize === head.block);
  const before = (await statusOf(operations)).head.seq;
  const processes = { agent, vault };
  const use = new MachineUse(() => cpuOf(agent) + cpuOf(vault));
  const writer = new PacedWriter(join(setup.logs, "steady.log"), pool, rate);
  const series = await watch(processes, operations, writer, seconds);
  writer.stop();
  const noise = use.line();
  const last = before + writer.lines;
  await until(operations, ({ head, ship }) => head.seq >= last && ship?.unreceiptedBlocks === 0);
  const read = await metricOf(operations, "sealtail_agent_source_read_bytes_total");
  if (read !== writer.bytes) throw new Error(`${writer.bytes} bytes were written, ${read} read`);
  await agent.stop();
  await vault.stop();
  return [
    ...originLines(command),
    noise,
    `- load: ${thousands(writer.lines / seconds)} lines/s for ${options.minutes} minutes, ` +
      `${thousands(writer.bytes / 1e6)} MB, rotated once a minute`,
    "",
    ...table(summary(series, seconds)),
    "",
    ...table(byMinute(series, seconds)),
  ];
}

const cpuOf = (process: WatchedProcess): number => process.usage().cpuSeconds;

async function watch(
  processes: Readonly<Record<"agent" | "vault", WatchedProcess>>,
  operations: string,
  writer: PacedWriter,
  seconds: number,
): Promise<Series> {
  const series = new Series();
  const began = performance.now();
  const now = (): number => (performance.now() - began) / 1000;
  const cpu = { agent: cpuOf(processes.agent), vault: cpuOf(processes.vault) };
  let [before, rotated] = [0, 0];
  for (let next = sampleSeconds; next <= seconds; next += sampleSeconds) {
    await sleep(Math.max(0, (next - now()) * 1000));
    const values: Record<string, number> = {};
    const at = now();
    for (const name of ["agent", "vault"] as const) {
      const usage = processes[name].usage();
      values[`${name} CPU %`] = (100 * (usage.cpuSeconds - cpu[name])) / (at - before);
      values[`${name} MiB`] = usage.rssMiB;
      cpu[name] = usage.cpuSeconds;
    }
    before = at;
    const read = await metricOf(operations, "sealtail_agent_source_read_bytes_total");
    values["unread KB"] = Math.max(0, writer.bytes - read) / 1e3;
    values["unreceipted blocks"] = (await statusOf(operations)).ship?.unreceiptedBlocks ?? 0;
    series.add(at, values);
    if (at - rotated < rotateSeconds) continue;
    writer.rotate();
    rotated = at;
  }
  return series;
}

const columns = [
  "agent CPU %",
  "agent MiB",
  "vault CPU %",
  "vault MiB",
  "unread KB",
  "unreceipted blocks",
];

function summary(series: Series, seconds: number): string[][] {
  const tenth = seconds / 10;
  const row = (label: string, value: (name: string) => number): string[] => [
    label,
    ...columns.map((name) => value(name).toFixed(1)),
  ];
  return [
    ["", ...columns],
    row("first tenth, mean", (name) => series.mean(name, 0, tenth)),
    row("middle tenth, mean", (name) => series.mean(name, 4.5 * tenth, 5.5 * tenth)),
    row("last tenth, mean", (name) => series.mean(name, 9 * tenth, seconds + sampleSeconds)),
    row("most", (name) => series.max(name)),
    row("growth a minute, second half", (name) => series.slopePerMinute(name, seconds / 2)),
  ];
}

function byMinute(series: Series, seconds: number): string[][] {
  const rows = [["minute", ...columns]];
  for (let from = 0; from < seconds; from += 60) {
    const label = `${from / 60 + 1}`;
    rows.push([label, ...columns.map((name) => series.mean(name, from, from + 60).toFixed(1))]);
  }
  return rows;
}
