// Pure. How far our wall clock is from the sink's, as its answer's Date says.

/** An answer that took longer says too little about the sink's clock; in microseconds. */
const tripMax = 5_000_000;

/**
 * Microseconds that our clock is ahead, good to about half a second; undefined if the answer says
 * nothing of it. `sentAt` and `sinkTime` in Unix microseconds.
 */
export function clockSkew(
  sentAt: number,
  trip: number,
  sinkTime: number | undefined,
): number | undefined {
  if (sinkTime === undefined || trip > tripMax) return undefined;
  // A Date is cut to whole seconds: on average half a second is missing.
  return Math.round(sentAt + trip / 2 - (sinkTime + 500_000));
}
