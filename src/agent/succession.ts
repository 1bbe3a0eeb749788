// A chain that goes on for another one: what the new genesis says of the old, and what is sealed
// again because the vault never had it.
//
// - The old chain is quoted up to the newest receipt; every block behind it is sealed again from
//   the WAL, so that no line is lost and none that was receipted is sealed twice.

import { headLength, openPayload } from "../core/block.ts";
import { fromHex, hex } from "../core/bytes.ts";
import { parseCheckpoint } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, inScope } from "../core/grant.ts";
import { decodeHeader } from "../core/header.ts";
import type { JsonObject } from "../core/json.ts";
import { payloadItems } from "../core/payload.ts";
import {
  type AgentRecord,
  decodeRecord,
  type PredecessorRecord,
  type SourcePosition,
  type SourceRecord,
} from "../core/record.ts";
import { positionsIn, SourceTable } from "../core/sources.ts";
import type { Diag } from "../host/diag.ts";
import type { Sealer } from "../seal/sealer.ts";
import type { Wal } from "../wal/wal.ts";
import { type LeftOut, leftOutText } from "./left-out.ts";

export interface OldChain {
  /** Undefined where nothing of it is left to read. */
  readonly wal: Wal | undefined;
  readonly receipt: Uint8Array | undefined;
  readonly reason: string;
}

/** Bytes of old blocks that are sealed again before they are deleted. */
const heldMax = 16 * 1024 * 1024;

/** Why a chain ends whose grant was replaced before any receipt came. */
export const grantReplaced = "grant-replaced";

const resealed = new Set(["source", "end", "gap", "rewritten"]);

/** Blocks of the old chain that no vault has: they are sealed again. */
export function unsentOf(old: OldChain | undefined): number {
  const receipted = old?.receipt === undefined ? 0 : parseCheckpoint(old.receipt).size;
  return Math.max(0, (old?.wal?.next ?? 0) - receipted);
}

/** What the new genesis says of the old chain. A chain without anything left has no successor. */
export async function describeOld(
  suite: Suite,
  old: OldChain,
  grant: Grant,
  leftOut: LeftOut,
): Promise<PredecessorRecord | undefined> {
  // A chain that no vault ever took is nobody's predecessor; all of it is sealed again.
  if (old.receipt === undefined && old.reason === grantReplaced) return undefined;
  const { size, root } = await receiptedPrefix(suite, old.wal, old.receipt);
  const { chainId, sources } = await positionsAt(suite, old.wal, size);
  const positions = sources.positions();
  const chain = old.receipt === undefined ? chainId : parseCheckpoint(old.receipt).chainId;
  if (chain === undefined) return undefined;
  const inside = positions.filter(({ record }) => inScope(grant, String(record["path"])));
  const reason = leftOut.size === 0 ? old.reason : `${old.reason}; ${leftOutText(leftOut)}`;
  return {
    type: "predecessor",
    chain,
    size,
    root: hex(root),
    reason,
    positions: inside,
  };
}

/**
 * How much of an old chain a vault is known to hold: what the receipt covers. Where that was lost,
 * what the newest block says of receipts, or what was freed; both were receipted.
 */
export async function receiptedPrefix(
  suite: Suite,
  wal: Wal | undefined,
  receipt: Uint8Array | undefined,
): Promise<{ readonly size: number; readonly root: Uint8Array }> {
  if (receipt !== undefined) return parseCheckpoint(receipt);
  const none = { size: 0, root: suite.sha256(new Uint8Array(0)) };
  if (wal === undefined || wal.next === wal.first) return none;
  try {
    const [newest] = await wal.read(wal.next - 1, 1);
    const size = Math.max(wal.first, newest ? decodeHeader(newest.bytes).receiptSize : 0);
    const [behind] = await wal.read(size, 1);
    return behind === undefined ? none : { size, root: decodeHeader(behind.bytes).chainRoot };
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return none;
  }
}

/** What an old chain's first `size` blocks say of the sources, as far as they are still there. */
export async function positionsAt(
  suite: Suite,
  wal: Wal | undefined,
  size: number,
): Promise<{ chainId: string | undefined; sources: SourceTable }> {
  const sources = new SourceTable(suite);
  let chainId: string | undefined;
  if (wal === undefined) return { chainId, sources };
  try {
    for await (const { index, bytes } of wal.scan()) {
      const header = decodeHeader(bytes);
      chainId ??= header.blockNo === 0 ? undefined : hex(header.chainId);
      // All before may have been freed; a snapshot says what held before its block.
      if (index === size) sources.restore(snapshotIn(suite, bytes) ?? sources.positions());
      if (index >= size) break;
      for (const record of recordsAndSpans(suite, bytes, sources)) applyRecord(sources, record);
    }
  } catch (caught) {
    // Whoever seals the blocks again comes to it, and says so.
    if (!(caught instanceof Fault)) throw caught;
  }
  return { chainId, sources };
}

/** The open sources that the block's snapshot lists, if it begins with one. */
function snapshotIn(suite: Suite, block: Uint8Array): SourcePosition[] | undefined {
  const raw = openPayload(suite, decodeHeader(block), block.subarray(headLength));
  for (const item of payloadItems(raw)) {
    if (item.kind !== "record") return undefined;
    const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
    if (type === "snapshot") return positionsIn(value["sources"]);
    if (type !== "start" && type !== "config") return undefined;
  }
  return undefined;
}

function applyRecord(
  sources: SourceTable,
  { type, value }: { type: string; value: JsonObject },
): void {
  if (type === "snapshot")
    sources.restore(value["sources"] as unknown as PredecessorRecord["positions"]);
  else sources.apply(type, value);
}

function* recordsAndSpans(
  suite: Suite,
  block: Uint8Array,
  sources: SourceTable,
): Generator<{ type: string; value: JsonObject }> {
  const raw = openPayload(suite, decodeHeader(block), block.subarray(headLength));
  for (const item of payloadItems(raw)) {
    if (item.kind === "record") yield decodeRecord(raw.subarray(item.start, item.end));
    else sources.advance(item.source, item.offset, item.end - item.start);
  }
}

/** Sources that a chain, begun not long ago, has closed already: an earlier try got that far. */
export async function endedSources(suite: Suite, wal: Wal): Promise<Set<string>> {
  const ended = new Set<string>();
  const sources = new SourceTable(suite);
  for await (const { bytes } of wal.scan()) {
    for (const { type, value } of recordsAndSpans(suite, bytes, sources)) {
      if (type === "end" || (type === "gap" && value["to"] === undefined)) {
        ended.add(String(value["source"]));
      }
    }
  }
  return ended;
}

export interface SealAgainOptions {
  readonly suite: Suite;
  readonly diag: Diag;
  /** The old chain's blocks; they go as soon as the new one holds what is in them. */
  readonly wal: Wal;
  /** Blocks below are receipted. */
  readonly from: number;
  readonly sealer: Sealer;
  /** What the new chain may hold. */
  readonly grant: Pick<Grant, "sources">;
  readonly ended: ReadonlySet<string>;
  /** Ends it early; another call goes on. */
  readonly stopping: AbortSignal;
}

/**
 * Seals again what the old chain's blocks from `from` on hold. A damaged block ends it, aloud.
 * False when told to stop before the end.
 */
export async function sealAgain(options: SealAgainOptions): Promise<boolean> {
  const { diag, wal, from, sealer, stopping } = options;
  let blocks = 0;
  let held = 0;
  try {
    for await (const { index, bytes } of wal.scan()) {
      if (stopping.aborted) return false;
      if (index < from) continue;
      if (blocks === 0 && index > from) await stateHole(options, bytes);
      await resealBlock(options, bytes);
      blocks += 1;
      held += bytes.length;
      if (held < heldMax) continue;
      // Both chains in full might be more than the disk takes.
      held = 0;
      await sealer.flush();
      await wal.freeBelow(index + 1);
    }
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    diag.error("a buffered block is damaged, the rest is read from the sources again", {
      code: caught.code,
    });
  }
  diag.info("sealed again what the vault never had", { blocks });
  return true;
}

// Blocks behind the receipt were deleted: where each source stood afterwards is known from the
// next snapshot, and what lies before is stated as missing.
async function stateHole(options: SealAgainOptions, block: Uint8Array): Promise<void> {
  const { suite, sealer, grant, ended } = options;
  for (const { record, offset } of snapshotIn(suite, block) ?? []) {
    const source = sealer.idOf(record);
    const known = sealer.positionOf(source) !== undefined || ended.has(source);
    if (known || !inScope(grant, String(record["path"]))) continue;
    const gap = { type: "gap", source, from: 0, to: offset, cause: "rotated-away" } as const;
    const opened = record as unknown as SourceRecord;
    await sealer.addRecords(offset > 0 ? [opened, gap] : [opened]);
  }
}

// What the new chain has sealed already, before a crash, is not sealed twice.
async function resealBlock(options: SealAgainOptions, block: Uint8Array): Promise<void> {
  const { suite, sealer, grant, ended } = options;
  const raw = openPayload(suite, decodeHeader(block), block.subarray(headLength));
  for (const item of payloadItems(raw)) {
    if (item.kind === "record") {
      const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
      const over =
        type === "source" &&
        (ended.has(sealer.idOf(value)) || !inScope(grant, String(value["path"])));
      if (!over && resealed.has(type) && sealer.accepts(type, value)) {
        await sealer.addRecords([value as unknown as AgentRecord]);
      }
      continue;
    }
    const next = sealer.positionOf(item.source);
    if (next === undefined) continue;
    const done = Math.max(0, next - item.offset);
    for (let at = item.start + done; at < item.end; ) {
      // A span may be longer than the room of a block that is half full.
      const room = await sealer.room();
      const part = raw.subarray(at, Math.min(item.end, at + room.length));
      room.set(part);
      const offset = item.offset + (at - item.start);
      await sealer.addSpan(
        { source: fromHex(item.source, 16), offset, time: item.time },
        part.length,
      );
      at += part.length;
    }
  }
}
