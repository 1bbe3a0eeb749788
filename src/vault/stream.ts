// Bodies piece by piece: a response's waits for its reader, a request's must come fast enough.

import type { Clock } from "../host/clock.ts";
import { Problem } from "./problem.ts";

/** How long a request's body may be. */
export const bodyBytesMax: number = 9 * 1024 * 1024;

export function tooLarge(limit: number): Problem {
  return new Problem("body-too-large", `body is larger than ${limit} bytes`);
}

/** A body that asks for the next piece only when the last one was taken. */
export function bodyOf(pieces: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  return ReadableStream.from(pieces);
}

/** How fast a request's body must come. */
export interface Pace {
  /** In each stretch of so many milliseconds */
  readonly everyMs: number;
  /** so many bytes must come, or the end of the body. */
  readonly bytes: number;
  /** For the whole body. */
  readonly wholeMs: number;
}

export const pace: Pace = { everyMs: 10_000, bytes: 65_536, wholeMs: 120_000 };

/** How early a timer may be, in milliseconds. */
const timerMs = 2;

/**
 * The pieces of a request's body; none where there is no body. Stops reading when it is left. Only
 * the time counts that we wait for the client, none in which it waits for us.
 * Throws Problem too-slow, or bad-request for a body that was cut off.
 */
export async function* piecesOfBody(
  body: ReadableStream<Uint8Array> | null,
  clock: Pick<Clock, "mono" | "sleep">,
  { everyMs, bytes, wholeMs }: Pace = pace,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (body === null) return;
  const reader = body.getReader();
  const ended = new AbortController();
  let [got, waited, slow] = [0, 0, false];
  let since: number | undefined;
  const waitedMs = (): number => waited + (since === undefined ? 0 : (clock.mono() - since) / 1000);
  const watch = async (): Promise<void> => {
    for (let [passed, before] = [0, 0]; ; ) {
      await clock.sleep(Math.max(timerMs, passed + everyMs - waitedMs()), ended.signal);
      if (ended.signal.aborted) return;
      const now = waitedMs() + timerMs;
      if (now < passed + everyMs) continue;
      slow = got - before < bytes || now >= wholeMs;
      // Ends the wait for the next piece.
      if (slow) return await reader.cancel().catch(() => undefined);
      [passed, before] = [passed + everyMs, got];
    }
  };
  const read = async (): ReturnType<typeof reader.read> => {
    since = clock.mono();
    // Whoever hung up is told nothing; it is no fault of ours, and nobody's to log.
    const next = await reader.read().catch(() => {
      throw new Problem("bad-request", "the body was cut off");
    });
    waited += (clock.mono() - since) / 1000;
    since = undefined;
    return next;
  };
  void watch();
  try {
    for (let next = await read(); !next.done; next = await read()) {
      got += next.value.length;
      yield next.value;
    }
    if (slow) throw new Problem("too-slow", `want ${bytes} bytes every ${everyMs / 1000} s`);
  } finally {
    ended.abort();
    // What was not read is no longer wanted; it may be cut off already.
    await reader.cancel().catch(() => undefined);
  }
}
