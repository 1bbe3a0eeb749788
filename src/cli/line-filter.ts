// What someone wants to see of a chain's lines, as it is said on the command line.

import { envelopeHeadLength } from "../core/envelope.ts";
import { type LineFilter, sourceRule } from "../verify/line-filter.ts";
import { timeOf } from "./times.ts";
import { usage, wholeNumber } from "./ui.ts";

export interface FilterOptions {
  readonly fromSeq?: string;
  readonly toSeq?: string;
  readonly since?: string;
  readonly until?: string;
  readonly source?: string;
  readonly grep?: string;
  readonly records?: boolean;
}

/** `now` in Unix microseconds, from which durations are counted back. Throws argument-invalid. */
export function filterOf(options: FilterOptions, now: number): LineFilter {
  const { fromSeq, toSeq, since, until, source, grep } = options;
  const never = Number.POSITIVE_INFINITY;
  const text = grep === undefined ? undefined : Buffer.from(grep);
  return {
    fromSeq: fromSeq === undefined ? 0 : wholeNumber("--from-seq", fromSeq),
    toSeq: toSeq === undefined ? never : wholeNumber("--to-seq", toSeq),
    since: since === undefined ? 0 : timeOf(since, "--since", now, -1),
    until: until === undefined ? never : timeOf(until, "--until", now, -1),
    source: source === undefined ? undefined : ruleOf(source),
    records: options.records === true,
    ...(text === undefined ? {} : { holds: (preimage) => holds(preimage, text) }),
  };
}

function ruleOf(text: string): LineFilter["source"] {
  const rule = sourceRule(text);
  if (rule !== undefined) return rule;
  throw usage("argument-invalid", "--source id: wants 6 to 32 lower-case hex digits");
}

function holds(preimage: Uint8Array, text: Buffer): boolean {
  const { buffer, byteOffset, length } = preimage;
  const line = Buffer.from(buffer, byteOffset + envelopeHeadLength, length - envelopeHeadLength);
  return line.includes(text);
}
