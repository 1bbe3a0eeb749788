// What a vault counts and says of requests that it refuses.
//
// - All are counted by finding, or by the problem's code.
// - Strangers decide how many there are: of each chain and finding one line in ten seconds is
//   written, which says how many more there were; of more chains than a hundred one a finding.
// - A chain that is not stored has no subject that anybody vouches for, so none is named.

import { Fault } from "../core/fault.ts";
import { FramingError } from "../core/whole-blocks.ts";
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
const chainsMax = 100;

export class Refusals {
  readonly #options: RefusalsOptions;
  /** By what lines are kept apart: when the next may come, and how many were not said since. */
  readonly #said = new Map<string, { readonly due: number; readonly more: number }>();

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** What the client is told of a request that is not taken; undefined for any other error. */
  explain(chain: string, error: unknown): Problem | undefined {
    const problem = problemOf(error);
    if (problem === undefined) return undefined;
    const { finding, block } = problem.extra;
    this.#options.observer.refused(finding ?? problem.code);
    if (finding !== undefined) this.#say(finding, { chain, block });
    return problem;
  }

  #say(finding: string, of: { readonly chain: string; readonly block: number | undefined }): void {
    const { diag, clock } = this.#options;
    const now = clock.mono();
    if (this.#said.size >= chainsMax) {
      for (const [key, { due }] of this.#said) if (due <= now) this.#said.delete(key);
    }
    const own = `${finding} ${of.chain}`;
    const key = this.#said.has(own) || this.#said.size < chainsMax ? own : finding;
    const { due, more } = this.#said.get(key) ?? { due: now, more: 0 };
    if (now < due) {
      this.#said.set(key, { due, more: more + 1 });
      return;
    }
    this.#said.set(key, { due: now + pauseUs, more: 0 });
    diag.warn("block refused", { ...of, finding, ...(more > 0 ? { more } : {}) });
  }
}

/** `error`: what came of a request's bytes, or of judging them. */
function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (error instanceof FramingError) {
    const code = error.why === "too-large" ? "body-too-large" : "body-cut-short";
    return new Problem(code, error.message);
  }
  if (!(error instanceof Fault)) return undefined;
  return new Problem("block-refused", error.message, { finding: error.code });
}
