// The vault's configuration: what may be said, what holds when nothing is said, and its limits.
//
// - Sizes are bytes, durations milliseconds, paths absolute. Names are those of the file.
//
// Reference: docs/reference/config.md.

import { z } from "zod";
import type { ConfigAdvice, ConfigKind, ConfigOf } from "../host/config.ts";
import {
  flag,
  integer,
  level,
  list,
  listen,
  metrics,
  name,
  only,
  type Paths,
  section,
  verifierKey,
  version,
} from "../host/config-values.ts";
import { isOpenToOthers } from "../host/listen-address.ts";
import { limitsByDefault } from "./bounds.ts";

const limits = section({
  connections: integer(16, 100_000)
    .prefault(limitsByDefault.connections)
    .describe("Connections at once. When they are used up, idle strangers go first, agents last."),
  readers: integer(1, 10_000)
    .prefault(limitsByDefault.readers)
    .describe("Answers to readers at once; an eighth of them may open stored payloads."),
  address_share: integer(1, 100)
    .prefault(limitsByDefault.address_share)
    .describe(
      "Percent of connections, request memory and readers for one address. 100 behind a proxy.",
    ),
});

const expectation = z.strictObject({
  subject: name.describe("Whose chains must be there: a subject or a glob."),
  chains: integer(1, 1_000_000).prefault(1).describe("How many of them must be active."),
});

const schema = ({ path, file }: Paths) =>
  z.strictObject({
    version,
    name: name.describe("The vault's name: the audience of grants, the origin of receipts."),
    state_dir: path.describe(
      "The vault's own directory: indexes, and what it checked and receipted. Keep it apart from the store.",
    ),
    keys: z.strictObject({
      receipt: file.describe("The private key that signs receipts."),
      time: file.describe("The private key that signs their time."),
    }),
    listen: listen.describe("Where the API is served."),
    access: section({
      open: flag
        .prefault(false)
        .describe("true: whoever reaches the vault may read. false: only this machine may."),
    }),
    tls: z
      .strictObject({
        cert: file.describe("PEM file: the certificate, then those above it."),
        key: file.describe("PEM file: the private key of cert."),
      })
      .optional(),
    limits,
    store: z.strictObject({
      type: only("dir", (given) => given === "s3").describe("A directory."),
      path: path.describe("Where the sealed blocks are kept."),
    }),
    trust: z.strictObject({
      root_keys: list(verifierKey(1), 1, 64).describe("The public keys whose grants are accepted."),
    }),
    expect: list(expectation, 0, 200).prefault([]),
    metrics: metrics("127.0.0.1:9465"),
    diagnostics: section({ level }),
  });

export type VaultConfig = ConfigOf<ReturnType<typeof schema>>;

export const vaultConfig: ConfigKind<ReturnType<typeof schema>> = {
  title: "sealtail vault configuration",
  schema,
  warnings,
};

function warnings({ listen: address, tls, access }: VaultConfig): ConfigAdvice[] {
  if (!isOpenToOthers(address)) return [];
  const advice: ConfigAdvice[] = [];
  if (tls === undefined) {
    const clause = "can be reached from other machines, and there is no tls: lines travel readable";
    advice.push([["listen"], clause]);
  }
  if (access.open) {
    advice.push([["access", "open"], "lets whoever reaches the vault read all chains"]);
  }
  return advice;
}
