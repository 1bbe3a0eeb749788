// A small value in a preallocated file of two slots, overwritten in place.
//
// - Replacing it needs no new room: a full disk cannot keep it from being saved.
// - The slot that is not the newest is written and synced: after a crash the old value or the new
//   one is there, and a torn slot is known by its hash.
// - Not for secrets: the old value stays in the other slot. Where a file system writes elsewhere
//   whatever is overwritten (btrfs, ZFS), it may need room all the same.
// - A file that holds nothing but a bare value (an older version's) is read as that value.

import { concat, equalBytes, isZero, readU64, utf8, writeU64 } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { unlinkIfPresent } from "./durable.ts";
import { type Path, parentOf } from "./file-error.ts";
import type { Files, OpenFile } from "./files.ts";

const magic = utf8("SEALSLT1");
const hashAt = 24;
const contentAt = 56;

interface Slot {
  readonly content: Uint8Array;
  /** Higher is newer; 0 for a bare value. */
  readonly seq: number;
  readonly index: number;
}

export interface SlotFileOptions {
  readonly files: Files;
  readonly suite: Suite;
  readonly path: Path;
  /** Bytes of a slot, a multiple of a page: tearing one leaves the other alone. */
  readonly slotBytes: number;
}

export interface SlotReading {
  /** The newest whole value. */
  readonly content: Uint8Array | undefined;
  /** Something in the file is not what it was: torn by a crash, cut short, or garbled. */
  readonly damaged: boolean;
}

/** What the file holds; nothing if there is none. */
export async function readSlots(options: SlotFileOptions): Promise<SlotReading> {
  const { files, path, slotBytes } = options;
  if ((await files.stat(path)) === undefined) return { content: undefined, damaged: false };
  const file = await files.open(path, "read");
  try {
    const { size } = await file.stat();
    const { newest, whole } = await findSlots(file, options);
    const bare = newest?.seq === 0 && size === newest.content.length;
    return { content: newest?.content, damaged: !whole || (size !== 2 * slotBytes && !bare) };
  } finally {
    await file.close();
  }
}

export class SlotFile {
  readonly #options: SlotFileOptions;
  #known: { readonly seq: number; readonly idle: number } | undefined;

  constructor(options: SlotFileOptions) {
    this.#options = options;
  }

  /** Makes the file, or takes it over; all the room that it will ever need is taken then. */
  async prepare(): Promise<void> {
    if (this.#known !== undefined) return;
    const { files, path, slotBytes } = this.#options;
    const found = (await files.stat(path)) !== undefined;
    const file = await files.open(path, found ? "write" : "create");
    try {
      const { size } = await file.stat();
      const { newest } = await findSlots(file, this.#options);
      if (size < 2 * slotBytes) await file.write(new Uint8Array(2 * slotBytes - size), size);
      if (size > 2 * slotBytes) await file.truncate(2 * slotBytes);
      if (size !== 2 * slotBytes) await file.sync();
      // A life before may have made the name and not synced it.
      await files.syncDir(parentOf(path));
      this.#known = { seq: newest?.seq ?? 0, idle: newest?.index === 0 ? 1 : 0 };
    } finally {
      await file.close();
      // What this call made and could not fill holds nothing: the next one begins anew.
      const useless = !found && this.#known === undefined;
      if (useless) await unlinkIfPresent(files, path).catch(() => undefined);
    }
  }

  /**
   * Replaces the value; durable when this returns. Crash before: the old one or the new one. After
   * a write that failed the old one stands.
   */
  async write(content: Uint8Array): Promise<void> {
    await this.prepare();
    const { files, path, suite, slotBytes } = this.#options;
    const { seq, idle } = this.#known ?? { seq: 0, idle: 0 };
    const slot = encodeSlot(suite, seq + 1, content);
    if (slot.length > slotBytes) throw new RangeError(`${slot.length} bytes, want ${slotBytes}`);
    const file = await files.open(path, "write");
    try {
      await file.write(slot, idle * slotBytes);
      await file.sync();
    } finally {
      await file.close();
    }
    this.#known = { seq: seq + 1, idle: 1 - idle };
  }
}

function encodeSlot(suite: Suite, seq: number, content: Uint8Array): Uint8Array {
  const slot = new Uint8Array(contentAt + content.length);
  slot.set(magic);
  writeU64(slot, 8, seq);
  writeU64(slot, 16, content.length);
  slot.set(content, contentAt);
  slot.set(hashOf(suite, slot), hashAt);
  return slot;
}

function hashOf(suite: Suite, slot: Uint8Array): Uint8Array {
  return suite.sha256(concat(slot.subarray(0, hashAt), slot.subarray(contentAt)));
}

interface Slots {
  readonly newest: Slot | undefined;
  /** Each slot holds a value, or nothing. */
  readonly whole: boolean;
}

async function findSlots(file: OpenFile, options: SlotFileOptions): Promise<Slots> {
  const { suite, slotBytes } = options;
  const slots: Slot[] = [];
  let whole = true;
  for (const index of [0, 1]) {
    const bytes = new Uint8Array(slotBytes);
    const got = await file.read(bytes, 0, slotBytes, index * slotBytes);
    const slot = decodeSlot(suite, bytes.subarray(0, got), index);
    if (slot !== undefined) slots.push(slot);
    else whole &&= isZero(bytes);
  }
  return { newest: slots.sort((a, b) => b.seq - a.seq)[0], whole };
}

function decodeSlot(suite: Suite, bytes: Uint8Array, index: number): Slot | undefined {
  const marked = equalBytes(bytes.subarray(0, magic.length), magic);
  if (!marked && index === 0) {
    const end = bytes.indexOf(0);
    const content = bytes.slice(0, end < 0 ? bytes.length : end);
    return content.length === 0 ? undefined : { content, seq: 0, index };
  }
  if (!marked || bytes.length < contentAt) return undefined;
  const length = readLength(bytes, 16);
  const seq = readLength(bytes, 8);
  if (length === undefined || seq === undefined) return undefined;
  if (contentAt + length > bytes.length) return undefined;
  const slot = bytes.subarray(0, contentAt + length);
  if (!equalBytes(slot.subarray(hashAt, contentAt), hashOf(suite, slot))) return undefined;
  return { content: slot.slice(contentAt), seq, index };
}

/** A number that garbage may hold: undefined where it is too large to be one. */
function readLength(bytes: Uint8Array, at: number): number | undefined {
  try {
    return readU64(bytes, at);
  } catch {
    return undefined;
  }
}
