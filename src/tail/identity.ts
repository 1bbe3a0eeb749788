// Identity: what makes a file the same file, whatever it is called.
//
// - Device, inode and birth time name the file; a name never does. While we hold a file open its
//   inode cannot be used again, so device and inode suffice (some systems know no birth time).
// - The fingerprint, taken of the first bytes when the source is declared, and the last bytes
//   (last-bytes.ts) tell whether the content is still the one that we know.

import { hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { encodeRecord, type SourceRecord, sourceIdOf } from "../core/record.ts";
import type { FileInfo } from "../host/files.ts";
import { type BytePath, shown } from "./byte-path.ts";
import type { SourceRef } from "./item.ts";

/** Bytes under a fingerprint at most. */
export const fingerprintBytes = 1024;

export type NodeKey = string;

export function nodeKey(info: Pick<FileInfo, "dev" | "ino">): NodeKey {
  return `${info.dev}:${info.ino}`;
}

export function recordKey(record: Pick<SourceRecord, "dev" | "ino">): NodeKey {
  return `${record.dev}:${record.ino}`;
}

export interface FileName {
  readonly name: string;
  readonly path: BytePath;
  readonly info: Pick<FileInfo, "dev" | "ino" | "birthNs">;
}

/** Declares a generation of a file; `head` is its first bytes, `fingerprintBytes` at most. */
export function declareSource(
  suite: Suite,
  file: FileName,
  generation: number,
  head: Uint8Array,
): SourceRef {
  const { dev, ino, birthNs } = file.info;
  const record: SourceRecord = {
    type: "source",
    name: file.name,
    path: shown(file.path),
    dev: String(dev),
    ino: String(ino),
    birth: String(birthNs > 0n ? birthNs : 0n),
    generation,
    ...fingerprintOf(suite, head),
  };
  return refOf(suite, record);
}

export function refOf(suite: Suite, record: SourceRecord): SourceRef {
  const id = sourceIdOf(suite, encodeRecord(record));
  return { id, hex: hex(id), record };
}

export type Fingerprint = Pick<SourceRecord, "fingerprint" | "fingerprint_len">;

export function fingerprintOf(suite: Suite, head: Uint8Array): Fingerprint {
  return { fingerprint: hex(suite.sha256(head)), fingerprint_len: head.length };
}

export type Sameness = "same" | "changed" | "unknown";

/** Whether `head`, the file's first bytes now, still is what the fingerprint covers. */
export function sameHead(suite: Suite, print: Fingerprint, head: Uint8Array): Sameness {
  const { fingerprint, fingerprint_len: length } = print;
  if (length === 0) return "unknown";
  if (head.length < length) return "changed";
  return hex(suite.sha256(head.subarray(0, length))) === fingerprint ? "same" : "changed";
}
