// Judges the heads of a line proof as a walk does, and stops at the first that fails.
//
// - A head counts only if the key that the head before it named has signed it: the first one's is
//   the grant's.
// - What a head says of a silence that lasted too long is no fault of a line in it.
//
// Spec: docs/spec/verification.md, "D: each header".

import type { Authority } from "../core/authority.ts";
import { hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import type { Header } from "../core/header.ts";
import { isRefusal } from "./finding.ts";
import { ChainWalk } from "./walk.ts";

export interface ProvedHead {
  readonly header: Header;
  readonly hash: Uint8Array;
}

/** Takes heads in order, from the genesis on or from behind a head that someone vouches for. */
export class HeadTrail {
  readonly #walk: ChainWalk;

  /** `chain` is the genesis' hash. */
  constructor(suite: Suite, authority: Authority, chain: Uint8Array) {
    this.#walk = new ChainWalk({ suite, authority, chain: hex(chain), report: () => {} });
  }

  /** Begins behind this head, which someone else vouches for. */
  beginBehind(head: Uint8Array): void {
    this.#walk.beginBehind(head);
  }

  /** Takes the next head. Throws the first Fault that a walk would find in it. */
  next(head: Uint8Array): ProvedHead {
    const { blockNo } = this.#walk.thread;
    const judged = this.#walk.judge(head);
    const { faults, header, hash, place, authenticated } = judged;
    const fault = faults.find(({ code }) => isRefusal(code));
    if (fault !== undefined) throw new Fault(fault.code, `block ${blockNo}: ${fault.message}`);
    if (header === undefined || place !== "next") {
      throw new Fault("BLOCK_ORDER", `block ${blockNo} is not the one that follows`);
    }
    // Without a grant that binds no key is known; the grant's own fault says so.
    if (!authenticated && this.#walk.authority.terms !== undefined) {
      throw new Fault("BAD_KEY", `no key that could sign block ${blockNo} is named before it`);
    }
    this.#walk.block(head, "not-read", {}, judged);
    return { header, hash };
  }
}
