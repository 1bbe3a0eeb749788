// A chain that a start took up from its folder, until the vault said whether another went on from
// it: then the state directory is an old copy, though the chain itself did not grow.
//
// - Nothing of it reaches the vault before. So what an old copy sealed is sealed once: the next
//   chain takes it over.
// - One question a start. A vault that lets nobody ask, or leaves the question open while it takes
//   blocks, is not asked again.

import { SealtailError } from "../core/errors.ts";
import type { Answer, Sink, Submission } from "../ship/sink.ts";
import { VaultRefused } from "../ship/vault-reads.ts";
import { heirOf } from "./old-copy.ts";
import type { Lookup } from "./vault-predecessor.ts";

export interface TakenUpOptions {
  readonly lookup: Lookup;
  readonly sink: Sink;
  readonly chain: string;
  /** Blocks that its newest receipt covered when it was taken up. */
  readonly receipted: number;
  /** Another chain went on from it. */
  readonly onHeir: () => void;
}

/** How long an attempt waits for the answer, in ms. */
const answerMs = 5000;
/** How often it is asked whether the other chain lives, in ms. */
const lookMs = 2000;

type Heard = Awaited<ReturnType<typeof heirOf>> | SealtailError;

export class TakenUp implements Sink {
  readonly #options: TakenUpOptions;
  #asking: Promise<void> | undefined;
  /** An answer that no attempt looked at yet. */
  #heard: { readonly word: Heard } | undefined;
  #settled = false;
  #held = false;
  #said = false;

  constructor(options: TakenUpOptions) {
    this.#options = options;
  }

  get certificateNotAfter(): number | undefined {
    return this.#options.sink.certificateNotAfter;
  }

  async post(submission: Submission, signal: AbortSignal): Promise<Answer> {
    const { sink } = this.#options;
    const held = this.#settled ? undefined : await this.#hold(signal);
    if (held !== undefined) return held;
    const answer = await sink.post(submission, signal);
    this.#settled ||= answer.outcome === "receipt";
    return answer;
  }

  /** The sink stays open: other chains use it. */
  async close(): Promise<void> {}

  /** Another chain went on from it, and it is not known yet whose: nothing more may be read. */
  get held(): boolean {
    return this.#held;
  }

  /** Why nothing may be sent yet. */
  async #hold(signal: AbortSignal): Promise<Answer | undefined> {
    const { lookup, onHeir } = this.#options;
    let heard = await this.#hear(signal);
    while (heard?.word === "wait" && !signal.aborted) {
      this.#held = true;
      await lookup.clock.sleep(lookMs, signal);
      heard = await this.#hear(signal);
    }
    if (signal.aborted) return { outcome: "timeout", code: "aborted" };
    this.#held = false;
    if (heard === undefined) return this.#unheard(undefined);
    const { word } = heard;
    if (word instanceof SealtailError) return this.#unheard(word);
    this.#settled = word === undefined;
    if (word === undefined) return undefined;
    const fields = { code: "agent-rollback", chain: word };
    lookup.diag.error("the state is an old copy: another chain went on from this one", fields);
    onHeir();
    return { outcome: "local", code: "agent-rollback" };
  }

  #unheard(error: SealtailError | undefined): Answer | undefined {
    const { lookup, chain } = this.#options;
    const closed = error instanceof VaultRefused && error.closed;
    if (!closed && lookup.insists()) return { outcome: "transport", code: "predecessor-unknown" };
    const phrase = "the vault cannot be asked whether another chain went on from this one";
    if (!this.#said) lookup.diag.info(phrase, { code: "predecessor-unknown", chain, error });
    this.#said = true;
    return undefined;
  }

  /** Undefined: no answer came in time. One that comes later is for the next attempt. */
  async #hear(signal: AbortSignal): Promise<{ readonly word: Heard } | undefined> {
    if (this.#heard === undefined) {
      this.#asking ??= this.#ask();
      // Whoever waits for it is told.
      this.#asking.catch(() => undefined);
      const over = new AbortController();
      const either = AbortSignal.any([over.signal, signal]);
      const { clock } = this.#options.lookup;
      await Promise.race([this.#asking, clock.sleep(answerMs, either)]);
      over.abort();
    }
    const heard = this.#heard;
    this.#heard = undefined;
    return heard;
  }

  async #ask(): Promise<void> {
    const { lookup, chain, receipted } = this.#options;
    try {
      this.#heard = { word: await heirOf(lookup, chain, receipted) };
    } catch (error) {
      if (!(error instanceof SealtailError) || error.kind === "unsafe") throw error;
      this.#heard = { word: error };
    } finally {
      this.#asking = undefined;
    }
  }
}
