// One envelope as a line of JSON: what the command line prints, and what a vault answers.
//
// - Everything that is needed to hash it again, as far as it is known.
//
// Reference: docs/reference/http.md, "Lines".

import { base64, hex } from "../core/bytes.ts";
import { decodeEnvelope } from "../core/envelope.ts";
import type { FoundLine } from "./lines.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Without a line end. */
export function lineJson(chain: string, { block, envelope, hash, source }: FoundLine): string {
  const { kind, seq, time, offset, endedByLf, prev, salt, bytes } = decodeEnvelope(envelope);
  const from =
    source === undefined
      ? {}
      : { source: source.id, name: source.name, path: source.path, offset, lf: endedByLf };
  const hashes = hash === undefined ? {} : { hash: hex(hash), prev: hex(prev) };
  return JSON.stringify({
    ...{ chain, block, seq, kind, time, ...from },
    ...{ ...hashes, salt: hex(salt), ...content(bytes) },
  });
}

/** The bytes as text where they are UTF-8, else as base64: never anything in between. */
function content(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: strict.decode(bytes) };
  } catch {
    return { base64: base64(bytes) };
  }
}
