// The agent's configuration: what may be said, what holds when nothing is said, and its limits.
//
// - Sizes are bytes, durations milliseconds, paths absolute. Names are those of the file.
//
// Reference: docs/reference/config.md.

import { z } from "zod";
import { hex } from "../core/bytes.ts";
import { parseVerifierKey } from "../core/note.ts";
import type { ConfigAdvice, ConfigKind, ConfigOf } from "../host/config.ts";
import {
  duration,
  flag,
  httpUrl,
  integer,
  level,
  list,
  metrics,
  name,
  oneOf,
  type Paths,
  section,
  size,
  verifierKey,
  version,
  word,
} from "../host/config-values.ts";
import { isLoopback } from "../host/listen-address.ts";
import { nativeSuite } from "../host/native-suite.ts";

const labelMessage = "want text of 0 to 1024 characters without control characters";
const label = z
  .string(labelMessage)
  .max(1024, { error: labelMessage, abort: true })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  .refine((text) => !/[\x00-\x1f\x7f]/.test(text) && text.isWellFormed(), labelMessage);

const labels = z
  .record(z.string().regex(/^[\x21-\x7e]{1,100}$/), label, {
    error: ({ code }) =>
      code === "invalid_key"
        ? "is not a label, want 1 to 100 printable characters without space"
        : undefined,
  })
  .refine((given) => Object.keys(given).length <= 64, "has too many labels, want at most 64")
  .meta({ title: "any keys, each with text" });

const source = ({ glob, nameGlob }: Paths) =>
  z.strictObject({
    name: word.describe(
      "A short name for these files, in metrics and source records. Files that were sealed under another name keep that one in their records.",
    ),
    include: list(glob, 1, 256).describe(
      "Globs of the files to tail; relative ones start at this file's directory.",
    ),
    exclude: list(nameGlob, 0, 256)
      .prefault([])
      .describe("Globs of files to leave out. Without a slash: matched with the file's name."),
    start_at: oneOf("beginning", "end")
      .prefault("beginning")
      .describe("Where to begin in files that were never seen before, at the first start only."),
  });

const seal = section({
  // The last span, the seed and the records of a block may add to it, up to the format's 8 MiB.
  max_bytes: size("64KiB", "7MiB")
    .prefault("1MiB")
    .describe("A block is closed once it holds this many bytes."),
  max_age: duration("10ms", "1h")
    .prefault("1s")
    .describe("A block is closed once its first line has waited this long."),
  max_lines: integer(1, 1_048_576)
    .prefault(65_536)
    .describe("A block is closed once it holds this many lines. 1 signs every line by itself."),
  partial_age: duration("10ms", "1d")
    .prefault("5s")
    .describe("A line without its end is sealed as it is once it has waited this long."),
  max_silence: duration("1s", "1d")
    .prefault("60s")
    .describe("The promise in every block: the next one comes within this time."),
}).refine(({ max_age, max_silence }) => max_age * 2 <= max_silence, {
  path: ["max_age"],
  error: "is more than half of seal.max_silence",
});

const tls = ({ file }: Paths) =>
  section({
    ca: file.optional().describe("PEM file: who may have signed the vault's certificate."),
    cert: file.optional().describe("PEM file: our certificate, when the vault wants one."),
    key: file.optional().describe("PEM file: the private key of cert."),
  })
    .refine(({ cert, key }) => !cert || key, { path: ["cert"], error: "needs key beside it" })
    .refine(({ cert, key }) => !key || cert, { path: ["key"], error: "needs cert beside it" });

const sink = (paths: Paths) =>
  z
    .strictObject({
      url: httpUrl.describe("The vault."),
      tls: tls(paths),
      max_delay: duration("0ms", "1h")
        .prefault("1s")
        .describe("The longest that finished blocks are collected before they are sent together."),
      patience: duration("0ms", "1d")
        .prefault("10m")
        .describe(
          "How long the vault must contradict this chain, and prove nothing, before another one is begun.",
        ),
      when_silent: oneOf("begin", "wait")
        .prefault("begin")
        .describe(
          "While the vault cannot say which chain came before a new one, or whether one went on from ours, or take what an old one still holds: go on all the same, or wait with the files held open.",
        ),
    })
    .refine(({ url, tls: { ca, cert } }) => url.startsWith("https:") || !(ca ?? cert), {
      path: ["tls"],
      error: "goes with an https address only, and sink.url is none",
    });

const trust = z
  .strictObject({
    vault_keys: list(verifierKey(1, 4), 2, 64)
      .superRefine(vaultKeyPairs)
      .describe("The vault's two public keys: one for its name, one for its name with /time."),
    root_keys: list(verifierKey(1), 1, 64)
      .optional()
      .describe(
        "Public keys of provisioners. With them an agent without state believes a vault only about chains that one of them granted.",
      ),
  })
  .superRefine(rootsApart);

const schema = (paths: Paths) =>
  z.strictObject({
    version,
    name: name.describe("The name of this agent: the subject of its grant."),
    labels: labels
      .prefault({})
      .describe("Goes into the chain's start record, for whoever reads it later."),
    state_dir: paths.path.describe(
      "The agent's own directory: buffer, keys, positions. Local disk; leave it out of backups.",
    ),
    sources: list(source(paths), 1, 256).superRefine(uniqueNames).describe("What to tail."),
    seal,
    buffer: section({
      max_bytes: size("16MiB", "1024GiB")
        .prefault("2GiB")
        .describe(
          "Disk that sealed blocks may take until the vault has them. When it is full, reading waits.",
        ),
    }),
    drain: section({
      deadline: duration("1s", "1h")
        .prefault("20s")
        .describe("How long a stop may take to seal and ship what is there."),
      final: flag
        .prefault(false)
        .describe(
          "End the chain at a stop. Only where the state directory vanishes with the process.",
        ),
    }),
    sink: sink(paths),
    trust,
    // Whether the files are there is the agent's affair: it destroys the key once it is used.
    grant: z.strictObject({
      file: paths.path.describe("The grant, a signed note."),
      key: paths.path.describe("The grant's private key. Destroyed once the chain has begun."),
    }),
    metrics: metrics("127.0.0.1:9464"),
    diagnostics: section({
      level,
      termination_message: paths.path
        .optional()
        .describe(
          "File that says what is left unsent, kept while the agent runs: a pod's /dev/termination-log.",
        ),
    }),
  });

export type AgentConfig = ConfigOf<ReturnType<typeof schema>>;

export const agentConfig: ConfigKind<ReturnType<typeof schema>> = {
  title: "sealtail agent configuration",
  schema,
  warnings,
};

function uniqueNames(
  sources: readonly { readonly name: string }[],
  context: z.RefinementCtx,
): void {
  for (const [index, { name }] of sources.entries()) {
    const first = sources.findIndex((other) => other.name === name);
    const message = `is the name of sources[${first}] already`;
    if (first < index) context.addIssue({ code: "custom", path: [index, "name"], message });
  }
}

// A vault with such a key could grant what it receipts.
function rootsApart(
  { vault_keys, root_keys = [] }: AgentConfig["trust"],
  context: z.RefinementCtx,
): void {
  const ofVaults = vault_keys.map((text) => hex(parseVerifierKey(nativeSuite, text).publicKey));
  for (const [index, text] of root_keys.entries()) {
    const shared = ofVaults.includes(hex(parseVerifierKey(nativeSuite, text).publicKey));
    const message = "is the key of a vault, too";
    if (shared) context.addIssue({ code: "custom", path: ["root_keys", index], message });
  }
}

/** A receipt is valid with the signatures of both: some vault must have both. */
function vaultKeyPairs(texts: readonly string[], context: z.RefinementCtx): void {
  const keys = texts.map((each) => parseVerifierKey(nativeSuite, each));
  const has = (name: string, type: number): boolean =>
    keys.some((key) => key.name === name && key.type === type);
  const ofReceipts = keys.filter(({ type }) => type === 1);
  const receiptKeys = new Set(ofReceipts.map((key) => `${key.name} ${hex(key.publicKey)}`));
  for (const [index, { name, type, publicKey }] of keys.entries()) {
    const vault = type === 1 ? name : name.replace(/\/time$/, "");
    const refuse = (message: string): void =>
      context.addIssue({ code: "custom", path: [index], message });
    if (type === 4 && vault === name) refuse(`is a time key, want the name ${name}/time`);
    else if (!has(vault, 1)) refuse(`has no key of type 1 of ${vault} beside it`);
    else if (!has(`${vault}/time`, 4)) refuse(`has no ${vault}/time key beside it`);
    else if (type === 4 && receiptKeys.has(`${vault} ${hex(publicKey)}`))
      refuse(`is the same key as that of ${vault}`);
  }
}

function warnings(config: AgentConfig): ConfigAdvice[] {
  const { protocol, hostname } = new URL(config.sink.url);
  if (protocol === "https:" || isLoopback(hostname.replace(/^\[|\]$/g, ""))) return [];
  return [[["sink", "url"], "is not https: log lines cross the network readable"]];
}
