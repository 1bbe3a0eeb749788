// The agent's configuration: what may be said, what holds when nothing is said, and its limits.
//
// - Sizes are bytes, durations milliseconds, paths absolute. Names are those of the file.
//
// Reference: docs/reference/config.md.

import { hex } from "../core/bytes.ts";
import { parseVerifierKey } from "../core/note.ts";
import type { ConfigAdvice, ConfigSchema } from "../host/config.ts";
import type { ConfigWords, Field, Refuse } from "../host/config-schema.ts";
import { isLoopback } from "../host/listen-address.ts";
import { nativeSuite } from "../host/native-suite.ts";

export interface SourceConfig {
  readonly name: string;
  /** Globs over whole paths. */
  readonly include: readonly string[];
  /** Globs over whole paths; one without a slash is matched with the last name of the path. */
  readonly exclude: readonly string[];
  /** For files never seen before, at the first start only. */
  readonly start_at: "beginning" | "end";
}

export interface SealConfig {
  /** Raw bytes after which a block is closed. */
  readonly max_bytes: number;
  /** Age of a block's first line at which the block is closed. */
  readonly max_age: number;
  /** Envelopes after which a block is closed. */
  readonly max_lines: number;
  /** How long a line without LF waits for its end. */
  readonly partial_age: number;
  /** The promise in every header: the next block comes within this time. */
  readonly max_silence: number;
}

export interface SinkTlsConfig {
  /** Certificates that may have signed the vault's, instead of the system's. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface SinkConfig {
  /** Without a slash at its end. */
  readonly url: string;
  readonly tls: SinkTlsConfig;
  /** The longest that the shipper collects blocks before it sends them. */
  readonly max_delay: number;
  /** How long the sink must contradict a chain without proof before another one is begun. */
  readonly patience: number;
  /** What a new chain does while the vault cannot say which chain was before it. */
  readonly when_silent: "begin" | "wait";
}

export interface AgentConfig {
  readonly version: 1;
  /** The grant's subject. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state_dir: string;
  readonly sources: readonly SourceConfig[];
  readonly seal: SealConfig;
  readonly buffer: { readonly max_bytes: number };
  readonly drain: {
    /** How long a stop may take. */
    readonly deadline: number;
    /** Whether a stop ends the chain: only where the state goes with the process. */
    readonly final: boolean;
  };
  readonly sink: SinkConfig;
  /** C2SP verifier keys. */
  readonly trust: {
    readonly vault_keys: readonly string[];
    /** Whose grants count where a vault shows an old chain of ours; undefined: whoever's. */
    readonly root_keys?: readonly string[] | undefined;
  };
  /** Paths. Whether the files are there is the agent's affair: it destroys the key once it is used. */
  readonly grant: { readonly file: string; readonly key: string };
  readonly metrics: { readonly listen: string };
  readonly diagnostics: {
    readonly level: "error" | "warn" | "info" | "debug";
    /** Where what is left unsent is written for whoever finds us gone. */
    readonly termination_message?: string | undefined;
  };
}

const KiB = 1024;
const MiB = 1024 * KiB;
const second = 1000;
const hour = 3600 * second;

/** The last span, the seed and the records of a block may add to max_bytes, up to the format's 8 MiB. */
const sealBytesMax = 7 * MiB;

export const agentConfig: ConfigSchema<AgentConfig> = {
  title: "sealtail agent configuration",
  fields: (a) =>
    a.object<AgentConfig>({
      version: a.described(a.version(), "The version of this file's shape."),
      name: a.described(a.name(), "The name of this agent: the subject of its grant."),
      labels: a.described(
        a.withDefault(a.labels(), {}),
        "Goes into the chain's start record, for whoever reads it later.",
      ),
      state_dir: a.described(
        a.path(),
        "The agent's own directory: buffer, keys, positions. Local disk; leave it out of backups.",
      ),
      sources: a.described(
        uniqueNames(a, a.list(source(a), { min: 1, max: 256 })),
        "What to tail.",
      ),
      seal: a.withDefault(seal(a), {}),
      buffer: a.withDefault(
        a.object<AgentConfig["buffer"]>({
          max_bytes: a.described(
            a.withDefault(a.size({ min: 16 * MiB, max: 1024 * 1024 * MiB }), "2GiB"),
            "Disk that sealed blocks may take until the vault has them. When it is full, reading waits.",
          ),
        }),
        {},
      ),
      drain: a.withDefault(drain(a), {}),
      sink: sink(a),
      trust: a.check(trust(a), rootsApart),
      grant: a.object<AgentConfig["grant"]>({
        file: a.described(a.path(), "The grant, a signed note."),
        key: a.described(a.path(), "The grant's private key. Destroyed once the chain has begun."),
      }),
      metrics: a.withDefault(
        a.object<AgentConfig["metrics"]>({
          listen: a.described(
            a.withDefault(a.listen(), "127.0.0.1:9464"),
            "Where /metrics, /livez, /readyz and /startupz are served.",
          ),
        }),
        {},
      ),
      diagnostics: a.withDefault(
        a.object<AgentConfig["diagnostics"]>({
          level: a.described(
            a.withDefault(a.oneOf(["error", "warn", "info", "debug"]), "info"),
            "The least that is told on stderr, one JSON object a line. Never any line content.",
          ),
          termination_message: a.described(
            a.optional(a.path()),
            "File that says what is left unsent, kept while the agent runs: a pod's /dev/termination-log.",
          ),
        }),
        {},
      ),
    }),
  warnings,
};

function source(a: ConfigWords): Field<SourceConfig> {
  return a.object<SourceConfig>({
    name: a.described(a.word(), "A short name for these files, in metrics and source records."),
    include: a.described(
      a.list(a.glob(), { min: 1, max: 256 }),
      "Globs of the files to tail; relative ones start at this file's directory.",
    ),
    exclude: a.described(
      a.withDefault(a.list(a.nameGlob(), { min: 0, max: 256 }), []),
      "Globs of files to leave out. Without a slash: matched with the file's name.",
    ),
    start_at: a.described(
      a.withDefault(a.oneOf(["beginning", "end"]), "beginning"),
      "Where to begin in files that were never seen before, at the first start only.",
    ),
  });
}

function seal(a: ConfigWords): Field<SealConfig> {
  const shape = a.object<SealConfig>({
    max_bytes: a.described(
      a.withDefault(a.size({ min: 64 * KiB, max: sealBytesMax }), "1MiB"),
      "A block is closed once it holds this many bytes.",
    ),
    max_age: a.described(
      a.withDefault(a.duration({ min: 10, max: hour }), "1s"),
      "A block is closed once its first line has waited this long.",
    ),
    max_lines: a.described(
      a.withDefault(a.integer({ min: 1, max: 1_048_576 }), 65_536),
      "A block is closed once it holds this many lines. 1 signs every line by itself.",
    ),
    partial_age: a.described(
      a.withDefault(a.duration({ min: 10, max: 24 * hour }), "5s"),
      "A line without its end is sealed as it is once it has waited this long.",
    ),
    max_silence: a.described(
      a.withDefault(a.duration({ min: second, max: 24 * hour }), "60s"),
      "The promise in every block: the next one comes within this time.",
    ),
  });
  return a.check(shape, ({ max_age, max_silence }, refuse) => {
    if (max_age * 2 > max_silence) refuse(["max_age"], "is more than half of seal.max_silence");
  });
}

function drain(a: ConfigWords): Field<AgentConfig["drain"]> {
  return a.object<AgentConfig["drain"]>({
    deadline: a.described(
      a.withDefault(a.duration({ min: second, max: hour }), "20s"),
      "How long a stop may take to seal and ship what is there.",
    ),
    final: a.described(
      a.withDefault(a.flag(), false),
      "End the chain at a stop. Only where the state directory vanishes with the process.",
    ),
  });
}

function sink(a: ConfigWords): Field<SinkConfig> {
  const tls = a.object<SinkTlsConfig>({
    ca: a.described(a.optional(a.file()), "PEM file: who may have signed the vault's certificate."),
    cert: a.described(a.optional(a.file()), "PEM file: our certificate, when the vault wants one."),
    key: a.described(a.optional(a.file()), "PEM file: the private key of cert."),
  });
  const shape = a.object<SinkConfig>({
    url: a.described(a.httpUrl(), "The vault."),
    tls: a.withDefault(a.check(tls, pairOfFiles), {}),
    max_delay: a.described(
      a.withDefault(a.duration({ min: 0, max: hour }), "1s"),
      "The longest that finished blocks are collected before they are sent together.",
    ),
    patience: a.described(
      a.withDefault(a.duration({ min: 0, max: 24 * hour }), "10m"),
      "How long the vault must contradict this chain, and prove nothing, before another one is begun.",
    ),
    when_silent: a.described(
      a.withDefault(a.oneOf(["begin", "wait"]), "begin"),
      "While the vault cannot say which chain came before a new one, or take what that one still holds: begin it all the same, or wait with the files held open.",
    ),
  });
  return a.check(shape, ({ url, tls: { ca, cert } }, refuse) => {
    const secured = ca !== undefined || cert !== undefined;
    if (secured && !url.startsWith("https:")) {
      refuse(["tls"], "goes with an https address only, and sink.url is none");
    }
  });
}

function pairOfFiles({ cert, key }: SinkTlsConfig, refuse: Refuse): void {
  if (cert !== undefined && key === undefined) refuse(["cert"], "needs key beside it");
  if (key !== undefined && cert === undefined) refuse(["key"], "needs cert beside it");
}

function uniqueNames(
  a: ConfigWords,
  field: Field<readonly SourceConfig[]>,
): Field<readonly SourceConfig[]> {
  return a.check(field, (sources, refuse) => {
    for (const [index, { name }] of sources.entries()) {
      const first = sources.findIndex((other) => other.name === name);
      if (first < index) refuse([index, "name"], `is the name of sources[${first}] already`);
    }
  });
}

function trust(a: ConfigWords): Field<AgentConfig["trust"]> {
  return a.object<AgentConfig["trust"]>({
    vault_keys: a.described(
      vaultKeyPair(a, a.list(a.verifierKey([1, 4]), { min: 2, max: 64 })),
      "The vault's two public keys: one for its name, one for its name with /time.",
    ),
    root_keys: a.described(
      a.optional(a.list(a.verifierKey([1]), { min: 1, max: 64 })),
      "Public keys of provisioners. With them an agent without state believes a vault only about chains that one of them granted.",
    ),
  });
}

// A vault with such a key could grant what it receipts.
function rootsApart({ vault_keys, root_keys = [] }: AgentConfig["trust"], refuse: Refuse): void {
  const ofVaults = vault_keys.map((text) => hex(parseVerifierKey(nativeSuite, text).publicKey));
  for (const [index, text] of root_keys.entries()) {
    const shared = ofVaults.includes(hex(parseVerifierKey(nativeSuite, text).publicKey));
    if (shared) refuse(["root_keys", index], "is the key of a vault, too");
  }
}

/** A receipt is valid with the signatures of both: some vault must have both. */
function vaultKeyPair(a: ConfigWords, field: Field<readonly string[]>): Field<readonly string[]> {
  return a.check(field, (texts, refuse) => {
    const keys = texts.map((text) => parseVerifierKey(nativeSuite, text));
    const has = (name: string, type: number): boolean =>
      keys.some((key) => key.name === name && key.type === type);
    const ofReceipts = keys.filter(({ type }) => type === 1);
    const receiptKeys = new Set(ofReceipts.map((key) => `${key.name} ${hex(key.publicKey)}`));
    for (const [index, { name, type, publicKey }] of keys.entries()) {
      const vault = type === 1 ? name : name.replace(/\/time$/, "");
      if (type === 4 && vault === name)
        refuse([index], `is a time key, want the name ${name}/time`);
      else if (!has(vault, 1)) refuse([index], `has no key of type 1 of ${vault} beside it`);
      else if (!has(`${vault}/time`, 4)) refuse([index], `has no ${vault}/time key beside it`);
      else if (type === 4 && receiptKeys.has(`${vault} ${hex(publicKey)}`))
        refuse([index], `is the same key as that of ${vault}`);
    }
  });
}

function warnings(config: AgentConfig): ConfigAdvice[] {
  const { protocol, hostname } = new URL(config.sink.url);
  if (protocol === "https:" || isLoopback(hostname.replace(/^\[|\]$/g, ""))) return [];
  return [{ path: ["sink", "url"], clause: "is not https: log lines cross the network readable" }];
}
