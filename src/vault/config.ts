// The vault's configuration: what may be said, what holds when nothing is said, and its limits.
//
// - Sizes are bytes, durations milliseconds, paths absolute. Names are those of the file.
//
// Reference: docs/reference/config.md.

import type { ConfigAdvice, ConfigSchema } from "../host/config.ts";
import type { ConfigWords, Field } from "../host/config-schema.ts";
import { isLoopback, parseListenAddress } from "../host/listen-address.ts";

export interface VaultTlsConfig {
  /** PEM file with the certificate, then those above it. */
  readonly cert: string;
  readonly key: string;
}

export interface StoreConfig {
  readonly type: "dir";
  readonly path: string;
}

export interface ExpectConfig {
  /** A subject, or a glob over subjects. */
  readonly subject: string;
  /** How many chains must be active. */
  readonly chains: number;
}

export interface LimitsConfig {
  /** Connections to the API at once. */
  readonly connections: number;
  /** Answers to readers at once. */
  readonly readers: number;
  /** Percent of connections, request memory and readers that one address may hold. */
  readonly address_share: number;
}

export const limitsByDefault: LimitsConfig = { connections: 2048, readers: 32, address_share: 75 };

export interface VaultConfig {
  readonly version: 1;
  /** The grants' audience, and the first part of every receipt's origin. */
  readonly name: string;
  /** What can be rebuilt: indexes, counters; and quarantine. */
  readonly state_dir: string;
  /** Files of the two private keys. */
  readonly keys: { readonly receipt: string; readonly time: string };
  readonly listen: string;
  readonly access: {
    /** True: whoever reaches the vault may read. False: only this machine may. */
    readonly open: boolean;
  };
  readonly tls?: VaultTlsConfig | undefined;
  readonly limits: LimitsConfig;
  readonly store: StoreConfig;
  /** C2SP verifier keys. */
  readonly trust: { readonly root_keys: readonly string[] };
  readonly expect: readonly ExpectConfig[];
  readonly metrics: { readonly listen: string };
  readonly diagnostics: { readonly level: "error" | "warn" | "info" | "debug" };
}

export const vaultConfig: ConfigSchema<VaultConfig> = {
  title: "sealtail vault configuration",
  fields: (a) =>
    a.object<VaultConfig>({
      version: a.described(a.version(), "The version of this file's shape."),
      name: a.described(
        a.name(),
        "The vault's name: the audience of grants, the origin of receipts.",
      ),
      state_dir: a.described(
        a.path(),
        "The vault's own directory: indexes, and what it checked and receipted. Keep it apart from the store.",
      ),
      keys: a.object<VaultConfig["keys"]>({
        receipt: a.described(a.file(), "The private key that signs receipts."),
        time: a.described(a.file(), "The private key that signs their time."),
      }),
      listen: a.described(a.listen(), "Where the API is served."),
      access: a.withDefault(
        a.object<VaultConfig["access"]>({
          open: a.described(
            a.withDefault(a.flag(), false),
            "true: whoever reaches the vault may read. false: only this machine may.",
          ),
        }),
        {},
      ),
      tls: a.optional(
        a.object<VaultTlsConfig>({
          cert: a.described(a.file(), "PEM file: the certificate, then those above it."),
          key: a.described(a.file(), "PEM file: the private key of cert."),
        }),
      ),
      limits: a.withDefault(limits(a), {}),
      store: store(a),
      trust: a.object<VaultConfig["trust"]>({
        root_keys: a.described(
          a.list(a.verifierKey([1]), { min: 1, max: 64 }),
          "The public keys whose grants are accepted.",
        ),
      }),
      expect: a.withDefault(a.list(expectation(a), { min: 0, max: 200 }), []),
      metrics: a.withDefault(
        a.object<VaultConfig["metrics"]>({
          listen: a.described(
            a.withDefault(a.listen(), "127.0.0.1:9465"),
            "Where /metrics, /livez, /readyz and /startupz are served.",
          ),
        }),
        {},
      ),
      diagnostics: a.withDefault(
        a.object<VaultConfig["diagnostics"]>({
          level: a.described(
            a.withDefault(a.oneOf(["error", "warn", "info", "debug"]), "info"),
            "The least that is told on stderr, one JSON object a line. Never any line content.",
          ),
        }),
        {},
      ),
    }),
  warnings,
};

function limits(a: ConfigWords): Field<LimitsConfig> {
  return a.object<LimitsConfig>({
    connections: a.described(
      a.withDefault(a.integer({ min: 16, max: 100_000 }), limitsByDefault.connections),
      "Connections at once. When they are used up, idle strangers go first, agents last.",
    ),
    readers: a.described(
      a.withDefault(a.integer({ min: 1, max: 10_000 }), limitsByDefault.readers),
      "Answers to readers at once; an eighth of them may open stored payloads.",
    ),
    address_share: a.described(
      a.withDefault(a.integer({ min: 1, max: 100 }), limitsByDefault.address_share),
      "Percent of connections, request memory and readers for one address. 100 behind a proxy.",
    ),
  });
}

function store(a: ConfigWords): Field<StoreConfig> {
  return a.object<StoreConfig>({
    type: a.described(a.oneOf<string>(["dir"], ["s3"]) as Field<"dir">, "A directory."),
    path: a.described(a.path(), "Where the sealed blocks are kept."),
  });
}

function expectation(a: ConfigWords): Field<ExpectConfig> {
  return a.object<ExpectConfig>({
    subject: a.described(a.name(), "Whose chains must be there: a subject or a glob."),
    chains: a.described(
      a.withDefault(a.integer({ min: 1, max: 1_000_000 }), 1),
      "How many of them must be active.",
    ),
  });
}

function warnings(config: VaultConfig): ConfigAdvice[] {
  const advice: ConfigAdvice[] = [];
  const { host } = parseListenAddress(config.listen) ?? { host: "" };
  const reachable = !isLoopback(host);
  if (reachable && config.tls === undefined) {
    const clause = "can be reached from other machines, and there is no tls: lines travel readable";
    advice.push({ path: ["listen"], clause });
  }
  if (reachable && config.access.open) {
    advice.push({
      path: ["access", "open"],
      clause: "lets whoever reaches the vault read all chains",
    });
  }
  return advice;
}
