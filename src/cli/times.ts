// Times on the command line: dates as ISO 8601 and Unix seconds, or a distance from now.

import { readDuration } from "../host/units.ts";
import { usage } from "./ui.ts";

const iso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/**
 * Unix microseconds. A bare duration such as 90d is counted from `now` in the direction given.
 * Times of day need Z or an offset; days alone begin at 00:00 UTC.
 */
export function timeOf(text: string, option: string, now: number, direction: 1 | -1): number {
  if (/^@?[0-9]{1,11}$/.test(text)) return Number(text.replace("@", "")) * 1e6;
  if (iso.test(text)) {
    const time = Date.parse(text) * 1000;
    if (Number.isFinite(time) && time >= 0) return time;
  }
  const span = readDuration(text);
  if (span >= 0) return now + direction * span * 1000;
  const want = "a date such as 2026-01-31 or 2026-01-31T12:00:00Z, @UNIX-SECONDS, or 90d";
  throw usage("argument-invalid", `${option} is ${text}, want ${want}`);
}
