// How lines are printed: for people, as JSON, or as the exact bytes that the file held.
//
// - For people: control characters made visible, pieces of one long line joined.
// - As JSON: one envelope a line, with everything that is needed to hash it again.
// - Raw: the bytes and their line ends, nothing added; what is left out of the file is known.
// - Written in pages: a stream that waits for its reader holds each write in several hundred bytes.

import { readU64 } from "../core/bytes.ts";
import { endedByLf, envelopeHeadLength, field } from "../core/envelope.ts";
import { printable } from "../core/printable.ts";
import { isoTime } from "../host/units.ts";
import { lineJson } from "../verify/line-json.ts";
import type { FoundLine } from "../verify/lines.ts";
import type { Absent } from "../verify/vouched-lines.ts";
import type { Ui } from "./ui.ts";

export type LineFormat = "text" | "json" | "raw";

const lf: Uint8Array = Uint8Array.of(0x0a);
const pageBytes = 64 * 1024;
/** Holes in a file, and gaps that are declared, that are told one by one. */
const holesMax = 20;

interface Stretch {
  readonly from: number;
  readonly to: number | undefined;
}

export class LineWriter {
  readonly #ui: Ui;
  readonly #format: LineFormat;
  /** Id of the chain that lines are of now. */
  chain = "";
  /** Where the line that is being printed goes on, if it was not ended yet. */
  #open: { source: string; offset: number } | undefined;
  #page: Buffer = Buffer.allocUnsafe(pageBytes);
  #length = 0;
  #handedOn = false;
  /** Lines that were read together have one time. */
  #time = { micros: -1, text: "" };
  /** Raw: the first byte of the source that was written, the next one, and the end of all so far. */
  #first = Number.POSITIVE_INFINITY;
  #expected: number | undefined;
  #end = 0;
  /** Raw: bytes between the first and the last that are not among the lines; the first few. */
  readonly #holes: Stretch[] = [];
  /** Raw: bytes that the chain does not hold by its own word; the first few. */
  readonly #absent: Absent[] = [];

  constructor(ui: Ui, format: LineFormat) {
    this.#ui = ui;
    this.#format = format;
  }

  /** Whether a page was handed on: then the stream should be waited for. */
  write(line: FoundLine): boolean {
    this.#handedOn = false;
    if (this.#format === "raw") this.#raw(line.envelope);
    else if (this.#format === "json") this.#put(`${lineJson(this.chain, line)}\n`);
    else this.#text(line);
    return this.#handedOn;
  }

  /** Raw: bytes of the file that the chain says it does not hold. */
  absent(bytes: Absent): void {
    if (this.#absent.length < holesMax) this.#absent.push(bytes);
  }

  /** Raw: the bytes of the file that were not written, as far as that is known, and why. */
  leftOut(): string[] {
    const told = this.#absent.filter((each) => this.#isLeftOut(each));
    const others = this.#holes.filter(
      (hole) => !told.some(({ from, to }) => from === hole.from && to === hole.to),
    );
    return [
      ...told.map((each) => `${notAmong(each)}: ${each.why}`),
      ...others.map((each) => notAmong(each)),
    ];
  }

  // A source that is opened again passes over what was sealed before: that is here.
  #isLeftOut({ from, to = Number.POSITIVE_INFINITY }: Stretch): boolean {
    const within = this.#holes.some((hole) => hole.from < to && (hole.to ?? 0) > from);
    return within || from < this.#first || to > this.#end;
  }

  /** Hands on what was gathered. */
  flush(): void {
    if (this.#length === 0) return;
    this.#handOn(this.#page.subarray(0, this.#length));
    // The stream keeps what it was given.
    this.#page = Buffer.allocUnsafe(pageBytes);
    this.#length = 0;
  }

  #handOn(bytes: Uint8Array): void {
    this.#ui.write(bytes);
    this.#handedOn = true;
  }

  #put(result: string | Uint8Array): void {
    const bytes = typeof result === "string" ? Buffer.from(result) : result;
    if (this.#length + bytes.length > pageBytes) this.flush();
    // The stream keeps it, and the line's bytes do not last.
    if (bytes.length > pageBytes) return this.#handOn(Uint8Array.from(bytes));
    this.#page.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Ends a line that nothing continued. */
  end(): void {
    if (this.#open !== undefined) this.#put("\n");
    this.#open = undefined;
  }

  // Derived just now, so its parts are where they belong.
  #text({ source, envelope }: FoundLine): void {
    const offset = readU64(envelope, field.offset);
    const bytes = envelope.subarray(envelopeHeadLength);
    const continues = this.#open?.source === source?.id && this.#open?.offset === offset;
    if (!continues || source === undefined) {
      this.end();
      const where = source === undefined ? "-" : source.path || `id:${source.id}`;
      const time = readU64(envelope, field.time);
      if (this.#time.micros !== time) this.#time = { micros: time, text: isoTime(time) };
      const seq = readU64(envelope, field.seq);
      this.#put(`${seq}  ${this.#time.text}  ${printable(where)}  `);
    }
    const { buffer, byteOffset, length } = bytes;
    const text = Buffer.from(buffer, byteOffset, length).toString("utf8");
    this.#put(printable(text).replaceAll("\n", "\\n"));
    this.#open = { source: source?.id ?? "", offset: offset + bytes.length };
    if (envelope[field.flags] === endedByLf || source === undefined) this.end();
  }

  #raw(envelope: Uint8Array): void {
    const offset = readU64(envelope, field.offset);
    const lineEnds = envelope[field.flags] === endedByLf;
    const bytes = envelope.subarray(envelopeHeadLength);
    if (this.#expected !== undefined && this.#expected !== offset) {
      if (this.#holes.length < holesMax) this.#holes.push({ from: this.#expected, to: offset });
    }
    this.#put(bytes);
    if (lineEnds) this.#put(lf);
    this.#expected = offset + bytes.length + (lineEnds ? 1 : 0);
    this.#first = Math.min(this.#first, offset);
    this.#end = Math.max(this.#end, this.#expected);
  }
}

function notAmong({ from, to }: Stretch): string {
  if (to !== undefined && to < from) return `bytes ${to} to ${from} of the file are here twice`;
  const bytes = to === undefined ? `bytes from ${from} on` : `bytes ${from} to ${to}`;
  return `${bytes} of the file are not among these lines`;
}
