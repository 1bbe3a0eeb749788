// `sealtail verify-proof`: checks the proof of one line against trusted keys, offline.

import type { Command } from "commander";
import { hex } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { maxProofLength, parseProof } from "../core/proof.ts";
import { type ProofReport, verifyProof } from "../core/proof-check.ts";
import { readWhole } from "../host/durable.ts";
import { systemFiles } from "../host/files.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { type Verdict, verdictExitCodes, verdictOf, worse } from "../verify/finding.ts";
import { pathOf } from "./paths.ts";
import { isoTime } from "./times.ts";
import { addKeyOptions, type KeyOptions, requiredKeys } from "./trusted-keys.ts";
import { printable, type Ui, usage } from "./ui.ts";

interface ProofOptions extends KeyOptions {
  readonly json?: boolean;
  readonly raw?: boolean;
}

const examples = `
Examples:
  $ sealtail verify-proof line-3417.proof \\
      --root root.pub --vault-key vault.pub --vault-key vault-time.pub
  $ sealtail verify-proof line-3417.proof --data ./sealtail-data --raw

Exit codes: 0 VALID, 5 INVALID, 6 INDETERMINATE. Nothing of a line that is not proved is printed.`;

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
  const keys = await requiredKeys(ui, options);
  if (keys.vaults.length === 0) {
    const hint = "give --vault-key twice: the vault's key and its /time key";
    throw usage("argument-missing", "there are no vault keys to trust", hint);
  }
  const path = pathOf(ui, file);
  const bytes = await readWhole(systemFiles, path, maxProofLength);
  if (bytes === undefined) {
    throw new SealtailError("file-missing", "couldn't find the proof", { place: path });
  }
  const report = judge(bytes, keys);
  const verdict = report.faults.reduce<Verdict>(
    (worst, { code }) => worse(worst, verdictOf(code)),
    "VALID",
  );
  ui.exitCode = verdictExitCodes[verdict];
  if (options.raw === true) printRaw(ui, verdict, report);
  else if (options.json === true) ui.print(jsonOf(verdict, report));
  else for (const line of linesOf(ui, verdict, report)) ui.print(line);
}

function judge(bytes: Uint8Array, keys: Parameters<typeof verifyProof>[2]): ProofReport {
  try {
    return verifyProof(nativeSuite, parseProof(bytes), keys);
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    const nothing = { chain: undefined, grant: undefined, header: undefined };
    const rest = { envelope: undefined, source: undefined, receipt: undefined, unchecked: [] };
    return { faults: [caught], ...nothing, ...rest };
  }
}

function printRaw(ui: Ui, verdict: Verdict, { faults, envelope }: ProofReport): void {
  if (verdict === "VALID" && envelope !== undefined) {
    ui.write(envelope.bytes);
    if (envelope.endedByLf) ui.write("\n");
    return;
  }
  for (const { code, message } of faults) ui.note(`sealtail: error: ${message} [${code}]`);
}

function* linesOf(ui: Ui, verdict: Verdict, report: ProofReport): Generator<string> {
  const { faults, unchecked, envelope, header, source, receipt, grant, chain } = report;
  yield ui.paint(verdict === "VALID" ? "green" : "red", verdict);
  for (const { code, message } of faults) yield `  ${code}: ${printable(message)}`;
  if (verdict !== "VALID" || envelope === undefined) return;
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
  yield `receipt      of ${receipt?.vault}, ${isoTime((receipt?.time ?? 0) * 1e6)}`;
  for (const [index, text] of unchecked.entries()) {
    yield `${index === 0 ? "not checked" : "           "}  ${printable(text)}`;
  }
}

function jsonOf(verdict: Verdict, report: ProofReport): string {
  const { faults, unchecked, envelope, header, source, receipt, grant, chain } = report;
  const findings = faults.map(({ code, message }) => ({ code, message }));
  const head = { verdict, exitCode: verdictExitCodes[verdict], findings, unchecked };
  if (verdict !== "VALID" || envelope === undefined || header === undefined) {
    return JSON.stringify(head, undefined, 2);
  }
  const { kind, seq, time, offset, endedByLf, bytes } = envelope;
  const where = source === undefined ? {} : { source: envelope.source, path: source.path };
  const line = { kind, seq, time, ...where, offset, lf: endedByLf };
  const proved = {
    ...{ chain, subject: grant?.subject, block: header.blockNo, ...line },
    base64: Buffer.from(bytes).toString("base64"),
    receipt: receipt && { vault: receipt.vault, size: receipt.size, time: receipt.time },
    root: receipt && hex(receipt.root),
  };
  return JSON.stringify({ ...head, ...proved }, undefined, 2);
}
