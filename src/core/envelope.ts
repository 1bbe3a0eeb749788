// The envelope: one line (or one record) wrapped with its place, time, salt and predecessor.
//
// - An envelope is never stored: it is derived from the payload, and what is kept is its hash.
// - Layout, 96 bytes and then the line: see `field`.
//
// Spec: docs/spec/envelope.md.

import { concat, hex, readU32, readU64, utf8 } from "./bytes.ts";
import { domain, type Suite } from "./digest.ts";
import { Fault } from "./fault.ts";

export const envelopeHeadLength = 96;
export const hashLength = 32;
export const saltLength = 16;
export const sourceIdLength = 16;

/** A stretch of this many bytes without LF is cut: the envelope's ended-by-LF flag is clear. */
export const maxStretch = 262_144;

/** Byte offsets in the preimage. */
export const field = {
  domain: 0,
  version: 1,
  kind: 2,
  flags: 3,
  prev: 4,
  seq: 36,
  time: 44,
  source: 52,
  offset: 68,
  salt: 76,
  length: 92,
} as const;

export const envelopeKind = { line: 0, record: 1 } as const;
/** Flags, bit 0: the line was ended by LF. */
export const endedByLf = 1;

export interface Envelope {
  readonly kind: "line" | "record";
  readonly endedByLf: boolean;
  readonly prev: Uint8Array;
  readonly seq: number;
  /** Unix microseconds at which the agent read it. */
  readonly time: number;
  /** Source id in hex; undefined for records. */
  readonly source: string | undefined;
  readonly offset: number;
  readonly salt: Uint8Array;
  readonly bytes: Uint8Array;
}

/** `prev` of a chain's first envelope: H("sealtail/1 first" ‖ grant_hash ‖ run_id). */
export function firstPrev(suite: Suite, grantHash: Uint8Array, runId: Uint8Array): Uint8Array {
  return suite.sha256(concat(utf8("sealtail/1 first"), grantHash, runId));
}

/** The salts of a block: SHAKE256("sealtail/1 salt" ‖ seed), 16 bytes an envelope. */
export function saltsOf(suite: Suite, seed: Uint8Array, count: number): Uint8Array {
  return suite.shake256(concat(utf8("sealtail/1 salt"), seed), saltLength * count);
}

const lf = 0x0a;

/**
 * Reads a preimage, as a line proof carries it. Throws MALFORMED, NON_CANONICAL, UNSUPPORTED, and
 * LIMIT_EXCEEDED: a line is one that some payload makes (core/derive.ts).
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  if (bytes.length < envelopeHeadLength) throw new Fault("MALFORMED", "envelope is cut short");
  if (bytes[field.domain] !== domain.envelope) throw new Fault("MALFORMED", "not an envelope", 0);
  if (bytes[field.version] !== 1) throw new Fault("UNSUPPORTED", "envelope version is not 1", 1);
  const kind = bytes[field.kind];
  const flags = bytes[field.flags] as number;
  if (kind !== envelopeKind.line && kind !== envelopeKind.record) {
    throw new Fault("NON_CANONICAL", `envelope kind is ${kind}`, field.kind);
  }
  if (flags > (kind === envelopeKind.record ? 0 : endedByLf)) {
    throw new Fault("NON_CANONICAL", `envelope flags are ${flags}`, field.flags);
  }
  if (readU32(bytes, field.length) !== bytes.length - envelopeHeadLength) {
    throw new Fault("MALFORMED", "envelope length disagrees with its bytes", field.length);
  }
  if (kind === envelopeKind.line)
    checkLine(bytes.subarray(envelopeHeadLength), flags === endedByLf);
  const source = hex(bytes.slice(field.source, field.offset));
  const offset = readU64(bytes, field.offset);
  const isRecord = kind === envelopeKind.record;
  if (isRecord && (offset !== 0 || /[^0]/.test(source))) {
    throw new Fault("NON_CANONICAL", "record envelope names a source", field.source);
  }
  return {
    kind: isRecord ? "record" : "line",
    endedByLf: flags === endedByLf,
    prev: bytes.slice(field.prev, field.seq),
    seq: readU64(bytes, field.seq),
    time: readU64(bytes, field.time),
    source: isRecord ? undefined : source,
    offset,
    salt: bytes.slice(field.salt, field.length),
    bytes: bytes.slice(envelopeHeadLength),
  };
}

// Where a span is cut into lines, each holds a byte or is ended by an LF, and ends at the first.
function checkLine(line: Uint8Array, ended: boolean): void {
  if (line.includes(lf)) throw new Fault("MALFORMED", "line holds a line end", envelopeHeadLength);
  const length = line.length + (ended ? 1 : 0);
  if (length === 0) throw new Fault("MALFORMED", "line is nothing, not even ended", field.flags);
  if (length > maxStretch) {
    throw new Fault("LIMIT_EXCEEDED", `line takes ${length} bytes, at most 262,144`, field.length);
  }
}
