// Acknowledgements: an operator's signed statement that findings of a chain were looked into.
//
// - A note by the key of a grant with role admin, which it carries: it can be judged by itself.
// - It hides nothing: the finding stays in the chain, and the statement is kept beside it.
// - The grammar is exact: lines in this order, each once; anything else is refused.
//
// Spec: docs/spec/acknowledgement.md.

import { base64, fromBase64, fromDecimal, hex } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { Fault, type FindingCode, findingClasses } from "./fault.ts";
import { checkGrantRoots, type Grant, maxGrantLength, parseGrant } from "./grant.ts";
import { checkSignature, type Note, parseNote, type VerifierKey, verifierKey } from "./note.ts";
import { StatementLines } from "./statement.ts";

export const maxAcknowledgementLength: number = 3 * maxGrantLength;
const maxReasonLength = 500;

export interface AcknowledgementTerms {
  readonly audience: string;
  /** In hex. */
  readonly chain: string;
  readonly code: FindingCode;
  /** Findings of that code in blocks below this number are meant. */
  readonly below: number;
  /** Unix seconds. */
  readonly time: number;
  /** One line for people: 1 to 500 printable ASCII characters. */
  readonly reason: string;
}

export interface Acknowledgement extends AcknowledgementTerms {
  readonly grant: Grant;
  readonly note: Note;
}

const kind = { name: "acknowledgement", code: "NON_CANONICAL" } as const;
const keys = ["audience", "chain", "code", "below", "time", "reason", "grant"] as const;

/** The text that the grant's key signs; `grant` is the whole grant note. */
export function formatAcknowledgement(terms: AcknowledgementTerms, grant: Uint8Array): string {
  const { audience, chain, code, below, time, reason } = terms;
  const values = [audience, chain, code, below, time, reason, base64(grant)];
  return [`sealtail/1 ${kind.name}`, ...keys.map((key, i) => `${key} ${values[i]}`), ""].join("\n");
}

/** Whether a reason may stand in an acknowledgement. */
export function isReason(text: string): boolean {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && text.length <= maxReasonLength;
}

/** Reads one. Throws UNSUPPORTED for another version, Fault for any deviation from the grammar. Judges no signature. */
export function parseAcknowledgement(suite: Suite, bytes: Uint8Array): Acknowledgement {
  const note = parseNote(bytes, maxAcknowledgementLength);
  // With room for others' lines, whoever sees one could make any number of it.
  if (note.signatures.length !== 1) throw refusal("has not exactly one signature");
  const lines = StatementLines.ofNote(kind, note.text);
  const values = keys.map((key) => lines.one(key));
  lines.finish();
  const [audience, chain, code, below, time, reason, grant] = values as [
    ...[string, string, string, string, string, string, string],
  ];
  if (!/^[0-9a-f]{64}$/.test(chain)) throw refusal("has no chain id");
  if (!Object.hasOwn(findingClasses, code)) throw refusal("has an unknown code");
  if (!isReason(reason)) throw refusal("has no reason of 1 to 500 printable characters");
  return {
    ...{ audience, chain, reason, note, code: code as FindingCode },
    below: fromDecimal(below),
    time: fromDecimal(time),
    grant: parseGrant(suite, fromBase64(grant)),
  };
}

/**
 * Throws unless the statement is for `audience`, its grant is by one of `roots`, for role admin and
 * valid at the statement's time, and the grant's key signed it.
 */
export function judgeAcknowledgement(
  suite: Suite,
  said: Acknowledgement,
  roots: readonly VerifierKey[],
  audience: string,
): void {
  const { grant, note, time } = said;
  checkGrantRoots(suite, grant, roots);
  if (grant.role !== "admin") {
    throw new Fault("GRANT_WRONG_ROLE", `grant is for role ${grant.role}, want admin`);
  }
  if (said.audience !== audience || grant.audience !== audience) {
    throw new Fault("GRANT_WRONG_AUDIENCE", `statement or grant is not for vault ${audience}`);
  }
  if (time < grant.notBefore) throw new Fault("GRANT_NOT_YET_VALID", "made before not-before");
  if (time > grant.notAfter) throw new Fault("GRANT_EXPIRED", "made after not-after");
  const key = verifierKey(suite, grant.subject, 1, grant.key);
  if (checkSignature(suite, note, key) !== "valid") {
    throw new Fault("BAD_SIGNATURE", "statement is not signed by its grant's key");
  }
}

/** H(whole note) in hex: what names it. */
export function acknowledgementId(suite: Suite, bytes: Uint8Array): string {
  return hex(suite.sha256(bytes));
}

function refusal(why: string): Fault {
  return new Fault("NON_CANONICAL", `acknowledgement ${why}`);
}
