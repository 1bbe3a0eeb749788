// Outlook: what a start would meet, grant and files, for `sealtail check`.
//
// - Nothing is written or connected to. What a start refuses is a refusal, judged by what the start
//   judges with; what it starts with all the same, and somebody should know, is advice.
// - A grant without its key began its chain already, or waits for the key: only its globs count.

import { judgeGrant } from "../core/authority.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { checkGrantRoots, type Grant, inScope, maxGrantLength } from "../core/grant.ts";
import { parseVerifierKey, type VerifierKey } from "../core/note.ts";
import type { ConfigAdvice } from "../host/config.ts";
import type { ConfigPath, ConfigRefusal } from "../host/config-error.ts";
import type { Diag, DiagFields } from "../host/diag.ts";
import { readWhole } from "../host/durable.ts";
import { errnoOf } from "../host/file-error.ts";
import type { Files } from "../host/files.ts";
import { loadSigningKey } from "../host/keys.ts";
import { isoTime } from "../host/units.ts";
import { presentFiles } from "../tail/present.ts";
import type { AgentConfig } from "./config.ts";
import { parseGrantFile, unusableBecause } from "./grant-files.ts";
import { ownPathsOf, sourcesOf } from "./tailing.ts";

export interface Outlook {
  readonly refusals: ConfigRefusal[];
  readonly advice: ConfigAdvice[];
}

export interface OutlookOptions {
  readonly files: Files;
  readonly suite: Suite;
  /** Unix seconds. */
  readonly now: number;
  /** More that is never tailed: the configuration. */
  readonly refuse: readonly string[];
}

/** Of more paths that are not looked at, or not followed, nothing is said. */
const saidMax = 10;
const grantPath: ConfigPath = ["grant", "file"];

export async function agentOutlook(config: AgentConfig, options: OutlookOptions): Promise<Outlook> {
  const outlook: Outlook = { refusals: [], advice: [] };
  const grant = await readable(outlook, grantPath, () => lookAtGrant(outlook, config, options));
  await lookForFiles(outlook, config, options, grant);
  return outlook;
}

/** What the user who asks may not read, the program may. */
export async function readable<T>(
  { refusals, advice }: Outlook,
  path: ConfigPath,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SealtailError)) throw error;
    const { code, message, hint, cause } = error;
    if (code === "permission-denied" || errnoOf(cause) === "EACCES") {
      advice.push([path, "cannot be read by this user, and was not judged"]);
    } else refusals.push({ code, path, message, hint });
    return undefined;
  }
}

async function lookAtGrant(
  outlook: Outlook,
  config: AgentConfig,
  { files, suite, now }: OutlookOptions,
): Promise<Grant | undefined> {
  const { file, key: keyFile } = config.grant;
  const bytes = await readWhole(files, file, maxGrantLength);
  const advise = (clause: string): void => void outlook.advice.push([grantPath, clause]);
  const keyThere = (await files.stat(keyFile)) !== undefined;
  if (!(bytes && keyThere) && (await isNew(files, config.state_dir))) {
    advise(`or grant.key is not there: the agent would wait for ${bytes ? keyFile : file}`);
  }
  if (bytes === undefined) return undefined;
  if (!keyThere) {
    const { grant } = judgeGrant(suite, { roots: undefined, vaults: undefined }, bytes);
    if (grant === undefined) advise("holds no grant");
    return grant;
  }
  const grant = parseGrantFile(suite, bytes, file);
  const { vault_keys, root_keys } = config.trust;
  const audiences = vault_keys.map((text) => parseVerifierKey(suite, text).name);
  const key = await readable(outlook, ["grant", "key"], () => keyOf(outlook, files, keyFile));
  for (const message of unusableBecause(grant, config, audiences, key)) {
    outlook.refusals.push({ code: "grant-unusable", path: grantPath, message });
  }
  const day = (seconds: number): string => isoTime(seconds * 1_000_000);
  if (now > grant.notAfter) advise(`ended at ${day(grant.notAfter)}: no vault takes it any more`);
  if (now < grant.notBefore) advise(`begins at ${day(grant.notBefore)}: no vault takes it yet`);
  try {
    const roots = root_keys?.map((text) => parseVerifierKey(suite, text));
    if (roots !== undefined) checkGrantRoots(suite, grant, roots);
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    advise(`goes with none of trust.root_keys: ${fault.message}`);
  }
  return grant;
}

/** As a start loads it: nobody is there to ask for a passphrase. */
async function keyOf({ advice }: Outlook, files: Files, path: string): Promise<VerifierKey> {
  const warn = (message: string): void =>
    void advice.push([["grant", "key"], `is open: ${message}`]);
  return (await loadSigningKey({ files, path, warn })).key;
}

/** Whether no chain was begun yet; where that cannot be seen, one was. */
async function isNew(files: Files, stateDir: string): Promise<boolean> {
  const chains = await files.list(`${stateDir}/chains`).catch(() => [""]);
  return (chains ?? []).length === 0;
}

async function lookForFiles(
  { advice }: Outlook,
  config: AgentConfig,
  { files, refuse }: OutlookOptions,
  grant: Grant | undefined,
): Promise<void> {
  const sources = sourcesOf(config);
  const unmatched = sources.map(({ include }) => new Set(include.keys()));
  const outside = sources.map(() => ({ count: 0, first: "" }));
  const said: string[] = [];
  const own = [...ownPathsOf(config), ...refuse];
  for await (const { path, meantBy } of presentFiles(files, listener(said), sources, own)) {
    for (const { source, patterns } of meantBy) {
      for (const at of patterns) unmatched[source]?.delete(at);
    }
    const left = outside[meantBy[0]?.source ?? 0];
    if (left === undefined || grant === undefined || inScope(grant, path)) continue;
    left.count += 1;
    left.first ||= path;
  }
  for (const [source, numbers] of unmatched.entries()) {
    for (const at of numbers) advice.push([["sources", source, "include", at], "matches no file"]);
    const { count = 0, first = "" } = outside[source] ?? {};
    const clause = `means files outside the grant, ${count} in all, the first is ${first}`;
    if (count > 0) advice.push([["sources", source], clause]);
  }
  for (const each of said) advice.push([["sources"], each]);
}

/** Takes what is said of paths that cannot be looked at, or are not followed. */
function listener(said: string[]): Diag {
  const hear = (phrase: string, { path }: DiagFields = {}): void => {
    const clause = `cannot all be followed: ${phrase.replace(", trying again", "")}: ${path}`;
    if (said.length < saidMax) said.push(clause);
  };
  const none = (): void => undefined;
  return { error: hear, warn: hear, info: none, debug: none, child: () => listener(said) };
}
