// `sealtail grant`: lets someone write to a vault, and shows what a grant says.

import type { Command } from "commander";
import { base64, hex, utf8 } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { encodedGlob } from "../core/glob.ts";
import {
  formatGrant,
  type Grant,
  type GrantTerms,
  maxGrantLength,
  parseGrant,
  type Role,
  roles,
} from "../core/grant.ts";
import { formatNote, isName } from "../core/note.ts";
import { printable } from "../core/printable.ts";
import { systemClock } from "../host/clock.ts";
import { readWhole } from "../host/durable.ts";
import { systemFiles } from "../host/files.ts";
import { createDurably, createKey, destroyKey, loadSigningKey } from "../host/keys.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { systemRandom } from "../host/random.ts";
import { isoTime, readDuration } from "../host/units.ts";
import { refuseExisting } from "./key.ts";
import { askPassphrase, type PassphraseOptions } from "./passphrase.ts";
import { pathOf } from "./paths.ts";
import { timeOf } from "./times.ts";
import { type Ui, usage, wholeNumber } from "./ui.ts";

interface NewOptions extends PassphraseOptions {
  readonly root: string;
  readonly role: string;
  readonly subject: string;
  readonly audience: string;
  readonly source?: readonly string[];
  readonly notBefore?: string;
  readonly notAfter: string;
  readonly maxChains: string;
  readonly maxSilence: string;
  readonly output: string;
}

const examples = `
Examples:
  $ sealtail grant new --root root.key --subject payments-api --audience vault.example -o grant.txt
  $ sealtail grant new --root root.key --subject web --audience vault.example \\
      --source '/var/log/nginx/*' --not-after 30d --max-chains 50 -o web.txt

FILE is the grant, FILE.key its private key: give both to one agent. With --max-chains 1 the agent
destroys the key once its chain has begun. With more, the key stays where the grant is, and whoever
takes it can begin chains in the subject's name.
Source globs match the whole path: ? one byte but /, * any bytes but /, ** any bytes.
In them and in paths a blank or a letter beyond ASCII is written %xx, byte by byte; here it may be
typed as it is.`;

// A vault whose clock is a little behind must not find the grant too young.
const earlier = 300;

export function register(program: Command, ui: Ui): void {
  const grant = program.command("grant").description("let someone write to a vault");
  grant
    .command("new")
    .description("sign a grant: FILE, and FILE.key with its private key")
    .requiredOption("--root <file>", "the root's private key file, which signs")
    .option("--role <role>", `what it is for: ${roles.join(", ")}`, "write")
    .requiredOption("--subject <name>", "who may: the agent's name")
    .requiredOption("--audience <vault>", "where: the vault's name")
    .option("--source <glob>", "files that may be sealed (repeatable; none: all)", collect)
    .option("--not-before <time>", "first moment (default: five minutes ago)")
    .option("--not-after <time>", "last moment at which a chain may begin", "90d")
    .option("--max-chains <n>", "how many chains may begin with it", "1")
    .option("--max-silence <duration>", "the longest silence that an agent may promise", "60s")
    .requiredOption("-o, --output <file>", "where to write the grant")
    .option("--passphrase-file <file>", "take the root's passphrase from a file")
    .addHelpText("after", examples)
    .action((options: NewOptions) => newGrant(ui, options));
  grant
    .command("show")
    .description("print what a grant says; its signature is not judged")
    .argument("<file>", "grant file")
    .addHelpText("after", "\nExample:\n  $ sealtail grant show grant.txt")
    .action((file: string) => showGrant(ui, file));
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

async function newGrant(ui: Ui, options: NewOptions): Promise<void> {
  const path = pathOf(ui, options.output);
  const keyPath = `${path}.key`;
  const terms = termsOf(options);
  await refuseExisting(path);
  await refuseExisting(keyPath);
  const rootPath = pathOf(ui, options.root);
  const root = await loadSigningKey({
    files: systemFiles,
    path: rootPath,
    passphrase: () => askPassphrase(ui, options, rootPath),
    warn: (text) => ui.warn(text),
  });
  if (root.key.type !== 1) {
    throw usage("argument-invalid", `key ${root.key.name} signs times, want a root key`);
  }
  const made = { files: systemFiles, random: systemRandom, path: keyPath, type: 1 } as const;
  const { key } = await createKey({ ...made, name: terms.subject });
  try {
    const text = formatGrant({ ...terms, key: key.publicKey });
    const note = utf8(formatNote(text, [root.signNote(text)]));
    refuseUnreadable(note);
    await createDurably(systemFiles, path, note, 0o644);
  } catch (error) {
    await destroyKey(systemFiles, keyPath);
    throw error;
  }
  ui.note(`wrote ${path} and its private key ${keyPath}`);
}

function termsOf(options: NewOptions): Omit<GrantTerms, "key"> {
  const now = systemClock.now();
  const { notBefore, notAfter } = options;
  const role = roles.find((each) => each === options.role);
  if (role === undefined) {
    throw usage("argument-invalid", `--role is ${options.role}, want ${roles.join(", ")}`);
  }
  const terms = {
    id: systemRandom.bytes(16),
    role: role as Role,
    subject: named("--subject", options.subject),
    audience: named("--audience", options.audience),
    sources: (options.source ?? []).map(encodedGlob),
    notBefore:
      notBefore === undefined
        ? Math.floor(now / 1e6) - earlier
        : Math.floor(timeOf(notBefore, "--not-before", now, 1) / 1e6),
    notAfter: Math.floor(timeOf(notAfter, "--not-after", now, 1) / 1e6),
    maxChains: wholeNumber("--max-chains", options.maxChains, 1, 65_535),
    maxSilenceMs: silence(options.maxSilence),
  };
  if (terms.notAfter <= terms.notBefore) {
    throw usage("argument-invalid", "--not-after is no later than --not-before");
  }
  return terms;
}

function named(option: string, text: string): string {
  if (isName(text)) return text;
  const want = "1 to 200 printable ASCII characters without space and +";
  throw usage("argument-invalid", `${option} is not a name: want ${want}`);
}

function silence(text: string): number {
  const ms = readDuration(text);
  if (ms >= 1000 && ms <= 86_400_000) return ms;
  throw usage("argument-invalid", `--max-silence is ${text}, want a duration from 1s to 1d`);
}

function refuseUnreadable(note: Uint8Array): void {
  try {
    parseGrant(nativeSuite, note);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw usage("argument-invalid", `the grant would not be one: ${cause.message}`);
  }
}

async function showGrant(ui: Ui, file: string): Promise<void> {
  const path = pathOf(ui, file);
  const bytes = await readWhole(systemFiles, path, maxGrantLength);
  if (bytes === undefined) {
    throw new SealtailError("file-missing", "couldn't find the grant", { place: path });
  }
  for (const line of grantLines(parseGrant(nativeSuite, bytes))) ui.print(printable(line));
}

function grantLines(grant: Grant): string[] {
  const { sources, note } = grant;
  return [
    `id           ${hex(grant.id)}`,
    `role         ${grant.role}`,
    `subject      ${grant.subject}`,
    `audience     ${grant.audience}`,
    ...(sources.length === 0 ? ["source       any"] : sources.map((one) => `source       ${one}`)),
    `not before   ${isoTime(grant.notBefore * 1e6)}`,
    `not after    ${isoTime(grant.notAfter * 1e6)}`,
    `max chains   ${grant.maxChains}`,
    `max silence  ${grant.maxSilenceMs / 1000} s`,
    `key          ed25519 ${base64(grant.key)}`,
    ...note.signatures.map(({ name, keyId }) => `signed by    ${name}+${hex(keyId)} (not judged)`),
    `hash         ${hex(grant.hash)}`,
  ];
}
