// Findings are values: what a verifier saw, where, and what that makes of the whole.
//
// - The worst class decides: INVALID, then INDETERMINATE, INCOMPLETE, findings, VALID.
// - `unchecked` says what could not be judged; it never changes the verdict.
//
// Spec: docs/spec/verification.md.

import { type FindingClass, type FindingCode, findingClasses } from "../core/fault.ts";

export interface Finding {
  readonly code: FindingCode;
  readonly class: FindingClass;
  /** Chain id in hex; absent where the whole source is meant. */
  readonly chain?: string;
  readonly block?: number;
  /** Number of blocks from `block` on, where it is a stretch. */
  readonly blocks?: number;
  readonly seq?: number;
  /** Stored object, and the offset in it of the block or byte that is meant. */
  readonly object?: string;
  readonly byte?: number;
  /** Why, from a closed set: the cause of a gap. */
  readonly reason?: string;
  /** For people. Never holds log content. */
  readonly message: string;
}

export type Verdict = "VALID" | "VALID_WITH_FINDINGS" | "INCOMPLETE" | "INVALID" | "INDETERMINATE";

/** From the best to the worst. */
const verdicts: readonly Verdict[] = [
  "VALID",
  "VALID_WITH_FINDINGS",
  "INCOMPLETE",
  "INDETERMINATE",
  "INVALID",
];

export const verdictExitCodes: Readonly<Record<Verdict, number>> = {
  VALID: 0,
  VALID_WITH_FINDINGS: 3,
  INCOMPLETE: 4,
  INVALID: 5,
  INDETERMINATE: 6,
};

const verdictOfClass: Readonly<Record<FindingClass, Verdict>> = {
  finding: "VALID_WITH_FINDINGS",
  incomplete: "INCOMPLETE",
  "cannot-judge": "INDETERMINATE",
  encoding: "INVALID",
  crypto: "INVALID",
  structure: "INVALID",
  authority: "INVALID",
  sink: "INVALID",
};

export function verdictOf(code: FindingCode): Verdict {
  return verdictOfClass[findingClasses[code]];
}

/**
 * Whether a finding of this code makes a block unfit to be stored. A silence that lasted too long
 * is evidence of what happened: refusing it would end the chain and hide why.
 */
export function isRefusal(code: FindingCode): boolean {
  return findingClasses[code] !== "finding" && code !== "SILENCE_EXCEEDED";
}

/**
 * Whether a finding of this code says that stored blocks are not what their agent sealed. A
 * recorded receipt that other keys of the vault signed says nothing about that.
 */
export function contradicts(code: FindingCode): boolean {
  return isRefusal(code) && code !== "RECEIPT_BAD_SIGNATURE";
}

export function worse(a: Verdict, b: Verdict): Verdict {
  return verdicts.indexOf(a) >= verdicts.indexOf(b) ? a : b;
}

const shownMax = 200;

/** Text that an agent chose, for a message: a small chain must not make a report of gigabytes. */
export function shortened(text: string): string {
  return text.length <= shownMax ? text : `${text.slice(0, shownMax).toWellFormed()}…`;
}

export type Place = Omit<Finding, "code" | "class" | "message">;

export function finding(code: FindingCode, message: string, place: Place = {}): Finding {
  return { code, class: findingClasses[code], ...place, message };
}
