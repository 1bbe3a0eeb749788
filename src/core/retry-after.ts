// What a peer asks for in Retry-After (RFC 9110, section 10.2.3).

/** The longest wait that a peer may ask for, in ms. */
export const retryAfterMsMax = 600_000;

const imfDate =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Unix milliseconds of an HTTP date (RFC 9110 IMF-fixdate); undefined for anything else. */
export function parseHttpDate(text: string): number | undefined {
  if (!imfDate.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms < 0 ? undefined : ms;
}

/**
 * Milliseconds that a Retry-After asks for, 0 … retryAfterMsMax; undefined when it says nothing
 * usable. `nowMs` is the peer's clock where it is known, else ours.
 */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  const value = text?.trim() ?? "";
  if (/^[0-9]{1,15}$/.test(value)) return Math.min(Number(value) * 1000, retryAfterMsMax);
  const at = parseHttpDate(value);
  if (at === undefined) return undefined;
  return Math.min(Math.max(0, at - nowMs), retryAfterMsMax);
}
