// The content of one fake file: what the page cache shows, and what a crash would leave.
//
// - Writes and cuts since the last sync are kept in order; a crash drops them all, or (seeded)
//   keeps some of them, in any order and by page, as a real disk may.

interface Change {
  readonly position: number;
  /** Undefined: the file was cut (or stretched with zeros) to `position`. */
  readonly bytes: Uint8Array | undefined;
}

const page = 512;

/** Bytes that grow by doubling, so that appending stays cheap. */
class Content {
  #room: Uint8Array;
  #size: number;

  constructor(bytes: Uint8Array) {
    this.#room = bytes;
    this.#size = bytes.length;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#size);
  }

  apply({ position, bytes }: Change): void {
    const size = bytes === undefined ? position : Math.max(this.#size, position + bytes.length);
    if (size > this.#room.length) {
      const room = new Uint8Array(Math.max(256, size, this.#room.length * 2));
      room.set(this.bytes);
      this.#room = room;
    }
    if (size < this.#size) this.#room.fill(0, size, this.#size);
    this.#size = size;
    if (bytes !== undefined) this.#room.set(bytes, position);
  }
}

export class VolatileBytes {
  #content = new Content(new Uint8Array(0));
  #durable: Uint8Array = new Uint8Array(0);
  #changes: Change[] = [];

  get size(): number {
    return this.#content.size;
  }

  /** A view of what reads see now. */
  get content(): Uint8Array {
    return this.#content.bytes;
  }

  get durable(): Uint8Array {
    return this.#durable;
  }

  change(position: number, bytes: Uint8Array | undefined): void {
    const change = { position, bytes: bytes?.slice() };
    this.#changes.push(change);
    this.#content.apply(change);
  }

  sync(): void {
    if (this.#changes.length === 0) return;
    this.#durable = this.content.slice();
    this.#changes = [];
  }

  /** Goes back to what is durable, with those unsynced changes that `chance` lets through. */
  crash(chance: (() => number) | undefined): void {
    const left = new Content(this.#durable.slice());
    if (chance !== undefined) {
      for (const change of this.#changes) survive(left, change, chance);
    }
    this.#content = left;
    this.#durable = left.bytes.slice();
    this.#changes = [];
  }
}

/** All, none, or some pages of one change; the size may be there without the content (zeros). */
function survive(content: Content, change: Change, chance: () => number): void {
  const fate = chance();
  if (fate < 0.3) return;
  if (fate < 0.6 || change.bytes === undefined) {
    content.apply(change);
    return;
  }
  const { position, bytes } = change;
  if (fate < 0.75) {
    // A prefix: the classic torn write.
    const length = Math.floor(chance() * bytes.length);
    content.apply({ position, bytes: bytes.subarray(0, length) });
    return;
  }
  if (chance() < 0.5) {
    const size = Math.max(content.size, position + bytes.length);
    content.apply({ position: size, bytes: undefined });
  }
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + page - ((position + at) % page));
    if (chance() < 0.5) {
      content.apply({ position: position + at, bytes: bytes.subarray(at, next) });
    }
    at = next;
  }
}
