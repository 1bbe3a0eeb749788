// What can be wrong with sealed bytes: the stable finding codes and their classes.
//
// - Codes are for ever: programs, alerts and auditors' scripts match on them.
// - Decoders throw a Fault; only the verifier turns it into a finding with a place in a chain.
//
// Spec: docs/spec/verification.md, "Finding codes".

/** Class of each finding code; the class decides the verdict. */
export const findingClasses = {
  GAP_DECLARED: "finding",
  CLOCK_STEP_DECLARED: "finding",
  CONFIG_CHANGED: "finding",
  SOURCE_REWRITTEN: "finding",
  RESTART_UNCLEAN: "finding",
  DOWNTIME: "finding",
  STOPPED: "finding",
  TIME_SKEW: "finding",
  TAIL_UNCONFIRMED: "finding",
  CHAIN_REPLACED: "finding",
  UNKNOWN_RECORD: "finding",
  BLOCK_MISSING: "incomplete",
  PAYLOAD_MISSING: "incomplete",
  TAIL_TRUNCATED: "incomplete",
  CHAIN_MISSING: "incomplete",
  CHAIN_STALLED: "incomplete",
  SILENCE_EXCEEDED: "incomplete",
  REANCHORED: "incomplete",
  GAP_UNDECLARED: "incomplete",
  MALFORMED: "encoding",
  NON_CANONICAL: "encoding",
  LIMIT_EXCEEDED: "encoding",
  UNSUPPORTED: "cannot-judge",
  BAD_SIGNATURE: "crypto",
  BAD_KEY: "crypto",
  KEY_REUSE: "crypto",
  UNKNOWN_ROOT: "crypto",
  UNAUTHENTICATED: "crypto",
  WRONG_CHAIN: "structure",
  BAD_PREV: "structure",
  BLOCK_ORDER: "structure",
  BLOCK_DUPLICATE: "structure",
  CHAIN_ROOT_MISMATCH: "structure",
  SEQ_MISMATCH: "structure",
  COUNT_MISMATCH: "structure",
  LINK_MISMATCH: "structure",
  ROOT_MISMATCH: "structure",
  PAYLOAD_HASH_MISMATCH: "structure",
  PAYLOAD_LENGTH_MISMATCH: "structure",
  PAYLOAD_CORRUPT: "structure",
  OFFSET_OVERLAP: "structure",
  SOURCE_UNDECLARED: "structure",
  SOURCE_OUT_OF_SCOPE: "structure",
  START_MISSING: "structure",
  EXTENDED_AFTER_FINAL: "structure",
  TIME_REGRESSION: "structure",
  RUN_ID_REUSED: "structure",
  CONFIG_MISMATCH: "structure",
  SNAPSHOT_MISMATCH: "structure",
  PROOF_INVALID: "structure",
  GRANT_BAD_SIGNATURE: "authority",
  GRANT_EXPIRED: "authority",
  GRANT_NOT_YET_VALID: "authority",
  GRANT_WRONG_ROLE: "authority",
  GRANT_WRONG_AUDIENCE: "authority",
  GRANT_REUSED: "authority",
  CHAIN_REPLACED_UNLINKED: "authority",
  FORK: "sink",
  RECEIPT_BAD_SIGNATURE: "sink",
  RECEIPT_MISMATCH: "sink",
  RECEIPT_REGRESSION: "sink",
} as const;

export type FindingCode = keyof typeof findingClasses;
export type FindingClass = (typeof findingClasses)[FindingCode];

/** Bytes that break a rule of the format. `at` is the byte offset in what was decoded. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FindingCode;
  readonly at: number | undefined;
  /** Why, from a closed set: the cause of a gap. */
  readonly reason: string | undefined;

  constructor(code: FindingCode, message: string, at?: number, reason?: string) {
    super(message);
    this.code = code;
    this.at = at;
    this.reason = reason;
  }
}

/** What `read` gives; undefined where it throws a Fault. */
export function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (caught) {
    if (caught instanceof Fault) return undefined;
    throw caught;
  }
}
