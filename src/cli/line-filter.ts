// Which envelopes someone wants to see.
//
// - Numbers and times are inclusive at both ends.
// - Looks at bytes only: a line is never decoded to be searched.

import { readU64 } from "../core/bytes.ts";
import { envelopeHeadLength, field } from "../core/envelope.ts";
import { globMatches } from "../core/glob.ts";
import { timeOf } from "./times.ts";
import { usage } from "./ui.ts";

export interface FilterOptions {
  readonly fromSeq?: string;
  readonly toSeq?: string;
  readonly since?: string;
  readonly until?: string;
  readonly source?: string;
  readonly grep?: string;
  readonly records?: boolean;
}

/** What is known of a source by its record. */
export interface SourceName {
  readonly id: string;
  readonly name: string;
  readonly path: string;
}

export class LineFilter {
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly #since: number;
  readonly #until: number;
  readonly #source: ((source: SourceName) => boolean) | undefined;
  readonly #grep: Buffer | undefined;
  readonly #records: boolean;

  /** `now` in Unix microseconds, from which durations are counted back. */
  constructor(options: FilterOptions, now: number) {
    const { fromSeq, toSeq, since, until, source, grep } = options;
    this.fromSeq = fromSeq === undefined ? 0 : wholeNumber("--from-seq", fromSeq);
    this.toSeq = toSeq === undefined ? Number.POSITIVE_INFINITY : wholeNumber("--to-seq", toSeq);
    this.#since = since === undefined ? 0 : timeOf(since, "--since", now, -1);
    this.#until =
      until === undefined ? Number.POSITIVE_INFINITY : timeOf(until, "--until", now, -1);
    this.#source = source === undefined ? undefined : sourceRule(source);
    this.#grep = grep === undefined ? undefined : Buffer.from(grep);
    this.#records = options.records === true;
  }

  /** Whether an envelope is wanted; `source` is undefined for records. */
  wants(preimage: Uint8Array, source: SourceName | undefined): boolean {
    const seq = readU64(preimage, field.seq);
    if (seq < this.fromSeq || seq > this.toSeq) return false;
    const time = readU64(preimage, field.time);
    if (time < this.#since || time > this.#until) return false;
    const isRecord = preimage[field.kind] === 1;
    if (isRecord && (!this.#records || this.#source !== undefined)) return false;
    if (!isRecord && this.#source !== undefined) {
      if (source === undefined || !this.#source(source)) return false;
    }
    return this.#grep === undefined || holds(preimage, this.#grep);
  }

  /** Whether any of the envelopes [first, end) can be wanted. */
  overlaps(first: number, end: number): boolean {
    return first <= this.toSeq && end > this.fromSeq;
  }
}

function sourceRule(text: string): (source: SourceName) => boolean {
  const [, key, value = ""] = /^(name|id):(.*)$/s.exec(text) ?? [];
  if (key === "name") return ({ name }) => name === value;
  if (key === "id") {
    if (!/^[0-9a-f]{6,32}$/.test(value)) {
      throw usage("argument-invalid", "--source id: wants 6 to 32 lower-case hex digits");
    }
    return ({ id }) => id.startsWith(value);
  }
  return ({ path }) => globMatches(text, path);
}

function holds(preimage: Uint8Array, text: Buffer): boolean {
  const { buffer, byteOffset, length } = preimage;
  const line = Buffer.from(buffer, byteOffset + envelopeHeadLength, length - envelopeHeadLength);
  return line.includes(text);
}

function wholeNumber(option: string, text: string): number {
  if (/^(0|[1-9][0-9]{0,14})$/.test(text)) return Number(text);
  throw usage("argument-invalid", `${option} is ${text}, want a whole number`);
}
