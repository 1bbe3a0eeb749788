// The content of one fake file: what the page cache shows, and what a crash would leave.
//
// - Writes and cuts since the last sync are kept in order; a crash drops them all, or (seeded)
//   keeps some of them, in any order and by page, as a real disk may.

export interface Change {
  readonly position: number;
  /** Undefined: the file was cut (or stretched with zeros) to `position`. */
  readonly bytes: Uint8Array | undefined;
}

const page = 512;

function applied(content: Uint8Array, change: Change): Uint8Array {
  const { position, bytes } = change;
  const size = bytes === undefined ? position : Math.max(content.length, position + bytes.length);
  const out = size === content.length ? content : new Uint8Array(size);
  if (out !== content) out.set(content.subarray(0, size));
  if (bytes !== undefined) out.set(bytes, position);
  return out;
}

export class VolatileBytes {
  // Grows by doubling, so that appending stays cheap; #size is the length that counts.
  #room: Uint8Array = new Uint8Array(256);
  #size = 0;
  #durable: Uint8Array = new Uint8Array(0);
  #changes: Change[] = [];

  get size(): number {
    return this.#size;
  }

  /** A view of what reads see now. */
  get content(): Uint8Array {
    return this.#room.subarray(0, this.#size);
  }

  get durable(): Uint8Array {
    return this.#durable;
  }

  change(position: number, bytes: Uint8Array | undefined): void {
    const kept = bytes?.slice();
    this.#changes.push({ position, bytes: kept });
    const size = kept === undefined ? position : Math.max(this.#size, position + kept.length);
    if (size > this.#room.length) {
      const room = new Uint8Array(Math.max(size, this.#room.length * 2));
      room.set(this.content);
      this.#room = room;
    }
    if (size < this.#size) this.#room.fill(0, size, this.#size);
    this.#size = size;
    if (kept !== undefined) this.#room.set(kept, position);
  }

  sync(): void {
    if (this.#changes.length === 0) return;
    this.#durable = this.content.slice();
    this.#changes = [];
  }

  /** Goes back to what is durable, with those unsynced changes that `chance` lets through. */
  crash(chance: (() => number) | undefined): void {
    let left: Uint8Array = this.#durable.slice();
    if (chance !== undefined) {
      for (const change of this.#changes) left = survive(left, change, chance);
    }
    this.#room = left.length === 0 ? new Uint8Array(256) : left.slice();
    this.#size = left.length;
    this.#durable = left;
    this.#changes = [];
  }
}

/** All, none, or some pages of one change; the size may be there without the content (zeros). */
function survive(content: Uint8Array, change: Change, chance: () => number): Uint8Array {
  const fate = chance();
  if (fate < 0.3) return content;
  if (fate < 0.6 || change.bytes === undefined) return applied(content, change);
  const { position, bytes } = change;
  if (fate < 0.75) {
    // A prefix: the classic torn write.
    const length = Math.floor(chance() * bytes.length);
    return applied(content, { position, bytes: bytes.subarray(0, length) });
  }
  let out: Uint8Array = content;
  if (chance() < 0.5) {
    const size = Math.max(content.length, position + bytes.length);
    out = applied(content, { position: size, bytes: undefined });
  }
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + page - ((position + at) % page));
    const part = { position: position + at, bytes: bytes.subarray(at, next) };
    if (chance() < 0.5) out = applied(out, part);
    at = next;
  }
  return out;
}
