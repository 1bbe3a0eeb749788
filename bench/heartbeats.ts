// Heartbeats: what a quiet chain costs a vault, with its head in memory and after it was forgotten.
//
// - The vault runs in this process, without sockets, on real files: CPU is all of the process,
//   the posting of ready-made blocks included.
// - Each row is one vault with chains of one length that take turns. With room for one head every
//   request brings one back. Rows of one run compare; times of two machines do not.
// - Then one vault has as many chains as it is said to bear, each of which sends a heartbeat every
//   30 s, evenly spread. Its share of a processor is measured while they do.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { concat } from "../src/core/bytes.ts";
import { systemClock } from "../src/host/clock.ts";
import { nativeSuite as suite } from "../src/host/native-suite.ts";
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
    { name: "head in memory, 500 blocks behind it", chains: 20, blocks: 500, forgotten: false },
    { name: "forgotten, chain of 1 block", chains: 50, blocks: 1, forgotten: true },
    { name: "forgotten, 990 blocks after its snapshot", chains: 2, blocks: 990, forgotten: true },
    { name: `forgotten, chain of ${long} blocks`, chains: 2, blocks: long, forgotten: true },
  ];
  const found: { row: Row; ms: number }[] = [];
  for (const row of rows)
    found.push({ row, ms: await measured(join(dir, String(found.length)), row) });
  const base = found[0]?.ms ?? Number.NaN;
  const lived = await live(join(dir, "live"), options.chains, options.seconds);
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
    "",
    ...lived,
  ];
}

/** Between two heartbeats of a chain. */
const periodMs = 30_000;
const fillsAtOnce = 8;

/** What so many living chains take of a processor. */
async function live(dir: string, count: number, seconds: number): Promise<string[]> {
  mkdirSync(dir);
  await using rig = await Rig.start({ dir, clock: systemClock, suite });
  const chains = Array.from({ length: count }, (_, n) => begun(`live-${n}`, 1));
  const left = chains.values();
  const filler = async (): Promise<void> => {
    for (const chain of left) await fill(rig, chain);
  };
  await Promise.all(Array.from({ length: fillsAtOnce }, filler));
  const posts = Math.floor((count * seconds * 1000) / periodMs);
  const ready = Array.from({ length: posts }, (_, n) => {
    const chain = chains[n % count] as ChainBuilder;
    return { chain, block: sealed(chain) };
  });
  await sleep(settleMs);
  const [cpu, started] = [process.cpuUsage(), performance.now()];
  const underWay: Promise<number>[] = [];
  for (const [at, { chain, block }] of ready.entries()) {
    const due = started + (at * periodMs) / count - performance.now();
    if (due > 0) await sleep(due);
    const sent = performance.now();
    const answered = rig.post(chain, [block]).then((answer) => {
      if (answer.status !== 200) throw new Error(`heartbeat was answered ${gist(answer)}`);
      return performance.now() - sent;
    });
    answered.catch(() => undefined);
    underWay.push(answered);
  }
  const took = (await Promise.all(underWay)).sort((a, b) => a - b);
  const { user, system } = process.cpuUsage(cpu);
  const wall = performance.now() - started;
  const share = (user + system) / 10 / wall;
  const part = (fraction: number): string =>
    (took[Math.floor((took.length - 1) * fraction)] ?? 0).toFixed(0);
  const open = await rig.metric("sealtail_vault_heads_open");
  return [
    `${count} chains, a heartbeat every 30 s each, for ${(wall / 1000).toFixed(0)} s: ` +
      `${share.toFixed(0)} % of a core, ${((user + system) / 1000 / posts).toFixed(2)} ms each; ` +
      `answered after ${part(0.5)} ms (p50), ${part(0.99)} ms (p99); ${open} heads in memory.`,
  ];
}

/** Milliseconds of CPU for one heartbeat. */
async function measured(dir: string, row: Row): Promise<number> {
  mkdirSync(dir);
  const limits = row.forgotten ? { limits: { headBytes: 1 } } : {};
  await using rig = await Rig.start({ dir, clock: systemClock, suite, ...limits });
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
