// Resolving a change: gathers the evidence about a file that may have changed behind us, lets
// verdict.ts decide, and turns the verdict into statements and a new place to read from.
//
// - The statements returned belong into one block, in this order; the follow's state has moved
//   on already, so they must not be thrown away: whatever may fail is read before it moves.
// - What was judged is what later looks are compared with. Bytes read again after the verdict could
//   be another generation's by then, and would vouch for it.
// - A new generation is declared in the same statements, unless the file is empty so far or begins
//   with a hole: then the next one is declared with its first bytes.

import type { GapCause } from "../core/record.ts";
import type { FileInfo, OpenFile } from "../host/files.ts";
import { isReadable, type ReadableCopy } from "./copies.ts";
import type { Extent } from "./extent.ts";
import type { Follow } from "./follow.ts";
import type { Generation } from "./generation.ts";
import { fingerprintBytes, fingerprintOf, type Sameness, sameHead } from "./identity.ts";
import type { SourceRef, Statement } from "./item.ts";
import {
  isMarked,
  isSealedBefore,
  lastBytesMax,
  type ReleasedSource,
  readAt,
  readBefore,
} from "./last-bytes.ts";
import { holeLeast, NulSearch, withoutHoles } from "./nuls.ts";
import { type Phase, wasDown } from "./phase.ts";
import { type Evidence, type Outcome, resolve } from "./verdict.ts";

type Skipping = Extract<Phase, { is: "skipping" }>;

/** Reads there. What the file held then is known to have been there, whatever comes of it. */
async function look(
  follow: Follow,
  file: OpenFile,
  from: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = await readAt(file, from, length);
  if (bytes.length > 0) follow.extent.reached(from + bytes.length, bytes);
  if (bytes.length < length) follow.foundEnd(from, bytes.length);
  return bytes;
}

/**
 * The first bytes now. Once the file was seen to shrink they are of what came next: where others
 * take their place that was cut as well, also if it is as long again.
 */
async function lookAtHead(follow: Follow, file: OpenFile): Promise<Uint8Array> {
  const head = await look(follow, file, 0, fingerprintBytes);
  const { extent, base } = follow;
  const { print } = follow.generation;
  const solid = withoutHoles(head);
  const old = print === undefined ? "unknown" : sameHead(base.suite, print, head);
  const { left, next } = extent.shrunk;
  if (!extent.shrank || solid.length === 0 || old === "same" || left > 0) return head;
  const isOther = next !== undefined && sameHead(base.suite, next.print, head) === "changed";
  extent.sawNext(fingerprintOf(base.suite, solid), isOther);
  return head;
}

/**
 * States that bytes from the position on will not come: up to `to`, or, without it, nobody knows
 * how many (and the source is closed). `missing` is how many are known to be missing.
 */
export function gapOf(
  follow: Follow,
  ref: SourceRef,
  cause: GapCause,
  missing: number,
  to?: number,
): Statement {
  const { counts } = follow.base;
  const from = follow.position;
  counts.gaps += 1;
  counts.gapBytes += missing;
  const gap = { type: "gap", source: ref.hex, from, cause } as const;
  return to === undefined ? gap : { ...gap, to };
}

interface LookBack {
  readonly lastBytes: Sameness;
  readonly change?: { readonly first: number; readonly end: number };
  /** What stands there now. */
  readonly bytes: Uint8Array;
}

/** Bytes before the position as they are now, and whether they are what they were. */
async function lookBack(follow: Follow, file: OpenFile): Promise<LookBack> {
  const { position, lastBytes, mark } = follow.generation;
  if (lastBytes.length === 0) {
    const length = Math.min(lastBytesMax, position);
    const bytes = await look(follow, file, position - length, length);
    return { lastBytes: isMarked(follow.base.suite, mark, bytes), bytes };
  }
  const bytes = await look(follow, file, position - lastBytes.length, lastBytes.length);
  const change = lastBytes.difference(bytes);
  return change === undefined
    ? { lastBytes: "same", bytes }
    : { lastBytes: "changed", change, bytes };
}

/**
 * Whether a whole line outside of the fingerprint and before the change is still in its place:
 * a file that was written anew would not have it there.
 */
function hasWitness({ lastBytes, position, print }: Generation, first: number): boolean {
  const { bytes } = lastBytes;
  const start = position - bytes.length;
  const from = Math.max(0, (print?.fingerprint_len ?? 0) - start);
  let ends = 0;
  for (let at = from; at < first; at += 1) if (bytes[at] === 0x0a) ends += 1;
  return ends > (from > 0 && bytes[from - 1] === 0x0a ? 0 : 1);
}

/**
 * Of a file that was seen to shrink: whether it holds a rest of what was sealed, or new bytes. New
 * are all that it holds if those before the position are.
 */
export async function lookAtRest(follow: Follow, file: OpenFile): Promise<void> {
  const { position, extent, print, lastBytes } = follow.generation;
  const { suite } = follow.base;
  const { least } = extent.shrunk;
  const head = await lookAtHead(follow, file);
  const whole = print !== undefined && head.length >= print.fingerprint_len;
  const same = whole ? sameHead(suite, print, head) : "unknown";
  const start = position - lastBytes.length;
  const rest = await look(follow, file, start, lastBytes.length);
  const first = lastBytes.difference(rest)?.first ?? rest.length;
  // Where nothing was there to be compared, nothing is known of what is left.
  const compared = rest.length > 0 && start + rest.length >= least;
  if (same === "changed" || first < rest.length) extent.restIsNew();
  else if (least < position && (same === "same" || compared)) extent.restIsOld(least);
}

/** Whether a file that is back still holds what was sealed of it. */
async function isReleased(
  { base, generation }: Follow,
  { record, offset, mark }: ReleasedSource,
  file: OpenFile,
  head: Uint8Array,
): Promise<boolean> {
  if (sameHead(base.suite, record, head) !== "same") return false;
  const sealed = { position: offset, lastBytes: generation.lastBytes, mark };
  return (await isSealedBefore(base.suite, sealed, file)) !== "changed";
}

/**
 * Where what is to be skipped ends. NULs up to the end are room to be filled in: what comes to
 * stand there is new.
 */
async function skipEnd(skipTo: number, file: OpenFile): Promise<number> {
  const end = await new NulSearch(skipTo, 0).run(file);
  return skipTo - end < holeLeast ? skipTo : end;
}

async function skip(
  follow: Follow,
  { to: skipTo, released }: Skipping,
  file: OpenFile,
  info: FileInfo,
): Promise<Statement[]> {
  const { position, seen } = follow;
  const { least, between } = follow.extent.shrunk;
  const { size } = info;
  const whole = released !== undefined || follow.heldBack.skipTo > 0;
  const to = whole ? skipTo : await skipEnd(skipTo, file);
  const bytes = await readBefore(file, to);
  const head = await lookAtHead(follow, file);
  const known = released === undefined || (await isReleased(follow, released, file, head));
  // Cut since we saw it: what is there now was written after the start.
  if (size < skipTo || !known) {
    follow.judged(size, "reading");
    const lost = between + (least < seen ? Math.max(0, seen - skipTo) : 0);
    if (lost === 0) return [];
    // More than what is skipped had been seen, and nobody read it.
    const statements = closing(follow, lost);
    follow.beginAgain(info);
    return statements;
  }
  follow.happened({ is: "skipped" });
  const statements: Statement[] = [];
  if (to > position) {
    if (follow.ref === undefined) statements.push(follow.declare(head.subarray(0, to)).record);
    const ref = follow.ref as unknown as SourceRef;
    statements.push(gapOf(follow, ref, "skipped", to - position, to));
    follow.extent.skipTo(to);
    follow.generation.tookBefore(bytes);
  }
  follow.heldBack.skipUpTo(to < skipTo ? skipTo : 0);
  if (to < skipTo) follow.heldBack.hold(to, size);
  return statements;
}

/** Sealed bytes are others now. Empty: as far as known only unread ones are. */
function rewritten(follow: Follow, head: Uint8Array, back: LookBack): Statement[] {
  const { generation, base } = follow;
  const { position, ref, lastBytes, mark } = generation;
  const { bytes } = back;
  const marked = back.lastBytes === "same" ? (mark?.length ?? 0) : 0;
  const start = position - (lastBytes.length > 0 ? lastBytes.length : marked);
  // All sealed bytes are kept, and are the same: only unread ones changed.
  const harmless = back.change === undefined && start === 0;
  generation.tookBefore(bytes);
  generation.tookHead(head);
  if (harmless) return [];
  base.counts.rewritten += 1;
  const { from, to } = changedIn(generation, start, back);
  return [{ type: "rewritten", source: (ref as SourceRef).hex, from, to }];
}

/** Which sealed bytes changed: those that differ, those that only a mark was kept of, the head. */
function changedIn(
  { position, print }: Generation,
  start: number,
  { change, lastBytes, bytes }: LookBack,
): { readonly from: number; readonly to: number } {
  if (change !== undefined) return { from: start + change.first, to: start + change.end };
  if (lastBytes === "changed") return { from: position - bytes.length, to: position };
  return { from: 0, to: Math.min(print?.fingerprint_len ?? 0, position) };
}

/** How a generation ends that other bytes took the place of. */
function closing(follow: Follow, lost: number | undefined): Statement[] {
  const statements: Statement[] = [];
  // Bytes were seen, but never read: the loss needs a source to be stated of.
  if (follow.ref === undefined) statements.push(follow.declare(new Uint8Array(0)).record);
  const ref = follow.ref as SourceRef;
  if (lost !== undefined) {
    statements.push(gapOf(follow, ref, "truncated", lost));
  } else {
    const size = follow.position;
    statements.push({ type: "end", source: ref.hex, size, cause: "restarted" });
  }
  follow.base.counts.truncated += 1;
  return statements;
}

/** The next generation. What of it was sealed under the one before is passed over. */
function beginning(follow: Follow, now: FileInfo, head: Uint8Array, from: number): Statement[] {
  const kept = follow.generation.lastBytes;
  follow.beginAgain(now);
  // Empty when it was looked at, or a hole that may be filled in: its first bytes declare it.
  if (from === 0 && (now.size === 0 || withoutHoles(head).length === 0)) return [];
  const ref = follow.declare(from === 0 ? head : head.subarray(0, from));
  if (from === 0) {
    // These bytes of it were there, whatever comes to stand in their place before they are read.
    follow.extent.assure(Math.min(ref.record.fingerprint_len, now.size));
    return [ref.record];
  }
  // These bytes are sealed already: nothing is missing.
  const passed = gapOf(follow, ref, "skipped", 0, from);
  follow.generation.goOnBehind(from, kept);
  return [ref.record, passed];
}

/** Turns an outcome into statements, and the follow to where it goes on. */
function state(
  follow: Follow,
  { rewrites, ends, begins }: Outcome,
  now: FileInfo,
  head: Uint8Array,
  back: LookBack,
): Statement[] {
  const statements = rewrites ? rewritten(follow, head, back) : [];
  if (ends !== undefined) statements.push(...closing(follow, ends.lost));
  if (begins !== undefined) statements.push(...beginning(follow, now, head, begins));
  return statements;
}

/**
 * Whether the greatest size seen was one of the copied generation, as far as the copy goes: the
 * copy holds what was read up to there, or the file was that long before the copy was complete.
 * Where both happened in one tick of the clock nobody knows, but that another generation would
 * have been cut again at exactly the copy's length.
 */
async function isOfCopied({ seen, seenBy }: Extent, copy: ReadableCopy): Promise<boolean> {
  const { file, size, madeNs } = copy;
  if (seen > size) return true;
  if (seenBy instanceof Uint8Array) {
    const copied = await readAt(file, seen - seenBy.length, seenBy.length).catch(() => undefined);
    return copied !== undefined && Buffer.compare(copied, seenBy) === 0;
  }
  if (seenBy === undefined || madeNs === undefined) return false;
  return seenBy < madeNs || (seenBy === madeNs && seen === size);
}

/** The file was cut. Whether its old content goes on in a copy; then that is read first. */
async function turnToCopy(follow: Follow, size: number, head: Uint8Array): Promise<boolean> {
  const { phase, position, extent, base, handle } = follow;
  if (phase.is !== "doubtful" || phase.copied || position === 0) return false;
  const copy = await base.findCopy?.(follow, head);
  if (copy === undefined) return false;
  const isDoubtful = extent.shrank && isReadable(copy) && extent.known < extent.seen;
  extent.goesOnIn(copy, !isDoubtful || (await isOfCopied(extent, copy)), size);
  if (copy.file !== undefined) handle.takeCopy(copy.file);
  follow.happened({ is: "copy-found", to: copy.readTo, readable: copy.file !== undefined });
  return true;
}

/** Resolves the doubt. Returns what must be stated; reads a few bytes, never lines. */
export async function resolveChange(follow: Follow, file: OpenFile): Promise<Statement[]> {
  const info = await file.stat();
  follow.observe(info);
  if (follow.phase.is === "skipping") return await skip(follow, follow.phase, file, info);
  const { position, print, lastBytes } = follow.generation;
  const back = await lookBack(follow, file);
  // It shrank to no less than the position, and what is left there is not old.
  const { extent } = follow;
  const shrank = extent.shrank && extent.shrunk.least >= position;
  if (shrank && back.lastBytes === "changed") extent.restIsNew();
  const head = await lookAtHead(follow, file);
  const after = await file.stat();
  follow.observe(after);
  // Cut while we looked: what was read here and what is there now do not belong together.
  if (after.size < Math.max(info.size, head.length)) return [];
  const { phase, leftPattern } = follow;
  const outcome = resolve({
    ...extent.evidence(after.size),
    down: wasDown(phase),
    copied: phase.is === "doubtful" && phase.copied,
    lastBytes: back.lastBytes,
    head: print === undefined ? "unknown" : sameHead(follow.base.suite, print, head),
    witness: back.change !== undefined && hasWitness(follow.generation, back.change.first),
    outside: outsideOf(follow),
  });
  const { verdict, next } = outcome;
  const cut = verdict === "restart" || verdict === "wait";
  if (cut && (await turnToCopy(follow, after.size, head))) return [];
  // It was so long before its old bytes were found the same: that much is growth of it.
  const sure = verdict === "go-on" && back.lastBytes === "same" ? info.size : undefined;
  follow.judged(after.size, next, sure);
  // A file that is empty may be a log whose first lines are still to come.
  if (next !== "emptied") follow.lookedOutside(leftPattern);
  const known = lastBytes.length > 0 || position === 0;
  if (verdict === "go-on" && !known) follow.generation.tookBefore(back.bytes);
  return state(follow, outcome, after, head, back);
}

function outsideOf({ leftPattern, seenOutside }: Follow): Evidence["outside"] {
  if (!leftPattern) return "no";
  return seenOutside ? "seen" : "unseen";
}
