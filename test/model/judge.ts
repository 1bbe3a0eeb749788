// The judge: holds what is sealed against what was written. Returns complaints; none is good.
//
// - Chains are judged as wholes, and each file by itself.

import type { FindingCode } from "../../src/core/fault.ts";
import type { SourceRecord } from "../../src/core/record.ts";
import type { Buffered } from "./buffers.ts";
import { complaintsOfChains } from "./chain-judge.ts";
import type { LifeFacts, Reading } from "./facts.ts";
import { FileJudge } from "./file-judge.ts";
import type { Instant, LogFile, Scope } from "./ledger.ts";
import type { Chains } from "./sealed.ts";

export interface Testimony {
  readonly logs: Iterable<LogFile>;
  readonly logOf: (record: SourceRecord) => LogFile | undefined;
  /** When somebody's wall clock said so. */
  readonly instantOf: (time: number) => Instant | undefined;
  readonly lives: readonly LifeFacts[];
  readonly chains: Chains;
  /** Keys of the files that are there in the end under a wanted name. */
  readonly wanted: ReadonlySet<string>;
  /** What was durable in the agent's buffers and never lost with them. */
  readonly buffered: readonly Buffered[];
  /** What the agent's grants covered, and from when on. */
  readonly scopes: readonly Scope[];
  /** The vault's store was restored or edited: what is wrong must be found, not mended. */
  readonly hurt: boolean;
  /** Findings that are no fault of anybody's after what happened. */
  readonly excused: ReadonlySet<FindingCode>;
}

export function judge(testimony: Testimony): string[] {
  const complaints = complaintsOf(testimony);
  const { verdict } = testimony.chains.report;
  const passes = verdict === "VALID" || verdict === "VALID_WITH_FINDINGS";
  // Whoever verifies sees that something is wrong; what is shown must be true all the same.
  if (!testimony.hurt || passes) return complaints;
  return complaints.filter((each) => each.includes("never stood there"));
}

function complaintsOf(testimony: Testimony): string[] {
  const { logs, logOf, instantOf, chains, wanted, excused, buffered } = testimony;
  const complaints = complaintsOfChains(chains, excused);
  const byLog = new Map<LogFile, Reading[]>();
  for (const item of chains.items) {
    const log = logOf(item.record);
    const { first = 0, last: tick } = instantOf(item.time) ?? {};
    if (log === undefined) complaints.push(`${item.place}: ${item.record.path} never was`);
    else if (tick === undefined && item.kind !== "position")
      complaints.push(`${item.place}: nobody's clock ever said ${item.time}`);
    else byLog.set(log, [...(byLog.get(log) ?? []), { first, tick: tick ?? 0, item }]);
  }
  for (const log of logs) {
    const ours = buffered.filter(({ record }) => logOf(record) === log);
    const file = new FileJudge(log, byLog.get(log) ?? [], ours, testimony);
    complaints.push(...file.complaints(wanted.has(log.key)));
  }
  return complaints;
}
