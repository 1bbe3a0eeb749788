// Heartbeats: what a quiet chain costs a vault, with its head in memory and after it was forgotten.
//
// - The vault runs in this process, without sockets, on real files: CPU is all of the process,
//   the posting of ready-made blocks included.
// - Each row is one vault with chains of one length that take turns. With room for one head every
//   request brings one back. Rows of one run compare; times of two machines do not.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { concat } from "../src/core/bytes.ts";
import { systemClock } from "../src/host/clock.ts";
import type { ChainBuilder } from "../test/fakes/chain-builder.ts";
import { say } from "../test/fakes/chain-items.ts";
import { chainOf, gist, Rig } from "../test/vault/rig.ts";
import { originLines, table } from "./page.ts";
import type { Bench } from "./scenario.ts";

interface Row {
  readonly name: string;
  readonly chains: number;
  /** Blocks of each chain before the heartbeats that count. */
  readonly blocks: number;
  readonly forgotten: boolean;
}

const sources = 3;
const heartbeat = say({ type: "heartbeat", sources: [] });
const perPost = 1000;
/** Longer than the vault waits before it keeps a receipt. */
const settleMs = 1500;

export async function heartbeats({ dir, options, command }: Bench): Promise<string[]> {
  const long = options.blocks;
  const rows: Row[] = [
    { name: "head in memory", chains: 50, blocks: 1, forgotten: false },
    { name: "forgotten, chain of 1 block", chains: 50, blocks: 1, forgotten: true },
    { name: "forgotten, 990 blocks after its snapshot", chains: 2, blocks: 990, forgotten: true },
    { name: `forgotten, chain of ${long} blocks`, chains: 2, blocks: long, forgotten: true },
  ];
  const found: { row: Row; ms: number }[] = [];
  for (const row of rows)
    found.push({ row, ms: await measured(join(dir, String(found.length)), row) });
  const base = found[0]?.ms ?? Number.NaN;
  return [
    ...originLines(command),
    "",
    ...table([
      [
        "a heartbeat",
        "ms of CPU",
        "of one in memory",
        "% of a core for 10,000 chains, one each 30 s",
      ],
      ...found.map(({ row, ms }) => [
        row.name,
        ms.toFixed(2),
        (ms / base).toFixed(2),
        ((ms * 10_000) / 300).toFixed(0),
      ]),
    ]),
  ];
}

/** Milliseconds of CPU for one heartbeat. */
async function measured(dir: string, row: Row): Promise<number> {
  mkdirSync(dir);
  const limits = row.forgotten ? { limits: { headBytes: 1 } } : {};
  await using rig = await Rig.start({ dir, clock: systemClock, ...limits });
  const chains = Array.from({ length: row.chains }, (_, n) => begun(`quiet-${n}`, row.blocks));
  for (const chain of chains) await fill(rig, chain);
  const rounds = Math.max(20, Math.floor(1000 / row.chains));
  const ready = chains.map((chain) => ({
    chain,
    blocks: Array.from({ length: Math.min(rounds, 30) }, () => sealed(chain)),
  }));
  await sleep(settleMs);
  const before = process.cpuUsage();
  let posts = 0;
  for (let round = 0; round < Math.min(rounds, 30); round++) {
    for (const { chain, blocks } of ready) {
      const answer = await rig.post(chain, [blocks[round] as (typeof blocks)[number]]);
      if (answer.status !== 200) throw new Error(`heartbeat was answered ${gist(answer)}`);
      posts += 1;
    }
  }
  await sleep(settleMs);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / posts;
}

function begun(label: string, blocks: number): ChainBuilder {
  const start = (Math.floor(Date.now() / 1000) - blocks - 3000) * 1_000_000;
  const chain = chainOf(label, { time: start });
  const records = Array.from({ length: sources }, (_, n) => chain.source(`/var/log/${n}.log`));
  chain.begin(records.map(({ record }) => say(record)));
  while (chain.length < blocks) sealed(chain);
  return chain;
}

function sealed(chain: ChainBuilder): ReturnType<ChainBuilder["seal"]> {
  const due = chain.length % 1024 === 0;
  return chain.seal(due ? [chain.snapshot(), heartbeat] : [heartbeat]);
}

async function fill(rig: Rig, chain: ChainBuilder): Promise<void> {
  for (let from = 0; from < chain.length; from += perPost) {
    const blocks = chain.blocks.slice(from, from + perPost);
    const body = concat(...blocks.map(({ bytes }) => bytes));
    const answer = await rig.postBytes(chain.name, body, from === 0 ? chain.grant : undefined);
    if (answer.status !== 200) throw new Error(`filling was answered ${gist(answer)}`);
  }
}
