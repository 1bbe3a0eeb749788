// Reading one followed file, turn by turn.
//
// - The bytes before the position are compared after each read and before its bytes are handed
//   over: so no byte of a new generation is ever taken for one of the old.
// - No bytes are carried from turn to turn: what is not handed over is read again.
// - A source is declared when there is something to say about it, so that its fingerprint
//   covers real bytes; an empty file is followed without a word.
// - NULs that may still be filled in are not handed over: those up to the end (nuls.ts), and for a
//   while a hole that something stands behind, for writers may fill their parts in any order.

import type { OpenFile } from "../host/files.ts";
import type { Follow } from "./follow.ts";
import { fingerprintBytes } from "./identity.ts";
import type { SourceRef, Statement, TailItem } from "./item.ts";
import { firstHole } from "./nuls.ts";
import { lookAtRest, resolveChange } from "./resolve-change.ts";

/** A stretch without LF is cut here (docs/spec, envelope). */
export const cutBytes = 262_144;

const lineFeed = 0x0a;

/**
 * One turn with an open handle: at most one read into `room`, of `limit` bytes at most.
 * Undefined when there is nothing to hand over yet.
 */
export async function turn(
  follow: Follow,
  room: Uint8Array,
  limit: number,
  draining: boolean,
): Promise<TailItem | undefined> {
  const handle = follow.handle.file as OpenFile;
  const { base } = follow;
  follow.endTurn(false);
  if (follow.ref === undefined && base.mayDeclare?.() === false) {
    follow.handle.pause(base.clock.mono());
    return undefined;
  }
  if (follow.phase.is === "copying") return await turnOn(follow, follow.phase.to, room, limit);
  if (follow.isUnsettled) return await settled(follow, handle);
  const moreHeld = await lookAtHeldBack(follow, handle);
  if (follow.phase.is === "skipping") return await settled(follow, handle);
  const ahead = follow.heldBack.from - follow.position;
  const wanted = Math.min(limit, room.length, ahead);
  const got = wanted > 0 ? await handle.read(room, 0, wanted, follow.position) : 0;
  const end = follow.position + got;
  const read = room.subarray(0, got);
  follow.extent.reached(end, read);
  if (got < wanted) follow.foundEnd(follow.position, got);
  const bytes = follow.doubt ? read : await contentOf(follow, handle, read);
  const { seen } = follow;
  if (await follow.generation.isIn(handle, read)) follow.extent.assure(seen);
  else follow.suspect();
  if (follow.doubt) return await settled(follow, handle);
  const atEnd = got < wanted || follow.position + bytes.length === follow.heldBack.from;
  const item = handOverOf(follow, bytes, atEnd, draining);
  if (moreHeld || follow.heldBack.isSearching) follow.endTurn(true);
  return item;
}

/** Of the bytes, what is data and may go: a declaration first, then whole lines. */
function handOverOf(
  follow: Follow,
  bytes: Uint8Array,
  atEnd: boolean,
  draining: boolean,
): TailItem | undefined {
  const { clock, partialAgeUs } = follow.base;
  const hole = follow.heldBack.holeIn(bytes, clock.mono(), follow.patience(draining));
  const solid = bytes.subarray(0, hole?.at);
  const length = hole ? wholeLines(solid) : cut(follow, solid, atEnd, draining);
  if (length === 0) {
    if (hole) follow.extent.waitFor(follow.seen, hole.until - partialAgeUs);
    return undefined;
  }
  if (follow.ref === undefined) {
    // The same bytes are read again and handed over in the next turn.
    follow.endTurn(true);
    const { record } = follow.declare(solid.subarray(0, fingerprintBytes));
    return { kind: "statements", statements: [record] };
  }
  follow.endTurn(hole !== undefined || !atEnd);
  return handOver(follow, follow.ref, solid, length);
}

/** A turn at the copy; at its end the doubt about the file itself is taken up again. */
async function turnOn(
  follow: Follow,
  readTo: number,
  room: Uint8Array,
  limit: number,
): Promise<TailItem | undefined> {
  const file = follow.handle.copy;
  const { position } = follow;
  const wanted = Math.min(limit, room.length, readTo - position);
  const got = file && wanted > 0 ? await file.read(room, 0, wanted, position).catch(() => 0) : 0;
  // A power cut while we were down may have put NULs in place of any lines.
  const hole = follow.wasDown ? firstHole(room.subarray(0, got)) : -1;
  const bytes = room.subarray(0, hole < 0 ? got : hole);
  if (bytes.length > 0 && follow.ref !== undefined) {
    follow.endTurn(true);
    return handOver(follow, follow.ref, bytes, cut(follow, bytes, false, true));
  }
  follow.happened({ is: "copy-read" });
  await follow.handle.closeCopy();
  return await settled(follow, follow.handle.file as OpenFile);
}

/**
 * While nobody reads: whether the growth seen is still growth of what we know, or what is left
 * after a cut was written since, so that its loss would be known as a loss; and whether a file that
 * left the pattern still is what was read.
 */
export async function confirm(follow: Follow): Promise<void> {
  const { doubt, extent } = follow;
  const handle = follow.handle.file;
  if (handle === undefined) return;
  if (doubt && extent.shrank) await lookAtRest(follow, handle);
  if (follow.heldBack.stale && !follow.doubt) {
    const { touched } = follow.heldBack;
    await lookAtHeldBack(follow, handle);
    // What comes to stand there may be another content, as long as the old one.
    if (touched) await recheck(follow);
  }
  if (!follow.seenOutside && follow.leftPattern && !extent.shrank)
    follow.lookedOutside(await follow.generation.isIn(handle, new Uint8Array(0)));
  if (follow.doubt || extent.sure >= extent.seen) return;
  if (!follow.heldBack.isFound) {
    if ((await follow.heldBack.seek(handle, follow.position)) === "cut") follow.suspect();
  }
  const { seen } = follow;
  const head = new Uint8Array(follow.position === 0 ? fingerprintBytes : 0);
  const got = head.length === 0 ? 0 : await handle.read(head, 0, head.length, 0);
  if (got < head.length) follow.foundEnd(0, got);
  if (follow.doubt) return;
  if (!(await follow.generation.isIn(handle, head.subarray(0, got)))) {
    follow.suspect();
    if (follow.position === 0 && extent.sure > 0) extent.writtenAnew();
    return;
  }
  follow.extent.assure(seen);
  follow.generation.sawHead(head.subarray(0, got));
}

/** Once it falls quiet: edits within one tick of the clock leave size and times as they were. */
export async function recheck(follow: Follow): Promise<void> {
  const { position, doubt } = follow;
  const handle = follow.handle.file;
  if (handle === undefined || position === 0 || doubt || follow.emptied) return;
  if (!(await follow.generation.isIn(handle, new Uint8Array(0)))) follow.suspect();
}

async function settled(follow: Follow, handle: OpenFile): Promise<TailItem | undefined> {
  const statements: Statement[] = await resolveChange(follow, handle);
  follow.endTurn(!follow.emptied && follow.lag > 0);
  follow.extent.waitNoMore();
  return statements.length === 0 ? undefined : { kind: "statements", statements };
}

/** A look at what is held back. True: there is more to look at, at once. */
async function lookAtHeldBack(follow: Follow, handle: OpenFile): Promise<boolean> {
  const { more, skips } = await follow.heldBack.look(handle);
  if (skips) follow.happened({ is: "skip", to: follow.heldBack.skipTo });
  return more;
}

/** Of the bytes read, those before NULs that reach to the end of the file. */
async function contentOf(follow: Follow, handle: OpenFile, bytes: Uint8Array): Promise<Uint8Array> {
  const { length, cut } = await follow.heldBack.contentIn(handle, bytes);
  if (cut) follow.suspect();
  return bytes.subarray(0, length);
}

const wholeLines = (bytes: Uint8Array): number => bytes.lastIndexOf(lineFeed) + 1;

/** How many of the bytes may be handed over now. */
function cut(follow: Follow, bytes: Uint8Array, atEnd: boolean, draining: boolean): number {
  const { extent, base, position } = follow;
  const got = bytes.length;
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, got).lastIndexOf(lineFeed) + 1;
  if (line > 0) {
    if (atEnd && got > line) extent.waitFor(position + got, base.clock.mono());
    else extent.waitNoMore();
    return line;
  }
  if (got >= cutBytes) return got - (got % cutBytes);
  const due = follow.partialDue ?? Number.POSITIVE_INFINITY;
  if (draining || base.clock.mono() >= due) return got;
  extent.waitForLine(position + got);
  return 0;
}

function handOver(follow: Follow, source: SourceRef, bytes: Uint8Array, length: number): TailItem {
  const { clock, counts, name } = follow.base;
  const offset = follow.position;
  follow.generation.handOver(bytes, length);
  counts.readBytes += length;
  counts.readSpans += 1;
  if (bytes[length - 1] !== lineFeed && length % cutBytes > 0) counts.partials += 1;
  const time = clock.now();
  counts.lastReadTime = time;
  return { kind: "span", source, name, offset, time, length };
}
