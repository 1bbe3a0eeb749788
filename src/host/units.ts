// Sizes, durations and times as people write and read them.
//
// - Whole numbers and one unit, nothing between: 512KiB, 2GiB, 500ms, 60s, 30d.
// - KB, MB and GB are refused: some mean 1,000 by them, others 1,024.
// - Pure.

type Units = Readonly<Record<string, number>>;

const sizeUnits: Units = { "": 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const durationUnits: Units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Bytes. A bare number is bytes. NaN for anything else, see sizeHint. */
export function readSize(text: string): number {
  return read(text, sizeUnits);
}

/** Milliseconds. The unit is required. NaN for anything else, see durationHint. */
export function readDuration(text: string): number {
  return read(text, durationUnits);
}

/** What to write instead of what is no size: a phrase that follows "want". */
export function sizeHint(text: string): string {
  const [, digits, unit, prefix = ""] = /^([0-9]+)(([KMG])B?)$/i.exec(text) ?? [];
  if (digits === undefined) return "a size such as 65536, 512KiB, 8MiB or 2GiB";
  return `${digits}${prefix.toUpperCase()}iB: ${unit} may mean 1000 or 1024`;
}

/** What to write instead of what is no duration: a phrase that follows "want". */
export function durationHint(text: string): string {
  if (/^[0-9]+$/.test(text)) return `a unit too: ${text}s or ${text}ms`;
  return "a duration such as 500ms, 60s, 5m, 12h or 30d";
}

function read(text: string, units: Units): number {
  const [, digits, unit = ""] = /^([0-9]+)([A-Za-z]*)$/.exec(text) ?? [];
  const value = Number(digits) * (units[unit] ?? Number.NaN);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** `2026-01-31T12:00:00.000Z` from Unix microseconds, and `@SECONDS` beyond what a date can say. */
export function isoTime(micros: number): string {
  const date = new Date(Math.floor(micros / 1000));
  return Number.isNaN(date.getTime()) ? `@${Math.floor(micros / 1e6)}` : date.toISOString();
}
