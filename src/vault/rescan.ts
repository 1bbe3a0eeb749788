// Looks again and again whether somebody changed what is stored, also of chains that nobody uses,
// and gives what is stored whole the receipt that it lacks.
//
// - A look compares what stands for a chain's objects with the vault's note. Only a chain without a
//   note, or one that was touched, is checked as a whole.
// - What a chain grew by is read again once: somebody may have written in the very moment in which
//   the vault did, and then nothing else shows it.
// - A receipt may be lost before it was kept, and the agent with it. Nobody would ask for another
//   one, and whoever goes on for the chain needs to know where it ends.
// - It takes a small share of the time, however many chains there are: looks pause in proportion.

import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Catalog } from "./catalog.ts";
import type { ChainEntry } from "./chain-entry.ts";
import type { Heads } from "./heads.ts";
import type { Intake } from "./intake.ts";
import { Problem } from "./problem.ts";

export interface RescanOptions {
  readonly catalog: Pick<Catalog, "entries" | "look">;
  readonly heads: Pick<Heads, "rescan" | "receiptOf">;
  readonly intake: Pick<Intake, "confirm">;
  readonly clock: Pick<Clock, "mono" | "sleep">;
  readonly diag: Diag;
  readonly signal: AbortSignal;
}

/** From the start, and from the end of each round, to the next one, in milliseconds. */
export const rescanEveryMs = 60_000;
/** Of this many milliseconds it works one. */
const share = 50;
const worthAPauseMs = 1;

/** Returns on `signal`. */
export async function rescan(options: RescanOptions): Promise<void> {
  const { catalog, clock, signal } = options;
  const told = new Set<string>();
  // Whoever goes on for one of these may ask at any moment.
  await round(options, told, [...catalog.entries()].filter(lacksReceipt));
  while (!signal.aborted) {
    await clock.sleep(rescanEveryMs, signal);
    await round(options, told, [...catalog.entries()]);
  }
}

/** `told`: chains of which was said that they can't begin. */
async function round(
  options: RescanOptions,
  told: Set<string>,
  entries: readonly ChainEntry[],
): Promise<void> {
  const { clock, diag, signal } = options;
  let worked = 0;
  for (const entry of entries) {
    if (signal.aborted) return;
    const started = clock.mono();
    try {
      await look(options, told, entry);
    } catch (error) {
      diag.warn("couldn't look at a stored chain again", {
        chain: entry.chain,
        error: error as Error,
      });
    }
    worked += (clock.mono() - started) / 1000;
    if (worked < worthAPauseMs) continue;
    await clock.sleep(worked * share, signal);
    worked = 0;
  }
}

async function look(
  { catalog, heads, intake, diag }: RescanOptions,
  told: Set<string>,
  entry: ChainEntry,
): Promise<void> {
  if (entry.unread) await catalog.look(entry.chain);
  await heads.rescan(entry);
  if (!lacksReceipt(entry)) return;
  const { chain, size } = entry;
  // What somebody did to the store's copy is shown until an agent gets a receipt again.
  const newest = await heads.receiptOf(chain);
  if (newest !== undefined && newest.size >= size) return;
  try {
    await intake.confirm(chain);
  } catch (error) {
    // The chain is busy or found damaged, or the vault stops.
    if (!(error instanceof Problem)) throw error;
    if (error.code !== "grant-refused" || told.has(chain)) return;
    told.add(chain);
    const { finding } = error.extra;
    diag.warn("stored chain without a receipt can't begin any more", { chain, finding });
  }
}

function lacksReceipt({ damage, receipted, size }: ChainEntry): boolean {
  return damage === undefined && receipted < size;
}
