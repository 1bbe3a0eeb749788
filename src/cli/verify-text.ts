// What `sealtail verify` prints: for people, the verdict first; as JSON, one document.

import { printable } from "../core/printable.ts";
import { isoTime } from "../host/units.ts";
import type { SourceReport } from "../verify/all.ts";
import type { Finding, Verdict } from "../verify/finding.ts";
import { verdictExitCodes } from "../verify/finding.ts";
import type { ChainReport } from "../verify/report.ts";
import { trustedLines } from "./trusted-keys.ts";
import type { Colour, Ui } from "./ui.ts";
import type { Judged } from "./verify.ts";

const colours: Readonly<Record<Verdict, Colour>> = {
  VALID: "green",
  VALID_WITH_FINDINGS: "green",
  INCOMPLETE: "yellow",
  INDETERMINATE: "yellow",
  INVALID: "red",
};

/** Findings of one code that are shown to people one by one. */
const sameCodeMax = 20;

export function* reportLines(ui: Ui, judged: Judged): Generator<string> {
  const { report, at, trusted, headersOnly } = judged;
  const { verdict, source, chains, blocks, envelopes } = report;
  const findingsOf = findingsByChain(report);
  yield ui.paint(colours[verdict], verdict);
  const parts = [count(chains.length, "chain"), count(blocks, "block")];
  yield `${[...parts, count(envelopes, "envelope")].join(", ")} in ${printable(source)}`;
  yield* trustedLines(trusted);
  if (at !== undefined) yield `age judged at ${isoTime(at)}`;
  if (headersOnly) yield "only headers were read: what the payloads hold is not known";
  if (chains.length === 0 && report.unchecked.length === 0) yield "there is no chain to verify";
  yield* allFindings(ui, findingsOf(undefined));
  yield* uncheckedLines(report.unchecked, "");
  for (const chain of chains) {
    yield "";
    yield* chainLines(ui, chain, findingsOf(chain.chain));
  }
}

/** A chain's findings, in the order of its blocks; without a chain: those of none that is there. */
function findingsByChain({ chains, findings }: SourceReport): (chain?: string) => Finding[] {
  const ids = new Set(chains.map(({ chain }) => chain));
  const byChain = Map.groupBy(findings, ({ chain }) =>
    chain !== undefined && ids.has(chain) ? chain : undefined,
  );
  const last = Number.MAX_VALUE;
  return (chain) =>
    (byChain.get(chain) ?? []).sort((a, b) => (a.block ?? last) - (b.block ?? last));
}

function* chainLines(ui: Ui, report: ChainReport, findings: readonly Finding[]): Generator<string> {
  const { chain, verdict } = report;
  const subject = report.subject === undefined ? "" : ` ${printable(report.subject)}`;
  yield `chain ${chain}${subject}: ${ui.paint(colours[verdict], verdict)}`;
  yield* allFindings(ui, findings);
  yield* summaryLines(report);
  yield* uncheckedLines(report.unchecked, "  ");
}

function* allFindings(ui: Ui, findings: readonly Finding[]): Generator<string> {
  const shown = new Map<string, number>();
  for (const finding of findings) {
    const before = shown.get(finding.code) ?? 0;
    shown.set(finding.code, before + 1);
    if (before < sameCodeMax) yield* findingLines(ui, finding);
  }
  for (const [code, times] of shown) {
    if (times > sameCodeMax) yield `  ${code}: ${times - sameCodeMax} more or so, see --json`;
  }
}

function* uncheckedLines(unchecked: readonly string[], indent: string): Generator<string> {
  for (const [index, text] of unchecked.entries()) {
    yield `${indent}${index === 0 ? "not checked  " : "             "}  ${printable(text)}`;
  }
}

function* findingLines(ui: Ui, finding: Finding): Generator<string> {
  const { code, block, blocks, seq, object, byte, message } = finding;
  const last = (block ?? 0) + Math.max(blocks ?? 1, 1) - 1;
  const where = [
    ...(block === undefined
      ? []
      : [last === block ? `block ${block}` : `blocks ${block} to ${last}`]),
    ...(seq === undefined ? [] : [`seq ${seq}`]),
  ];
  const place = where.length === 0 ? "" : ` ${where.join(" ")}`;
  const level = finding.class === "finding" ? "bold" : colours[levelOf(finding)];
  yield `  ${ui.paint(level, code)}${place}: ${printable(message)}`;
  if (object === undefined) return;
  const at = byte === undefined ? "" : `, byte ${byte}`;
  yield `    ${ui.paint("dim", `in ${printable(object)}${at}`)}`;
}

function levelOf(finding: Finding): Verdict {
  if (finding.class === "incomplete") return "INCOMPLETE";
  return finding.class === "cannot-judge" ? "INDETERMINATE" : "INVALID";
}

function* summaryLines(report: ChainReport): Generator<string> {
  const { blocks, vouchedTo: authenticated, findings } = report;
  const { receiptedBlocks, receiptSize, receiptTime } = report;
  const span =
    report.firstTime === undefined || report.lastTime === undefined
      ? ""
      : `, ${isoTime(report.firstTime)} to ${isoTime(report.lastTime)}`;
  const numbers = `${count(report.envelopes, "envelope")}, ${count(report.runs, "run")}${span}`;
  yield `  read           ${count(blocks, "block")}: ${numbers}`;
  const holes =
    authenticated > 0 && report.length > blocks ? ", but for what is refused or missing above" : "";
  yield `  authenticated  ${stretch(authenticated)}${holes}`;
  const over = receiptSize === receiptedBlocks ? "" : `, which covers ${stretch(receiptSize)}`;
  const newest = `${isoTime((receiptTime ?? 0) * 1e6)}${over}`;
  yield receiptTime === undefined
    ? "  receipted      nothing"
    : `  receipted      ${stretch(receiptedBlocks)}, newest receipt ${newest}`;
  const declared = findings.GAP_DECLARED ?? 0;
  const undeclared = findings.GAP_UNDECLARED ?? 0;
  const part = report.allRead ? "" : " in the payloads that were read";
  yield report.headersOnly
    ? "  gaps           not known"
    : `  gaps           ${declared} declared, ${undeclared} undeclared${part}`;
  const { restarts = 0 } = report;
  const unseen = "what was written to it after the last look at it, and cut off, is not known";
  if (restarts > 0) yield `  begun anew     ${count(restarts, "time")} a file${part}: ${unseen}`;
  if (report.age === undefined) return;
  const ended = report.final ? ", and the chain is final" : "";
  yield `  age            newest block is ${Math.max(0, Math.round(report.age))} s old${ended}`;
}

function stretch(blocks: number): string {
  if (blocks === 0) return "nothing";
  return blocks === 1 ? "block 0" : `blocks 0 to ${blocks - 1}`;
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Everything, for programs. Fields are only added. */
export function reportJson({ report, at, trusted, headersOnly }: Judged): string {
  const { verdict, source, chains, blocks, envelopes, counts, unchecked } = report;
  const findingsOf = findingsByChain(report);
  const document = {
    ...{ verdict, exitCode: verdictExitCodes[verdict], source, headersOnly },
    trusted: trusted.named,
    ...(at === undefined ? {} : { at }),
    ...{ blocks, envelopes, counts, unchecked, findings: findingsOf(undefined) },
    chains: chains.map((each) => ({
      ...summary(each),
      authenticatedBlocks: each.vouchedTo,
      findings: findingsOf(each.chain),
    })),
  };
  return JSON.stringify(document, undefined, 2);
}

/** What chains are compared by is for nobody else. */
const inner: readonly string[] = [
  ...["findings", "roots", "positions", "beginning", "grantKey", "namesGrant", "genesisHead"],
];

function summary(report: ChainReport): Record<string, unknown> {
  const shown = Object.entries(report).filter(([name]) => !inner.includes(name));
  return { ...Object.fromEntries(shown), counts: report.findings };
}
