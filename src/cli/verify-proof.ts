// `sealtail verify-proof`: checks the proof of one line against trusted keys, offline.
//
// - The verdict says whose word it takes: that of a vault, or nobody's but the grant's.

import type { Command } from "commander";
import { type TrustedKeys, trusting } from "../core/authority.ts";
import { hex } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { formatVerifierKey } from "../core/note.ts";
import { printable } from "../core/printable.ts";
import { type LineProof, maxFullProofLength, parseProof } from "../core/proof.ts";
import { readWhole } from "../host/durable.ts";
import { systemFiles } from "../host/files.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { isoTime } from "../host/units.ts";
import { type Verdict, verdictExitCodes, verdictOf, worse } from "../verify/finding.ts";
import { type ProofReport, verifyProof } from "../verify/proof-check.ts";
import { pathOf } from "./paths.ts";
import {
  addKeyOptions,
  type TrustedKeys as GivenKeys,
  type KeyOptions,
  requiredKeys,
  trustedLines,
} from "./trusted-keys.ts";
import { type Ui, usage } from "./ui.ts";

interface ProofOptions extends KeyOptions {
  readonly json?: boolean;
  readonly raw?: boolean;
}

const examples = `
A short proof takes the word of the grant's vault for the blocks between the first one and the
line's; a full one (prove --full) leads there from the grant and takes no vault's. The verdict says
which it is. A short proof needs the root key and the vault's two; a full one needs the root key,
and the vault's only to say since when the line was stored.

Examples:
  $ sealtail verify-proof line-3417.proof \\
      --root root.pub --vault-key vault.pub --vault-key vault-time.pub
  $ sealtail verify-proof line-3417.full.proof --root root.pub
  $ sealtail verify-proof line-3417.proof --data ./sealtail-data --raw

Exit codes: 0 VALID, 5 INVALID, 6 INDETERMINATE (a version or kind of proof that this program does
not know). Nothing of a line that is not proved is printed.`;

export function register(program: Command, ui: Ui): void {
  const command = program
    .command("verify-proof")
    .description("check the proof of one line, and print what it proves")
    .argument("<file>", "proof file");
  addKeyOptions(command)
    .option("--json", "print one JSON document")
    .option("--raw", "print the exact bytes of the line and nothing else")
    .addHelpText("after", examples)
    .action((file: string) => run(ui, file, command.opts<ProofOptions>()));
}

async function run(ui: Ui, file: string, options: ProofOptions): Promise<void> {
  if (options.json === true && options.raw === true) {
    throw usage("argument-invalid", "--json and --raw do not go together");
  }
  const trusted = await requiredKeys(ui, options);
  const { roots, vaults } = trusted;
  const path = pathOf(ui, file);
  const bytes = await readWhole(systemFiles, path, maxFullProofLength);
  if (bytes === undefined) {
    throw new SealtailError("file-missing", "couldn't find the proof", { place: path });
  }
  const keys = trusting(roots, vaults);
  const judged = judge(bytes, keys);
  ui.exitCode = verdictExitCodes[judged.verdict];
  if (options.raw === true) printRaw(ui, judged, trusted);
  else if (options.json === true) ui.print(jsonOf(judged, trusted));
  else for (const line of linesOf(ui, judged, trusted)) ui.print(line);
}

interface Judged {
  readonly verdict: Verdict;
  readonly faults: readonly Fault[];
  /** Undefined for what is no proof. */
  readonly report: ProofReport | undefined;
}

function judge(bytes: Uint8Array, keys: TrustedKeys): Judged {
  let proof: LineProof;
  try {
    proof = parseProof(bytes);
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return { verdict: verdictOf(caught.code), faults: [caught], report: undefined };
  }
  if (proof.kind === "short" && keys.vaults === undefined) {
    const hint =
      "give --vault-key twice: the vault's key and its /time key; " +
      "only a proof made with --full needs no vault";
    throw usage("argument-missing", "there are no vault keys to trust", hint);
  }
  const report = verifyProof(nativeSuite, proof, keys);
  const { faults } = report;
  const verdict = faults.map(({ code }) => verdictOf(code)).reduce<Verdict>(worse, "VALID");
  return { verdict, faults, report };
}

function printRaw(ui: Ui, { verdict, faults, report }: Judged, keys: GivenKeys): void {
  for (const text of trustedLines(keys)) ui.note(`sealtail: ${text}`);
  const envelope = report?.envelope;
  if (verdict === "VALID" && envelope !== undefined) {
    ui.write(envelope.bytes);
    if (envelope.endedByLf) ui.write("\n");
    return;
  }
  for (const { code, message } of faults) ui.note(`sealtail: error: ${message} [${code}]`);
}

function* linesOf(ui: Ui, judged: Judged, keys: GivenKeys): Generator<string> {
  const { verdict, faults, report } = judged;
  const valid = verdict === "VALID" && report !== undefined;
  const word = valid ? `, ${wordOf(report)}` : "";
  yield `${ui.paint(verdict === "VALID" ? "green" : "red", verdict)}${word}`;
  for (const { code, message } of faults) yield `  ${code}: ${printable(message)}`;
  yield* trustedLines(keys);
  if (valid) yield* provedLines(report);
}

/** Whose word it takes. */
function wordOf({ word }: ProofReport): string {
  return word === undefined ? "from the grant on" : `vouched for by ${word.vault}`;
}

function* provedLines(report: ProofReport): Generator<string> {
  const { kind, unchecked, envelope, header, source, receipt, grant, root, chain } = report;
  if (envelope === undefined) return;
  yield `line         ${printable(Buffer.from(envelope.bytes).toString("utf8"))}`;
  if (!envelope.endedByLf && envelope.kind === "line")
    yield "             (not ended by a line end)";
  yield `seq          ${envelope.seq} in block ${header?.blockNo}`;
  const file = source && `${printable(source.path)} (${printable(source.name)})`;
  yield file === undefined
    ? "source       the agent itself states it"
    : `source       ${file} at byte ${envelope.offset}`;
  yield `read at      ${isoTime(envelope.time)}, by the agent's clock`;
  yield `chain        ${chain}`;
  yield `subject      ${grant?.subject}`;
  yield `proof        ${kind}`;
  yield `grant        by root key ${root?.name}`;
  const { vault, time } = receipt ?? { vault: undefined, time: undefined };
  const at = time === undefined ? "not judged: no keys of it were given" : isoTime(time * 1e6);
  yield `receipt      ${vault === undefined ? "none" : `of ${vault}, ${at}`}`;
  for (const [index, text] of unchecked.entries()) {
    yield `${index === 0 ? "not checked" : "           "}  ${printable(text)}`;
  }
}

function jsonOf({ verdict, faults, report }: Judged, keys: GivenKeys): string {
  const findings = faults.map(({ code, message }) => ({ code, message }));
  const head = {
    ...{ verdict, exitCode: verdictExitCodes[verdict], proof: report?.kind ?? null, findings },
    ...{ trusted: keys.named, unchecked: report?.unchecked ?? [] },
  };
  if (verdict !== "VALID" || report?.envelope === undefined || report.header === undefined) {
    return JSON.stringify(head, undefined, 2);
  }
  const { word, envelope, header, source, receipt, grant, root, chain } = report;
  const { kind, seq, time, offset, endedByLf, bytes } = envelope;
  const where = source === undefined ? {} : { source: envelope.source, path: source.path };
  const line = { kind, seq, time, ...where, offset, lf: endedByLf };
  const proved = {
    vouchedBy: word?.vault ?? null,
    ...{ chain, subject: grant?.subject, grantRoot: root && formatVerifierKey(root) },
    ...{ block: header.blockNo, ...line, base64: Buffer.from(bytes).toString("base64") },
    receipt: receipt && { vault: receipt.vault, size: receipt.size, time: receipt.time },
    root: receipt && hex(receipt.root),
  };
  return JSON.stringify({ ...head, ...proved }, undefined, 2);
}
