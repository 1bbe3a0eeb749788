// What tests ask of findings and faults: which codes there are, and which are worse than a finding.

import assert from "node:assert/strict";
import { Fault, type FindingCode, findingClasses } from "../../src/core/fault.ts";

type Found = readonly { readonly code: FindingCode }[];

/** The codes of those that are more than a finding. */
export function worse(findings: Found): FindingCode[] {
  return findings.map(({ code }) => code).filter((code) => findingClasses[code] !== "finding");
}

/** Each code once, sorted. */
export function codesOf(findings: Found): FindingCode[] {
  return [...new Set(findings.map(({ code }) => code))].sort();
}

/** The code of the fault that a reader throws; undefined: it reads. Anything else fails the test. */
export function faultOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (caught) {
    assert.ok(caught instanceof Fault, String(caught));
    return caught.code;
  }
}
