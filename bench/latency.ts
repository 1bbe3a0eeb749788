// Latency: from the write of a line to the agent's verified and saved receipt that covers it.
//
// - Each write of the load is a sample. Its block is looked up afterwards in what the vault
//   stored, which is verified by that; when the receipt was there is seen in the agent's status,
//   asked every few milliseconds over one connection: so much later than true it can seem.
// - Clocks: write and receipt are timed in this process. When a block was closed is its own
//   header's time, of the same machine.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pairVaultKeys } from "../src/core/checkpoint.ts";
import { parseVerifierKey } from "../src/core/note.ts";
import { systemFiles } from "../src/host/files.ts";
import { nativeSuite } from "../src/host/native-suite.ts";
import { readDirStore } from "../src/store/dir.ts";
import { verifySource } from "../src/verify/all.ts";
import { Deployment, statusOf, until } from "./deployment.ts";
import { MachineUse } from "./machine-use.ts";
import { LinePool, PacedWriter } from "./paced-writer.ts";
import { originLines, table, thousands } from "./page.ts";
import type { Bench } from "./scenario.ts";
import { quantile } from "./series.ts";

const lookMs = 5;
const modestRate = 100;

interface Load {
  readonly name: string;
  readonly label: string;
  readonly rate: number;
  readonly seal: string;
  readonly sink: string;
}

/** When receipts of which size were there, in the order of time. */
type Receipts = { readonly at: number; readonly size: number }[];

interface Latency {
  /** Milliseconds, sorted. */
  readonly sealed: readonly number[];
  readonly receipted: readonly number[];
  readonly blocks: number;
  readonly looks: number;
}

export async function latency({ dir, program, options, command }: Bench): Promise<string[]> {
  const setup = new Deployment(join(dir, "setup"), program);
  const pool = new LinePool(join(dir, "pool.log"), 200_000, 2);
  await using vault = setup.startVault();
  const url = String((await vault.said("vault started"))["url"]);
  const use = new MachineUse(() => vault.usage().cpuSeconds);
  const rows = [
    ["settings, load", "blocks", "sealed p50", "sealed p99", "p50", "p99", "most", "looks"],
  ];
  for (const load of loads(options.rate)) {
    console.log(`${load.label}, ${load.rate} lines/s`);
    rows.push(row(load, await measured(setup, url, pool, load, options.seconds)));
  }
  await vault.stop();
  return [
    ...originLines(command),
    `${use.line()} (the agent counts as another)`,
    `- each load lasts ${options.seconds} s; all times are milliseconds after the write`,
    `- precision: the status is asked every ${lookMs} ms, and shows a receipt at most that late`,
    "",
    ...table(rows),
  ];
}

const loads = (rate: number): Load[] =>
  [modestRate, rate].flatMap((each) => [
    {
      ...{ name: `default-${each}`, label: "defaults", rate: each },
      ...{ seal: "max_age: 1s", sink: "max_delay: 1s" },
    },
    {
      ...{ name: `quick-${each}`, label: "max_age, max_delay 50ms", rate: each },
      ...{ seal: "max_age: 50ms", sink: "max_delay: 50ms" },
    },
  ]);

function row({ label, rate }: Load, { sealed, receipted, blocks, looks }: Latency): string[] {
  const of = (sorted: readonly number[], share: number): string =>
    quantile(sorted, share).toFixed(0);
  return [
    `${label}, ${thousands(rate)} lines/s`,
    String(blocks),
    of(sealed, 0.5),
    of(sealed, 0.99),
    of(receipted, 0.5),
    of(receipted, 0.99),
    of(receipted, 1),
    String(looks),
  ];
}

async function measured(
  setup: Deployment,
  url: string,
  pool: LinePool,
  load: Load,
  seconds: number,
): Promise<Latency> {
  const { name, rate, seal, sink } = load;
  await using agent = setup.startAgent(name, { url, seal, sink });
  const operations = String((await agent.said("agent started"))["operations"]);
  await until(operations, ({ head, ship }) => head.block > 0 && ship?.unreceiptedBlocks === 0);
  const { head, chain } = await statusOf(operations);
  const writer = new PacedWriter(join(setup.logs, `${name}.log`), pool, rate);
  const over = performance.now() + seconds * 1000;
  const receipts: Receipts = [];
  let looks = 0;
  for (let end = Number.POSITIVE_INFINITY, done = false; !done; looks += 1) {
    const now = await statusOf(operations);
    const size = now.ship?.receiptedSize ?? 0;
    if (size > (receipts.at(-1)?.size ?? 0)) receipts.push({ at: performance.now(), size });
    if (performance.now() > over && end === Number.POSITIVE_INFINITY) {
      writer.stop();
      end = head.seq + writer.lines;
    }
    done = now.head.seq >= end && now.ship?.unreceiptedBlocks === 0;
    await sleep(lookMs);
  }
  await agent.stop();
  const blocks = await sealedOffsets(setup, String(chain));
  return { ...latencies(writer, blocks, receipts), blocks: blocks.length, looks };
}

interface SealedBlock {
  readonly block: number;
  /** Unix ms at which it was closed. */
  readonly closed: number;
  /** The file is sealed up to here. */
  readonly end: number;
}

/** Verifies a stored chain, and tells how far each block with lines got in its one file. */
async function sealedOffsets(setup: Deployment, chain: string): Promise<SealedBlock[]> {
  const store = readDirStore(systemFiles, setup.store);
  const { roots, vaults } = setup.trustedKeys;
  const blocks: SealedBlock[] = [];
  let [end, told] = [0, 0];
  const report = await verifySource(store, {
    suite: nativeSuite,
    only: new Set([chain]),
    roots: roots.map((text) => parseVerifierKey(nativeSuite, text)),
    vaults: pairVaultKeys(vaults.map((text) => parseVerifierKey(nativeSuite, text))),
    onItem: (item) => {
      if (item.kind === "span") end = item.offset + item.end - item.start;
    },
    onAccepted: ({ blockNo, time }) => {
      if (end > told) blocks.push({ block: blockNo, closed: time / 1000, end });
      told = end;
    },
  });
  // The store's own copy of the receipt may be a minute old while the vault runs.
  const { TAIL_UNCONFIRMED: _, ...others } = report.counts;
  if (report.chains.length !== 1 || Object.keys(others).length > 0) {
    throw new Error(`chain ${chain} is ${report.verdict}: ${Object.keys(others).join(", ")}`);
  }
  return blocks;
}

function latencies(
  { appends }: PacedWriter,
  blocks: readonly SealedBlock[],
  receipts: Receipts,
): Pick<Latency, "sealed" | "receipted"> {
  const sealed: number[] = [];
  const receipted: number[] = [];
  let [block, receipt] = [0, 0];
  for (const { at, end } of appends) {
    while ((blocks[block]?.end ?? Number.POSITIVE_INFINITY) < end) block += 1;
    const found = blocks[block];
    if (found === undefined) throw new Error(`byte ${end} was not sealed`);
    while ((receipts[receipt]?.size ?? Number.POSITIVE_INFINITY) <= found.block) receipt += 1;
    sealed.push(found.closed - (performance.timeOrigin + at));
    receipted.push((receipts[receipt]?.at ?? Number.NaN) - at);
  }
  return { sealed: sealed.sort(rising), receipted: receipted.sort(rising) };
}

const rising = (a: number, b: number): number => a - b;
