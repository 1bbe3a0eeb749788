// What a vault counts and says of requests that it refuses.
//
// - All are counted by finding, or by the problem's code.
// - Strangers decide how many there are: of each finding one line in ten seconds is written, which
//   says how many more there were.
// - A chain that is not stored has no subject that anybody vouches for, so none is named.

import { Fault } from "../core/fault.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { VaultObserver } from "./observer.ts";
import { Problem } from "./problem.ts";

export interface RefusalsOptions {
  readonly observer: Pick<VaultObserver, "refused">;
  readonly diag: Diag;
  readonly clock: Pick<Clock, "mono">;
}

const pauseUs = 10_000_000;

export class Refusals {
  readonly #options: RefusalsOptions;
  /** By finding: when the next line may come, and how many were not said since the last one. */
  readonly #said = new Map<string, { readonly due: number; readonly more: number }>();

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** What the client is told of a request that is not taken; undefined for any other error. */
  explain(chain: string, error: unknown): Problem | undefined {
    const problem =
      error instanceof Fault
        ? new Problem("block-refused", error.message, { finding: error.code })
        : error;
    if (!(problem instanceof Problem)) return undefined;
    const { finding, block } = problem.extra;
    this.#options.observer.refused(finding ?? problem.code);
    if (finding !== undefined) this.#say(finding, { chain, block });
    return problem;
  }

  #say(finding: string, of: { readonly chain: string; readonly block: number | undefined }): void {
    const { diag, clock } = this.#options;
    const now = clock.mono();
    const { due, more } = this.#said.get(finding) ?? { due: now, more: 0 };
    if (now < due) {
      this.#said.set(finding, { due, more: more + 1 });
      return;
    }
    this.#said.set(finding, { due: now + pauseUs, more: 0 });
    diag.warn("block refused", { ...of, finding, ...(more > 0 ? { more } : {}) });
  }
}
