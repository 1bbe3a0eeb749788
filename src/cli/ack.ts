// `sealtail ack`: says, signed, that findings of a chain were looked into.

import type { Command } from "commander";
import { formatAcknowledgement, isReason } from "../core/acknowledgement.ts";
import { utf8 } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { type FindingCode, findingClasses } from "../core/fault.ts";
import { maxGrantLength, parseGrant } from "../core/grant.ts";
import { formatNote } from "../core/note.ts";
import { printable } from "../core/printable.ts";
import { systemClock } from "../host/clock.ts";
import { readWhole } from "../host/durable.ts";
import { systemFiles } from "../host/files.ts";
import { loadSigningKey, type NoteSigner } from "../host/keys.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { chooseChain } from "./chains-source.ts";
import { askPassphrase, type PassphraseOptions } from "./passphrase.ts";
import { pathOf } from "./paths.ts";
import { remoteSource } from "./remote-source.ts";
import { type Ui, usage } from "./ui.ts";
import { VaultClient } from "./vault-client.ts";

interface AckOptions extends PassphraseOptions {
  readonly grant: string;
  readonly key?: string;
  readonly code?: readonly string[];
  readonly reason: string;
  readonly ca?: string;
}

interface OpenFinding {
  readonly code: FindingCode;
  readonly reason?: string;
  readonly blocks: readonly number[];
  readonly earlier?: number;
}

const examples = `
Without --code, everything that is open in the chain is acknowledged as it is now; what comes later
opens again. The statement is kept in the vault's store; the finding itself stays in the chain.

Examples:
  $ sealtail grant new --root root.key --role admin --subject alice --audience vault.example \\
      -o alice.txt
  $ sealtail ack http://127.0.0.1:8443 payments-api --grant alice.txt \\
      --reason "host replaced, ticket 4711"
  $ sealtail ack http://127.0.0.1:8443 9f3c2a --code STOPPED --grant alice.txt --reason "retired"`;

const answerBytesMax = 16 * 1024 * 1024;

export function register(program: Command, ui: Ui): void {
  program
    .command("ack")
    .description("acknowledge findings of a chain, so that their alerts end")
    .argument("<vault>", "vault address")
    .argument("<chain>", "id, prefix of it, or subject")
    .requiredOption("--grant <file>", "a grant with role admin")
    .option("--key <file>", "its private key (default: the grant's file with .key)")
    .option("--code <code>", "only findings of this code (repeatable)", collect)
    .requiredOption("--reason <text>", "what was found out, in one line")
    .option("--ca <file>", "PEM file: who may have signed the vault's certificate")
    .option("--passphrase-file <file>", "take the key's passphrase from a file")
    .addHelpText("after", examples)
    .action((vault: string, chain: string, options: AckOptions) =>
      acknowledge(ui, vault, chain, options),
    );
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  if (Object.hasOwn(findingClasses, value)) return [...(before ?? []), value];
  throw usage("argument-invalid", `--code is ${printable(value)}, want a finding's code`);
}

async function acknowledge(
  ui: Ui,
  vault: string,
  word: string,
  options: AckOptions,
): Promise<void> {
  if (!isReason(options.reason)) {
    throw usage("argument-invalid", "--reason is not 1 to 500 printable ASCII characters");
  }
  const { signer, grant } = await authority(ui, options);
  const ca = options.ca === undefined ? undefined : pathOf(ui, options.ca);
  const source = await remoteSource(vault, ca);
  const client = await VaultClient.open(vault, ca);
  try {
    const { id } = await chooseChain(source, word);
    const { open, size } = await openIn(client, id);
    const codes = new Set(open.map(({ code }) => code));
    const asked = (options.code ?? [...codes]) as FindingCode[];
    if (asked.length === 0) {
      ui.note(`nothing is open in chain ${id}`);
      return;
    }
    for (const code of new Set(asked)) {
      const time = Math.floor(systemClock.now() / 1e6);
      const { audience } = grant.terms;
      const terms = { audience, chain: id, code, below: size, time, reason: options.reason };
      const text = formatAcknowledgement(terms, grant.bytes);
      const note = formatNote(text, [signer.signNote(text)]);
      await client.post("/v1/acknowledgements", utf8(note), answerBytesMax);
      const covered = open
        .filter((each) => each.code === code)
        .reduce((sum, { blocks, earlier = 0 }) => sum + blocks.length + earlier, 0);
      const before = covered === 1 ? "1 was open" : `${covered || "none"} were open`;
      ui.print(`acknowledged ${code} below block ${size}: ${before}`);
    }
  } finally {
    await client.close();
    await source.close();
  }
}

async function authority(
  ui: Ui,
  options: AckOptions,
): Promise<{
  signer: NoteSigner;
  grant: { bytes: Uint8Array; terms: ReturnType<typeof parseGrant> };
}> {
  const path = pathOf(ui, options.grant);
  const bytes = await readWhole(systemFiles, path, maxGrantLength);
  if (bytes === undefined) {
    throw new SealtailError("file-missing", "there is no such grant file", { place: path });
  }
  const terms = parseGrant(nativeSuite, bytes);
  if (terms.role !== "admin") {
    const message = `grant is for role ${terms.role}, want admin`;
    const hint = "make one for a person with `sealtail grant new --role admin`";
    throw new SealtailError("grant-unusable", message, { place: path, hint });
  }
  const keyPath = options.key === undefined ? `${path}.key` : pathOf(ui, options.key);
  const signer = await loadSigningKey({
    files: systemFiles,
    path: keyPath,
    passphrase: () => askPassphrase(ui, options, keyPath),
    warn: (text) => ui.warn(text),
  });
  return { signer, grant: { bytes, terms } };
}

async function openIn(
  client: VaultClient,
  chain: string,
): Promise<{ open: readonly OpenFinding[]; size: number }> {
  const path = `/v1/chains/${chain}/findings`;
  const answer = (await client.json(path, answerBytesMax)) as
    | { open?: unknown; size?: unknown }
    | undefined;
  const { open, size } = answer ?? {};
  const known = Array.isArray(open) && open.every(isOpenFinding);
  if (!known || !Number.isSafeInteger(size)) throw client.invalid(path, "it lists no findings");
  return { open, size: size as number };
}

function isOpenFinding(value: unknown): value is OpenFinding {
  const { code, blocks, earlier = 0 } = (value ?? {}) as Record<string, unknown>;
  const known = typeof code === "string" && Object.hasOwn(findingClasses, code);
  return known && Array.isArray(blocks) && Number.isSafeInteger(earlier);
}
