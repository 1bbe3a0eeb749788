// Verifies a whole source: every chain for itself, then chains against each other, then the sum.
//
// - A bad chain changes nothing about another one, but where it may have used the same grant; the
//   worst verdict is the whole's.
// - What is left of a chain that never began is none of the place's: it is named, and that is all.
// - Findings are all counted, and the first of each code kept, of all chains no more than a limit:
//   a hostile store can't fill memory. What is left out is said.
//
// Spec: docs/spec/verification.md.

import {
  type ChainSource,
  type Contents,
  limited,
  type VerifiableSource,
} from "../core/chain-source.ts";
import type { FindingCode } from "../core/fault.ts";
import { type Finding, type Verdict, verdictOf, worse } from "./finding.ts";
import { type JudgedUses, judgeUses, type Member } from "./grant-uses.ts";
import { Links } from "./links.ts";
import type { ChainReport } from "./report.ts";
import { type Sharers, sharersOf } from "./sharers.ts";
import { ask, Unreadable } from "./unreadable.ts";
import { type VerifyOptions, verifyChain } from "./verify.ts";

export interface SourceOptions extends Omit<VerifyOptions, "report" | "rootsAt" | "positionsRoom"> {
  readonly report?: (finding: Finding) => void;
  /** Ids of the chains to verify; without it, all. */
  readonly only?: ReadonlySet<string>;
  /** What of the place may belong to `only`, and nobody can tell: then INDETERMINATE at best. */
  readonly doubts?: readonly string[];
  /** What shares its uses with `only`, where that is known already. */
  readonly sharers?: Sharers;
  /** Findings of one code that are kept of a chain; 1,000 unless told otherwise. */
  readonly keptPerCode?: number;
  /** Findings of all chains together that are kept; 20,000 unless told otherwise. */
  readonly keptMax?: number;
}

export interface SourceReport {
  readonly source: string;
  readonly verdict: Verdict;
  readonly chains: readonly ChainReport[];
  /** The first findings of each code and chain, in the order in which they were made. */
  readonly findings: readonly Finding[];
  readonly counts: Readonly<Partial<Record<FindingCode, number>>>;
  readonly blocks: number;
  readonly envelopes: number;
  /** What else may belong to what was asked for, or have used its grants: then nothing is VALID. */
  readonly doubts: readonly string[];
  /** What could not be judged about the source as a whole. */
  readonly unchecked: readonly string[];
}

/** Verifies the chains of a source. Never throws on bad data or for an unreadable source. */
export async function verifySource(
  source: VerifiableSource,
  options: SourceOptions,
): Promise<SourceReport> {
  const found = new FoundList(options.keptPerCode ?? 1000, options.keptMax);
  const unchecked = new Set<string>();
  const report = (each: Finding): void => {
    found.add(each);
    options.report?.(each);
  };
  const listed = await contentsOf(source, unchecked);
  const { only } = options;
  const sharers = only && (options.sharers ?? (await sharersOf(listed, only, options)));
  const beside = await walkBeside(listed, sharers?.together, options);
  const chains = listed.chains.filter(({ id }) => only?.has(id) ?? true);
  const links = await Links.among(listed.chains, chains, options);
  const { walked, leftovers } = await walkAll(chains, links, options, report);
  for (const each of limited(leftovers)) unchecked.add(each);
  const uses = judgeUses(
    options.suite,
    membersOf(sharers, [...walked, ...beside]),
    listed.unread,
    new Set(walked.map(({ chain }) => chain)),
  );
  const part = only === undefined ? listed.unread : (options.doubts ?? []);
  const doubts = [...new Set([...part, ...uses.doubts])];
  for (const each of [...listed.unread, ...doubts]) unchecked.add(each);
  const reports = await judgeTogether({ walked, uses, links }, report, (what) =>
    unchecked.add(what),
  );
  if (found.leftOut > 0) unchecked.add(`${found.leftOut} more findings are counted, not listed`);
  // What belongs to no chain that is there counts for the whole only.
  const verdict = found.counts.has("CHAIN_MISSING") ? "INCOMPLETE" : "VALID";
  const judged = reports.length > 0 && doubts.length === 0;
  return {
    source: source.name,
    verdict: [verdict, judged ? "VALID" : "INDETERMINATE", ...reports.map((each) => each.verdict)]
      .map((each) => each as Verdict)
      .reduce(worse),
    chains: reports,
    findings: found.kept,
    counts: Object.fromEntries(found.counts),
    blocks: reports.reduce((sum, each) => sum + each.blocks, 0),
    envelopes: reports.reduce((sum, each) => sum + each.envelopes, 0),
    doubts,
    unchecked: [...unchecked],
  };
}

async function contentsOf(source: VerifiableSource, unchecked: Set<string>): Promise<Contents> {
  try {
    return await ask("the list of chains", source.contents);
  } catch (caught) {
    if (!(caught instanceof Unreadable)) throw caught;
    unchecked.add(caught.message);
    return { chains: [], unread: [] };
  }
}

async function walkAll(
  chains: readonly ChainSource[],
  links: Links,
  options: SourceOptions,
  report: (finding: Finding) => void,
): Promise<{ walked: ChainReport[]; leftovers: string[] }> {
  const walked: ChainReport[] = [];
  const leftovers: string[] = [];
  for (const chain of chains) {
    const done = await verifyChain(chain, { ...options, report, ...links.kept(chain.id) });
    if (done.leftover) {
      leftovers.push(`chain ${chain.id}: it has no block and no receipt, so it never began`);
      continue;
    }
    walked.push(done);
    links.add(done);
  }
  return { walked, leftovers };
}

/** Chains that nobody asked for, walked to know when they began. */
async function walkBeside(
  { chains }: Contents,
  together: ReadonlySet<string> = new Set(),
  { suite, roots, vaults, headersOnly = false, only }: SourceOptions,
): Promise<ChainReport[]> {
  const quiet = { suite, roots, vaults, headersOnly, itemsOnly: true, report: () => {} };
  const walked: ChainReport[] = [];
  for (const chain of chains.filter(({ id }) => together.has(id) && !only?.has(id))) {
    walked.push(await verifyChain(chain, quiet));
  }
  return walked;
}

/** What is known of the chains of the place: those that were walked, and the rest. */
function membersOf(sharers: Sharers | undefined, walked: readonly ChainReport[]): Member[] {
  const known = new Set(walked.map(({ chain }) => chain));
  const rest = (sharers?.members ?? []).filter(({ chain }) => !known.has(chain));
  return [...walked.filter(({ leftover }) => !leftover), ...rest];
}

interface Walked {
  readonly walked: readonly ChainReport[];
  readonly uses: JudgedUses;
  readonly links: Links;
}

async function judgeTogether(
  { walked, uses, links }: Walked,
  report: (finding: Finding) => void,
  unchecked: (what: string) => void,
): Promise<ChainReport[]> {
  for (const { chain, unread } of walked) {
    for (const each of unread) unchecked(each.includes(chain) ? each : `chain ${chain}: ${each}`);
  }
  const found: Finding[] = [];
  for (const each of walked) found.push(...(await links.judge(each, unchecked)));
  found.push(...uses.reused);
  const byChain = new Map<string, Finding[]>();
  for (const each of found) {
    report(each);
    const chain = each.chain as string;
    byChain.set(chain, [...(byChain.get(chain) ?? []), each]);
  }
  return walked.map((each) => {
    const told = uses.untold.has(each.chain) ? untold(each) : each;
    return withFindings(told, byChain.get(each.chain) ?? []);
  });
}

// Whether the grant was for it decides what it is worth.
function untold(report: ChainReport): ChainReport {
  const why = "the grant's uses: nobody can tell whether the grant was for this chain";
  const verdict = worse(report.verdict, "INDETERMINATE");
  return { ...report, verdict, unchecked: [...report.unchecked, why] };
}

function withFindings(report: ChainReport, found: readonly Finding[]): ChainReport {
  if (found.length === 0) return report;
  const findings = { ...report.findings };
  for (const { code } of found) findings[code] = (findings[code] ?? 0) + 1;
  const verdict = found.map(({ code }) => verdictOf(code)).reduce(worse, report.verdict);
  const reused = found.some(({ code }) => code === "GRANT_REUSED");
  const refused = reused ? ({ standing: "refused", vouchedTo: 0 } as const) : {};
  return { ...report, findings, verdict, ...refused };
}

/** Findings of all chains together that are kept. */
const keptMax = 20_000;

/** All findings are counted, and those kept that are shown. */
class FoundList {
  readonly kept: Finding[] = [];
  readonly counts: Map<FindingCode, number> = new Map();
  /** Findings that found no room, though they are among the first of their chain. */
  leftOut = 0;
  readonly #perCode: number;
  readonly #most: number;
  /** Of the chain that is just looked at: findings come chain by chain. */
  #chain: string | undefined;
  readonly #same = new Map<FindingCode, number>();

  constructor(perCode: number, most: number = keptMax) {
    this.#perCode = perCode;
    this.#most = most;
  }

  add(finding: Finding): void {
    const { code, chain } = finding;
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    if (chain !== this.#chain) this.#same.clear();
    this.#chain = chain;
    const before = this.#same.get(code) ?? 0;
    this.#same.set(code, before + 1);
    if (before >= this.#perCode) return;
    if (this.kept.length < this.#most) this.kept.push(finding);
    else this.leftOut += 1;
  }
}
