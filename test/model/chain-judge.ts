// The judge of chains as wholes: what the verifier finds, and how one goes on for another.

import { type FindingCode, findingClasses } from "../../src/core/fault.ts";
import type { Finding } from "../../src/verify/finding.ts";
import type { Chains } from "./sealed.ts";

/** `excused`: findings that are no fault of anybody's after what happened. */
export function complaintsOfChains(chains: Chains, excused: ReadonlySet<FindingCode>): string[] {
  const { report } = chains;
  const bad = report.findings.filter((each) => isBad(each) && !excused.has(each.code));
  const { chains: judged } = report;
  const unclear = judged.length === 0 || judged.some(({ verdict }) => verdict === "INDETERMINATE");
  return [
    ...bad.map(told),
    ...(unclear ? [`cannot be judged: ${report.unchecked.join("; ")}`] : []),
    ...unlinked(chains),
  ];
}

/** All but the first chain go on for another one, and no two for the same. */
function unlinked({ report }: Chains): string[] {
  const named = report.chains.map(({ predecessor }) => predecessor?.record.chain);
  const roots = report.chains.filter((_, at) => named[at] === undefined);
  const twice = named.filter((id, at) => id !== undefined && named.indexOf(id) < at);
  return [
    ...roots.slice(1).map(({ chain }) => `chain ${chain.slice(0, 6)} goes on for none`),
    ...twice.map((id) => `two chains go on for ${id?.slice(0, 6)}`),
  ];
}

const isBad = ({ code }: Finding): boolean => findingClasses[code] !== "finding";
const told = ({ code, chain, block, message }: Finding): string =>
  `${code} ${chain?.slice(0, 6)}/${block}: ${message}`;
