// The grant that the configuration names: read, checked as far as the agent can, destroyed once
// used.
//
// - Dates and uses are the vault's to judge; signature, role, audience and key are judged here, so
//   that a mistake is told at once and no chain begins that a vault would refuse.
// - A chain's own copy carries a hash: nothing else here knows the grant once the genesis is
//   receipted, and a bent copy that still parses would name another vault, or other files.

import { equalBytes } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, maxGrantLength, parseGrant } from "../core/grant.ts";
import type { VerifierKey } from "../core/note.ts";
import type { Diag } from "../host/diag.ts";
import { readWhole } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Files } from "../host/files.ts";
import { destroyKey, loadPublicHalf, loadSigningKey, type NoteSigner } from "../host/keys.ts";
import { readSlots, SlotFile } from "../host/slot-file.ts";
import type { AgentConfig } from "./config.ts";

export interface UsableGrant {
  readonly grant: Grant;
  readonly bytes: Uint8Array;
  readonly signer: NoteSigner;
}

/**
 * The grant and its private key; undefined if a file is not there (state needs-grant).
 * Throws grant-… for one that cannot begin a chain of this agent.
 */
export async function readGrant(
  files: Files,
  suite: Suite,
  config: AgentConfig,
  audiences: readonly string[],
  warn: (message: string) => void,
): Promise<UsableGrant | undefined> {
  const { file, key } = config.grant;
  const bytes = await readWhole(files, file, maxGrantLength);
  if (bytes === undefined || (await files.stat(key)) === undefined) return undefined;
  const grant = parseGrantFile(suite, bytes, file);
  const refuse = (why: readonly string[]): void => {
    if (why[0] !== undefined) throw new SealtailError("grant-unusable", why[0], { place: file });
  };
  refuse(unusableBecause(grant, config, audiences));
  const signer = await loadSigningKey({ files, path: key, warn });
  refuse(unusableBecause(grant, config, audiences, signer.key));
  return { grant, bytes, signer };
}

/** Pure: all that keeps an agent from beginning a chain with this grant, and with its key, if given. */
export function unusableBecause(
  grant: Grant,
  config: Pick<AgentConfig, "name" | "grant">,
  audiences: readonly string[],
  key?: VerifierKey,
): string[] {
  const { role, subject, audience } = grant;
  const why: string[] = [];
  if (role !== "write") why.push(`grant is for role ${role}, want write`);
  if (subject !== config.name) {
    why.push(`grant is for subject ${subject}, want ${config.name}, the configuration's name`);
  }
  if (!audiences.includes(audience)) {
    why.push(`grant is for vault ${audience}, and no key of that vault is trusted`);
  }
  if (key !== undefined && !equalBytes(key.publicKey, grant.key)) {
    why.push(`grant does not belong to the key in ${config.grant.key}`);
  }
  return why;
}

export type OwnGrant = Grant & { readonly bytes: Uint8Array };

interface Keeping {
  readonly files: Files;
  readonly suite: Suite;
}

/** A grant, what says that it is whole, and the rest of a page. */
const slotBytes: number = 2 * maxGrantLength;

/** Keeps the grant that a chain begins with at `path`, beside it; durable when this returns. */
export async function keepOwnGrant(
  { files, suite }: Keeping,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  await new SlotFile({ files, suite, path, slotBytes }).write(bytes);
}

/** The grant that a chain began with, or why there is none. */
export async function readOwnGrant(
  { files, suite }: Keeping,
  path: string,
): Promise<OwnGrant | string> {
  if ((await files.stat(path)) === undefined) return "the grant was deleted";
  const { content: bytes } = await readSlots({ files, suite, path, slotBytes });
  try {
    if (bytes !== undefined) return { ...parseGrant(suite, bytes), bytes };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  return "the grant is damaged";
}

/** Throws grant-unusable. */
export function parseGrantFile(suite: Suite, bytes: Uint8Array, place: string): Grant {
  try {
    return parseGrant(suite, bytes);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new SealtailError("grant-unusable", cause.message, { place, cause });
  }
}

/** Why a chain ends that the vault did not take, or takes no more, once another grant is there. */
export const grantReplaced = "grant-replaced";

/** Whether another grant than this one, and a key, lie where the configuration says. */
export async function isGrantReplaced(
  { files, config }: { readonly files: Files; readonly config: AgentConfig },
  begunWith: Uint8Array,
): Promise<boolean> {
  const { file, key } = config.grant;
  const offered = await readWhole(files, file, maxGrantLength);
  if (offered === undefined || equalBytes(offered, begunWith)) return false;
  return (await files.stat(key)) !== undefined;
}

/**
 * The first chain of a grant is receipted: destroys a one-time grant's private key, so that a thief
 * who comes later cannot begin a new chain.
 */
export async function useUpGrant(
  {
    files,
    config,
    diag,
  }: { readonly files: Files; readonly config: AgentConfig; readonly diag: Diag },
  grant: Pick<Grant, "key" | "maxChains">,
): Promise<void> {
  if (grant.maxChains > 1) return;
  failpoint("enrol-after-receipt");
  try {
    await destroyGrantKey(files, config, grant);
    failpoint("enrol-after-destroy");
  } catch (cause) {
    if (!(cause instanceof SealtailError) || cause.kind === "unsafe") throw cause;
    diag.warn("couldn't destroy the grant's private key", { cause: String(cause) });
  }
}

/** The key of another grant, laid there for later, stays; what is no key any more goes. */
async function destroyGrantKey(
  files: Files,
  config: AgentConfig,
  grant: Pick<Grant, "key">,
): Promise<void> {
  const { key } = config.grant;
  if ((await files.stat(key)) === undefined || (await isOther(files, key, grant))) return;
  await destroyKey(files, key);
}

async function isOther(files: Files, path: string, grant: Pick<Grant, "key">): Promise<boolean> {
  try {
    return !equalBytes((await loadPublicHalf(files, path)).publicKey, grant.key);
  } catch (error) {
    // Half destroyed by a crash.
    if (error instanceof SealtailError && error.code === "key-file-invalid") return false;
    throw error;
  }
}
