// Faults that last for many blocks and are one finding: payloads that are gone, blocks that nobody
// vouches for.

import type { Place } from "./finding.ts";

type Code = "PAYLOAD_MISSING" | "UNAUTHENTICATED" | "REANCHORED";
type Report = (code: Code, message: string, place: Place) => void;

export class MissingPayloads {
  readonly #report: Report;
  #from = 0;
  #count = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  add(blockNo: number): void {
    if (this.#count === 0) this.#from = blockNo;
    this.#count += 1;
  }

  /** A payload is there again, or the chain ends. */
  close(): void {
    if (this.#count === 0) return;
    const [block, blocks] = [this.#from, this.#count];
    this.#count = 0;
    const what = blocks === 1 ? `block ${block}` : `blocks ${block} to ${block + blocks - 1}`;
    this.#report("PAYLOAD_MISSING", `only the header is left of ${what}`, { block, blocks });
  }
}

/** A block whose key nobody named: from here on nothing is authenticated. */
interface Break {
  readonly block: number;
  /** The block before is of a version that can't be judged: nothing is known to be wrong. */
  readonly unsupported: boolean;
}

const maxBreaks = 4096;

/** Which blocks no chain of keys reaches. A receipt heals the breaks that it covers, no others. */
export class Unauthenticated {
  readonly #report: Report;
  #breaks: Break[] = [];
  /** More breaks than are kept: then nothing behind the last one kept is ever healed. */
  #overflow = false;

  constructor(report: Report) {
    this.#report = report;
  }

  /** First block that is not authenticated. */
  get from(): number | undefined {
    return this.#breaks[0]?.block;
  }

  add(block: number, unsupported: boolean): void {
    if (this.#breaks.length < maxBreaks) this.#breaks.push({ block, unsupported });
    else this.#overflow = true;
  }

  /** A genuine receipt over the first `size` blocks agrees with the walk. */
  confirmed(size: number): void {
    const healed = this.#breaks.filter(({ block }) => block < size);
    if (healed.length === 0) return;
    const left = this.#breaks.slice(healed.length);
    this.#breaks =
      left.length === 0 && this.#overflow ? [{ block: size, unsupported: false }] : left;
    for (const { block } of healed) {
      this.#report("REANCHORED", `a receipt vouches for the blocks from ${block} on`, { block });
    }
  }

  /** The chain ends. */
  close(): void {
    const block = this.#breaks.find(({ unsupported }) => !unsupported)?.block;
    if (block === undefined) return;
    this.#report("UNAUTHENTICATED", `nothing vouches for the blocks from ${block} on`, { block });
  }
}
