// A file that is believed whole or not at all: its first line is the hash of what follows.
//
// - For numbers that nothing signed vouches for: one that a disk bent would be believed, and what
//   it says is sealed already would never be sealed.

import { concat, equalBytes, hex, utf8 } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { readWhole, writeFileDurably } from "./durable.ts";
import type { Path } from "./file-error.ts";
import type { Files } from "./files.ts";

/** A hash in hex, and the line's end. */
const headBytes = 65;

const headOf = (suite: Suite, content: Uint8Array): Uint8Array =>
  utf8(`${hex(suite.sha256(content))}\n`);

export async function writeChecked(
  files: Files,
  suite: Suite,
  path: Path,
  content: Uint8Array,
): Promise<void> {
  await writeFileDurably(files, path, concat(headOf(suite, content), content));
}

/** What was written; undefined if there is no file. More than `limit` bytes is file-too-large. */
export async function readChecked(
  files: Files,
  suite: Suite,
  path: Path,
  limit: number,
): Promise<Uint8Array | "damaged" | undefined> {
  const bytes = await readWhole(files, path, headBytes + limit);
  if (bytes === undefined) return undefined;
  const content = bytes.subarray(headBytes);
  const isWhole = equalBytes(bytes.subarray(0, headBytes), headOf(suite, content));
  return isWhole ? content : "damaged";
}
