// How lines are printed: for people, as JSON, or as the exact bytes that the file held.
//
// - For people: control characters made visible, pieces of one long line joined.
// - As JSON: one envelope a line, with everything that is needed to hash it again.
// - Raw: the bytes and their line ends, nothing added, nothing left away.
// - Written in pages: a stream that waits for its reader holds each write in several hundred bytes.

import { readU64 } from "../core/bytes.ts";
import {
  decodeEnvelope,
  type Envelope,
  endedByLf,
  envelopeHeadLength,
  field,
} from "../core/envelope.ts";
import { lineJson } from "../verify/line-json.ts";
import type { FoundLine } from "../verify/lines.ts";
import { isoTime } from "./times.ts";
import { printable, type Ui } from "./ui.ts";

export type LineFormat = "text" | "json" | "raw";

const lf: Uint8Array = Uint8Array.of(0x0a);
const pageBytes = 64 * 1024;
/** Holes in a file that are told one by one. */
const holesMax = 20;

export class LineWriter {
  readonly #ui: Ui;
  readonly #format: LineFormat;
  readonly #chain: string;
  /** Where the line that is being printed goes on, if it was not ended yet. */
  #open: { source: string; offset: number } | undefined;
  #page: Buffer = Buffer.allocUnsafe(pageBytes);
  #length = 0;
  /** Lines that were read together have one time. */
  #time = { micros: -1, text: "" };
  /** Raw: the next byte of the source. */
  #expected: number | undefined;
  /** Raw: bytes between the first and the last that are not among the lines; the first few. */
  readonly holes: string[] = [];

  constructor(ui: Ui, format: LineFormat, chain: string) {
    this.#ui = ui;
    this.#format = format;
    this.#chain = chain;
  }

  write(line: FoundLine): void {
    if (this.#format === "raw") return this.#raw(line.envelope);
    if (this.#format === "json") this.#put(`${lineJson(this.#chain, line)}\n`);
    else this.#text(line, decodeEnvelope(line.envelope));
  }

  /** Hands on what was gathered. */
  flush(): void {
    if (this.#length === 0) return;
    this.#ui.write(this.#page.subarray(0, this.#length));
    // The stream keeps what it was given.
    this.#page = Buffer.allocUnsafe(pageBytes);
    this.#length = 0;
  }

  #put(result: string | Uint8Array): void {
    const bytes = typeof result === "string" ? Buffer.from(result) : result;
    if (this.#length + bytes.length > pageBytes) this.flush();
    // The stream keeps it, and the line's bytes do not last.
    if (bytes.length > pageBytes) return this.#ui.write(Uint8Array.from(bytes));
    this.#page.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Ends a line that nothing continued. */
  end(): void {
    if (this.#open !== undefined) this.#put("\n");
    this.#open = undefined;
  }

  #text({ source }: FoundLine, envelope: Envelope): void {
    const { seq, time, offset, bytes } = envelope;
    const continues = this.#open?.source === source?.id && this.#open?.offset === offset;
    if (!continues || source === undefined) {
      this.end();
      const where = source === undefined ? "-" : source.path || `id:${source.id}`;
      if (this.#time.micros !== time) this.#time = { micros: time, text: isoTime(time) };
      this.#put(`${seq}  ${this.#time.text}  ${printable(where)}  `);
    }
    this.#put(printable(Buffer.from(bytes).toString("utf8")).replaceAll("\n", "\\n"));
    this.#open = { source: source?.id ?? "", offset: offset + bytes.length };
    if (envelope.endedByLf || source === undefined) this.end();
  }

  // Derived just now, so its parts are where they belong.
  #raw(envelope: Uint8Array): void {
    const offset = readU64(envelope, field.offset);
    const lineEnds = envelope[field.flags] === endedByLf;
    const bytes = envelope.subarray(envelopeHeadLength);
    if (this.#expected !== undefined && this.#expected !== offset) {
      const text = `bytes ${this.#expected} to ${offset} of the file are not among these lines`;
      if (this.holes.length < holesMax) this.holes.push(text);
    }
    this.#put(bytes);
    if (lineEnds) this.#put(lf);
    this.#expected = offset + bytes.length + (lineEnds ? 1 : 0);
  }
}
