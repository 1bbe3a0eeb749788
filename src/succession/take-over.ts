// Takes over into a new chain what old buffers hold, and lets go of it there once it is durable
// here.
//
// - It may end at any block, and be called again: what the new chain holds is passed over.
// - A buffer gives back what is durable in the new chain as it goes: both in full might be more
//   than the disk takes.

import { fromHex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { openBlock } from "../core/opening.ts";
import type { AgentRecord } from "../core/record.ts";
import type { Ledger } from "./ledger.ts";
import type { Stretch } from "./old-chain.ts";

/** Where it goes: the new chain's sealer. */
export interface Receiver {
  /** Where the next span's bytes may be put. */
  room(): Promise<Uint8Array>;
  addSpan(
    place: { readonly source: Uint8Array; readonly offset: number; readonly time: number },
    length: number,
  ): Promise<unknown>;
  addRecords(records: readonly AgentRecord[]): Promise<void>;
  /** Returns when all that was added is durable. */
  flush(): Promise<void>;
}

export interface TakeOverOptions {
  readonly suite: Suite;
  readonly ledger: Ledger;
  readonly receiver: Receiver;
  /** Blocks of a chain below `index` are durable in the new one. */
  readonly free: (stretch: Stretch, index: number) => Promise<void>;
  readonly onDamage: (stretch: Stretch, fault: Fault) => void;
  /** Ends it early. */
  readonly stopping: AbortSignal;
}

/** Bytes of old blocks that are taken over before they are deleted. */
const heldMax = 16 * 1024 * 1024;

/** Takes over all stretches, then what was drafted. False when told to stop before the end. */
export async function takeOver(
  options: TakeOverOptions,
  stretches: readonly Stretch[],
  drafts: readonly Uint8Array[] = [],
): Promise<boolean> {
  for (const stretch of stretches) if (!(await takeStretch(options, stretch))) return false;
  for (const draft of drafts) await takePayload(options, draft);
  await options.receiver.flush();
  return true;
}

async function takeStretch(options: TakeOverOptions, stretch: Stretch): Promise<boolean> {
  const { suite, receiver, stopping } = options;
  let held = 0;
  try {
    for await (const { index, bytes } of stretch.chain.blocks(stretch.from)) {
      if (stopping.aborted) return false;
      await takePayload(options, openBlock(suite, bytes).raw);
      held += bytes.length;
      if (held < heldMax) continue;
      held = 0;
      await receiver.flush();
      await options.free(stretch, index + 1);
    }
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    options.onDamage(stretch, caught);
  }
  return true;
}

async function takePayload({ ledger, receiver }: TakeOverOptions, raw: Uint8Array): Promise<void> {
  for (const taken of ledger.take(raw)) {
    if (taken.kind === "records") {
      await receiver.addRecords(taken.records);
      continue;
    }
    const source = fromHex(taken.source, 16);
    for (let at = taken.start; at < taken.end; ) {
      // A span may be longer than the room of a block that is half full.
      const room = await receiver.room();
      const part = raw.subarray(at, Math.min(taken.end, at + room.length));
      room.set(part);
      const offset = taken.offset + (at - taken.start);
      await receiver.addSpan({ source, offset, time: taken.time }, part.length);
      at += part.length;
    }
  }
}
