// Bytes that come in pieces of any size, looked at through one window that moves forward.
//
// - Every byte is copied a fixed number of times, however small the pieces are.
// - Views that were handed out stay as they are: the window never writes over them.

import type { StoredObject } from "../core/chain-source.ts";
import { Unreadable } from "./unreadable.ts";

/** The first bytes of an object, at most `length`. Throws Unreadable. */
export async function firstBytes(object: StoredObject, length: number): Promise<Uint8Array> {
  const reader = new PieceReader(object);
  try {
    await reader.has(length);
    return reader.peek(length);
  } finally {
    await reader.close();
  }
}

const leastRoom = 65_536;

export class PieceReader {
  readonly #name: string;
  readonly #pieces: AsyncIterator<Uint8Array>;
  /** Held are room[from, to). */
  #room: Uint8Array = new Uint8Array(0);
  #from = 0;
  #to = 0;
  #ended = false;
  /** Where in the object the window begins. */
  offset = 0;

  constructor(object: StoredObject) {
    this.#name = object.name;
    try {
      this.#pieces = object.open()[Symbol.asyncIterator]();
    } catch (cause) {
      throw new Unreadable(object.name, cause);
    }
  }

  /** Bytes held from the window's beginning on. */
  get held(): number {
    return this.#to - this.#from;
  }

  /** Whether `length` more bytes are there; reads as needed. Throws Unreadable. */
  async has(length: number): Promise<boolean> {
    while (this.held < length && !this.#ended) {
      const next = await this.#next();
      if (next === undefined) this.#ended = true;
      else this.#keep(next);
    }
    return this.held >= length;
  }

  /** Up to `length` of the bytes that are held, without moving on. */
  peek(length: number): Uint8Array {
    return this.#room.subarray(this.#from, Math.min(this.#to, this.#from + length));
  }

  /** The same, and moves behind them. */
  take(length: number): Uint8Array {
    const bytes = this.peek(length);
    this.#from += bytes.length;
    this.offset += bytes.length;
    return bytes;
  }

  /** Lets the source close what it opened. */
  async close(): Promise<void> {
    if (!this.#ended) await this.#pieces.return?.();
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const next = await this.#pieces.next();
      return next.done === true ? undefined : next.value;
    } catch (cause) {
      this.#ended = true;
      throw new Unreadable(this.#name, cause);
    }
  }

  #keep(piece: Uint8Array): void {
    if (this.#to + piece.length > this.#room.length) {
      const held = this.peek(this.held);
      const room = new Uint8Array(Math.max(leastRoom, 2 * (held.length + piece.length)));
      room.set(held);
      this.#room = room;
      this.#from = 0;
      this.#to = held.length;
    }
    this.#room.set(piece, this.#to);
    this.#to += piece.length;
  }
}
