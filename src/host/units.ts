// Sizes and durations as people write them.
//
// - Whole numbers and one unit, nothing between: 512KiB, 2GiB, 500ms, 60s, 30d.
// - KB, MB and GB are refused: some mean 1,000 by them, others 1,024.
// - Pure.

/** A number, or what was wanted instead: a phrase that follows "want". */
export type Reading = { readonly value: number } | { readonly want: string };

const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const sizeWant = "a size such as 65536, 512KiB, 8MiB or 2GiB";
const durationWant = "a duration such as 500ms, 60s, 5m, 12h or 30d";

/** Bytes. A bare number is bytes. */
export function readSize(text: string): Reading {
  if (/^[0-9]+$/.test(text)) return whole(Number(text), sizeWant);
  const [, digits, unit = ""] = /^([0-9]+)([A-Za-z]+)$/.exec(text) ?? [];
  const decimal = /^([KMG])B?$/i.exec(unit)?.[1];
  if (decimal !== undefined) {
    return { want: `${digits}${decimal.toUpperCase()}iB: ${unit} may mean 1000 or 1024` };
  }
  const factor = sizeUnits[unit];
  return factor === undefined ? { want: sizeWant } : whole(Number(digits) * factor, sizeWant);
}

/** Milliseconds. The unit is required. */
export function readDuration(text: string): Reading {
  if (/^[0-9]+$/.test(text)) return { want: `a unit too: ${text}s or ${text}ms` };
  const [, digits, unit = ""] = /^([0-9]+)([a-z]+)$/.exec(text) ?? [];
  const factor = durationUnits[unit];
  return factor === undefined
    ? { want: durationWant }
    : whole(Number(digits) * factor, durationWant);
}

/** The shortest exact spelling that readSize takes. */
export function formatSize(bytes: number): string {
  return format(bytes, sizeUnits, "B");
}

/** The shortest exact spelling that readDuration takes. */
export function formatDuration(ms: number): string {
  return format(ms, durationUnits, "ms");
}

function whole(value: number, want: string): Reading {
  return Number.isSafeInteger(value) ? { value } : { want };
}

function format(value: number, units: Readonly<Record<string, number>>, least: string): string {
  let [name, size] = [least, 1];
  for (const [unit, factor] of Object.entries(units)) {
    if (value > 0 && value % factor === 0) [name, size] = [unit, factor];
  }
  return `${value / size}${name}`;
}
