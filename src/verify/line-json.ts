// One envelope as a line of JSON: what the command line prints, and what a vault answers.
//
// - Everything that is needed to hash it again, as far as it is known.
//
// Reference: docs/reference/http.md, "Lines".

import { base64, hex, readU64 } from "../core/bytes.ts";
import { endedByLf, envelopeHeadLength, field } from "../core/envelope.ts";
import type { FoundLine } from "./lines.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Without a line end. The envelope was derived: its parts are where they belong. */
export function lineJson(chain: string, { block, envelope, hash, source }: FoundLine): string {
  const part = (from: number, to?: number): Uint8Array => envelope.subarray(from, to);
  const row: Record<string, unknown> = { chain, block, seq: readU64(envelope, field.seq) };
  row["kind"] = source === undefined ? "record" : "line";
  row["time"] = readU64(envelope, field.time);
  if (source !== undefined) {
    row["source"] = source.id;
    row["name"] = source.name;
    row["path"] = source.path;
    row["offset"] = readU64(envelope, field.offset);
    row["lf"] = envelope[field.flags] === endedByLf;
  }
  if (hash !== undefined) {
    row["hash"] = hex(hash);
    row["prev"] = hex(part(field.prev, field.seq));
  }
  row["salt"] = hex(part(field.salt, field.length));
  return JSON.stringify(Object.assign(row, content(part(envelopeHeadLength))));
}

/** The bytes as text where they are UTF-8, else as base64: never anything in between. */
function content(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: strict.decode(bytes) };
  } catch {
    return { base64: base64(bytes) };
  }
}
