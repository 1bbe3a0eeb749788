// Which bytes of a file were sealed, and when; and which cannot be told from sealed ones.

import type { LogFile, Piece, Version } from "./ledger.ts";
import { sharedLength } from "./versions.ts";

export class Marks {
  readonly #log: LogFile;
  /** Ticks, the latest; 0 for never. */
  readonly #ticks = new Map<Piece, Float64Array>();
  readonly #shared = new Map<number, readonly number[]>();

  constructor(log: LogFile) {
    this.#log = log;
  }

  /** When a byte was sealed; 0 for never. */
  at(piece: Piece, at: number): number {
    return this.#ticks.get(piece)?.[at - piece.at] ?? 0;
  }

  /** Bytes from `from` to `to` of a piece were sealed. */
  set(piece: Piece, from: number, to: number, tick: number): void {
    const ticks = this.#ticks.get(piece) ?? new Float64Array(piece.bytes.length);
    this.#ticks.set(piece, ticks);
    ticks.fill(tick, from - piece.at, to - piece.at);
  }

  isSealed(piece: Piece, at: number): boolean {
    if (this.at(piece, at) > 0 || this.#repeats(piece, at)) return true;
    // A power cut may bring back old bytes, which were sealed when they were there before.
    return this.#log.crashed && this.isAlike(piece, at);
  }

  /** Whether some byte at this place was sealed, of the same value. */
  isAlike(piece: Piece, at: number): boolean {
    const value = piece.bytes[at - piece.at];
    const pieces = [...this.#ticks.keys()];
    return pieces.some((each) => each.bytes[at - each.at] === value && this.at(each, at) > 0);
  }

  /** Whether some byte at this place was sealed. */
  isAny(at: number): boolean {
    return [...this.#ticks.keys()].some((piece) => this.at(piece, at) > 0);
  }

  /** Whether a sealed byte stood there, and all before it was the same: then nothing shows. */
  #repeats(piece: Piece, at: number): boolean {
    return this.#sharedWith(piece.born).some((shared, index) => {
      if (shared <= at) return false;
      const { runs } = this.#log.versions[index] as Version;
      const run = runs.find(({ from, to }) => from <= at && at < to);
      return run !== undefined && this.at(run.piece, at) > 0;
    });
  }

  /** How many first bytes each version before a tick had in common with that of the tick. */
  #sharedWith(tick: number): readonly number[] {
    const known = this.#shared.get(tick);
    if (known !== undefined) return known;
    const { versions } = this.#log;
    const born = versions.findIndex((version) => version.tick === tick);
    const before = versions.slice(0, Math.max(0, born));
    const shared = before.map((version) => sharedLength(version, versions[born] as Version));
    this.#shared.set(tick, shared);
    return shared;
  }
}
