// What the shipper sends to and what may come back: every answer is one of a closed set.
//
// - A sink answers and never throws: whatever goes wrong on the way is an answer too.
// - Nothing in an answer is proof of anything but the note of a receipt, once it is verified.
// - Codes and details never hold log content; what a peer wrote is cut down to plain words.

/** Metric label: bounded, one word per kind of answer. */
export const outcomes = [
  "receipt",
  "bad-receipt",
  "wrong-head",
  "fork",
  "refused",
  "throttled",
  "server-error",
  "bad-answer",
  "timeout",
  "transport",
  "local",
] as const;

export type Outcome = (typeof outcomes)[number];

export interface Submission {
  /** Lower-case hex of the chain's id. */
  readonly chainId: string;
  /** Whole, consecutive blocks, as they lie in the WAL. At least one. */
  readonly blocks: readonly Uint8Array[];
  /** The grant note, for a chain that the vault may not know yet. */
  readonly grant?: Uint8Array | undefined;
}

/**
 * - receipt: a text that claims to be one; nobody has verified it.
 * - wrong-head: the vault's head is elsewhere. `size` and `root` are hints.
 * - fork: the vault says it holds another block at one of these heights.
 * - refused: asking again will not help until someone acts.
 * - throttled, server-error, bad-answer, timeout, transport: later.
 * - local: our own certificate or key could not be used.
 */
export type Answer = {
  /** Why, in a word or two: "http-503", "dns", a finding of the vault. */
  readonly code: string;
  /** The vault's wall clock in Unix microseconds, to the second, where the answer told it. */
  readonly vaultTime?: number | undefined;
  /** The least time to wait before the next attempt. */
  readonly retryAfterMs?: number | undefined;
} & (
  | { readonly outcome: "receipt"; readonly note: Uint8Array }
  | {
      readonly outcome: "wrong-head";
      readonly size?: number | undefined;
      readonly root?: Uint8Array | undefined;
    }
  | { readonly outcome: Exclude<Outcome, "receipt" | "bad-receipt" | "wrong-head"> }
);

export interface Sink {
  /** Sends once. Never throws; when `signal` aborts, answers with a timeout at once. */
  post(submission: Submission, signal: AbortSignal): Promise<Answer>;
  /** When our client certificate ends, in Unix microseconds. */
  readonly certificateNotAfter: number | undefined;
  /** Cuts what is running and lets go of every connection. Closing twice is fine. */
  close(): Promise<void>;
}
