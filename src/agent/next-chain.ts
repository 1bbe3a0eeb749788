// The next chain to run on: the current one, or a new one in place of all older ones.
//
// - Files are followed from the first moment on: while the vault is asked, while a grant is waited
//   for, while old buffers are taken over. Nothing is read before the chain holds all of these.
// - What an old buffer holds is shipped as it is before a new chain begins: so nothing is sealed
//   twice for an answer that was lost, or for a request that comes late, and no chain is named that
//   nobody has. Only what the vault does not take is sealed again.

import type { VaultKeys } from "../core/checkpoint.ts";
import { SealtailError } from "../core/errors.ts";
import { type Grant, inScope } from "../core/grant.ts";
import type { VerifierKey } from "../core/note.ts";
import type { Sink } from "../ship/sink.ts";
import type { VaultReads } from "../ship/vault-reads.ts";
import type { OldChain } from "../succession/old-chain.ts";
import { type Plan, planSuccession } from "../succession/plan.ts";
import { beginChain, succeed } from "./begin-chain.ts";
import { type ChainContext, type LiveChain, openChain } from "./chain.ts";
import { ChainsSeen } from "./chains-seen.ts";
import type { Gauge } from "./gauge.ts";
import { readGrant, type UsableGrant } from "./grant-files.ts";
import type { OldChains, OpenedChain } from "./old-chains.ts";
import { beyondCopy, folderLost, isContradicted, isSucceeded } from "./old-copy.ts";
import { OldShipment, type Shipped } from "./old-shipment.ts";
import type { ChainDir } from "./state-dir.ts";
import type { KnownFiles, Tailing } from "./tailing.ts";
import {
  fetchChain,
  findPredecessor,
  type Lookup,
  NoReceipt,
  originOf,
  widens,
} from "./vault-predecessor.ts";

export interface NextChainContext {
  readonly context: ChainContext;
  readonly tailing: Tailing;
  readonly gauge: Gauge;
  readonly sink: Sink;
  readonly vaults: readonly VaultKeys[];
  /** What the vault shows; undefined: it cannot be asked for chains. */
  readonly reads: VaultReads | undefined;
  /** Whose grants count; undefined: nobody said. */
  readonly roots: readonly VerifierKey[] | undefined;
  /** Ends a question to the vault; some time after a stop, so that a short life seals as well. */
  readonly asking: AbortSignal;
  /** Why the agent stops, once it was told to. */
  readonly stopReason: () => string | undefined;
}

/** live: everything is taken over and the files are followed. Otherwise told to stop. */
export type NextChain = { readonly live: LiveChain } | { readonly unsent: number };

/** How often a missing grant, or a silent vault, is looked for, in ms. */
const lookMs = 2000;
/** How long a silent vault is waited for where the agent may go on without its word, in ms. */
const silentMsMax = 30_000;
const everything = (): boolean => true;
/** The vault contradicted these chains to our face: it need not be asked. */
const contradicted: readonly string[] = ["fork", "agent-rollback", "sink-rollback"];

/** `drafts`: what the chain before was handed and could not seal. */
export async function nextChain(
  parts: NextChainContext,
  drafts: readonly Uint8Array[],
): Promise<NextChain> {
  const opening = await openChain(parts.context);
  if ("needed" in opening) return await newChain(parts, opening.needed, opening.older, drafts);
  const { live, older } = opening;
  const { sources, tails, grant } = live;
  const scope = (path: string): boolean => inScope(grant, path);
  if (older === undefined) {
    const known = { positions: sources.positions(), tails, firstStart: false, scope };
    await parts.tailing.follow(known);
    return { live };
  }
  // Its own blocks are the newest unfinished ones; they say where the files stand.
  const own = await older.with(live);
  const plan = await planSuccession(parts.context.suite, own.facts());
  await parts.tailing.follow(known(plan, false, scope));
  return await finish(parts, live, older, {
    ...plan,
    stretches: plan.stretches.filter(({ chain }) => chain.number !== live.dir.number),
  });
}

async function newChain(
  parts: NextChainContext,
  dir: ChainDir,
  older: OldChains,
  drafts: readonly Uint8Array[],
): Promise<NextChain> {
  const { context, tailing, gauge } = parts;
  const { suite, diag } = context;
  const stopped = async (): Promise<NextChain> => {
    const { unsent } = older;
    await older.close();
    return { unsent };
  };
  let plan = await planSuccession(suite, older.facts(), drafts);
  const firstStart = older.opened.length === 0;
  if (tailing.tail === undefined) {
    await tailing.follow(known(plan, firstStart, everything));
  }
  const ready = await shipAndWaitForGrant(parts, older);
  if (ready === "stopped") return await stopped();
  const { usable, shipped } = ready;
  const remote = await askPredecessor(parts, older, usable.grant, shipped === "more");
  if (remote === "stopped") return await stopped();
  if (shipped !== "nothing" || remote !== undefined) {
    plan = await planSuccession(suite, older.facts(remote), drafts);
  }
  const covers = (path: string): boolean => inScope(usable.grant, path);
  const work = beginChain(context, dir, usable, plan, tailing.outside(covers));
  const live = await tailing.during(work);
  gauge.chainsBegun += 1;
  diag.info("chain begun", { chain: live.id });
  return await finish(parts, live, older, plan, drafts);
}

async function finish(
  parts: NextChainContext,
  live: LiveChain,
  older: OldChains,
  plan: Plan,
  drafts: readonly Uint8Array[] = [],
): Promise<NextChain> {
  const { context, tailing } = parts;
  const { sources, firstStart, grant } = live;
  const work = succeed(context, live, older, plan, drafts);
  if (!(await tailing.during(work))) return await stopEarly(parts, live, older);
  const scope = (path: string): boolean => inScope(grant, path);
  const { tails } = plan;
  await tailing.follow({ positions: sources.positions(), tails, firstStart, scope });
  // What tells whether a file still is what was sealed of it lies in the old buffers.
  await tailing.saveFrontiers();
  await older.clear();
  return { live };
}

function known({ ends, tails }: Plan, firstStart: boolean, scope: KnownFiles["scope"]): KnownFiles {
  return { positions: ends, tails, firstStart, scope };
}

// In the middle of a succession: no file may be read yet, what the old chains hold comes first. But
// of files that no chain knows, what no later start could know is said.
async function stopEarly(
  { tailing, stopReason }: NextChainContext,
  { sealer, wal, keys, grant }: LiveChain,
  older: OldChains,
): Promise<NextChain> {
  try {
    const groups = await tailing.use((tail) => tail.farewell(false));
    for (const group of groups) {
      const mayHold = group.every((each) => each.type !== "source" || inScope(grant, each.path));
      if (mayHold && group[0]?.type === "source") await sealer.addRecords(group);
    }
    await sealer.finish([{ type: "stop", reason: stopReason() ?? "stopped" }], "normal");
    return { unsent: wal.next + older.unsent };
  } finally {
    await older.close();
    await wal.close();
    await keys.close();
  }
}

/** The grant and its key, once they are there; undefined when told to stop. */
async function waitForGrant(parts: NextChainContext): Promise<UsableGrant | undefined> {
  const { context, tailing, gauge, vaults } = parts;
  const { config, diag, files, suite, stopping } = context;
  const audiences = vaults.map(({ receipt }) => receipt.name);
  const warn = (message: string): void => diag.warn(message, {});
  let problem = "";
  for (let said = false; ; said = true) {
    const usable = await readGrant(files, suite, config, audiences, warn).catch((error) => {
      // Said at once at the start; later it may be half copied, and files are held open.
      if (!said || !(error instanceof SealtailError) || error.kind === "unsafe") throw error;
      if (error.message !== problem) diag.error("the grant cannot be used", { error });
      problem = error.message;
      return undefined;
    });
    if (usable !== undefined) return usable;
    if (stopping.aborted) return undefined;
    gauge.state = "needs-grant";
    if (!said) {
      diag.error("a new chain needs a grant; files stay where they are until it is there", {
        code: "needs-grant",
        grant: config.grant.file,
        key: config.grant.key,
      });
    }
    await tailing.use((tail) => tail.wait(lookMs, stopping));
  }
}

/**
 * What only the vault still has: all of an older chain, where our state was lost, or its positions,
 * where its buffer was, or what lies behind them, where our state is an old copy. `short`: the
 * vault said that it has more.
 */
async function askPredecessor(
  parts: NextChainContext,
  older: OldChains,
  grant: Grant,
  short: boolean,
): Promise<OldChain | undefined | "stopped"> {
  const { context, tailing, gauge, reads, vaults, roots, sink } = parts;
  const { suite, clock, diag, host, config, stopping } = context;
  const { base } = older;
  if (reads === undefined) return undefined;
  const waits = config.sink.when_silent === "wait";
  const lookup = {
    ...{ suite, diag, reads, sink, clock, stopping: parts.asking, host, grant },
    ...{ keys: { roots, vaults }, own: base?.chain, seen: new ChainsSeen(clock) },
    insists: insistence(context),
    filesThere: () => tailing.whose(),
  };
  let copied: boolean | undefined = short || isContradicted(base) || undefined;
  for (let said = false; ; said = true) {
    try {
      copied ??= await tailing.during(isSucceeded(lookup, base, waits));
      if (!copied && !isLost(older, grant)) return undefined;
      const found = await tailing.during(findLost(lookup, older, copied));
      if (found !== "wait") return found;
      gauge.waits = "predecessor-lives";
      if (!said) {
        const fields = { code: "predecessor-lives" };
        diag.warn("a chain of this subject and host may live, waiting until that is known", fields);
      }
    } catch (error) {
      const asked = error instanceof NoReceipt;
      if (!asked && (!(error instanceof SealtailError) || error.kind === "unsafe")) throw error;
      const fields = { code: "predecessor-unknown", error };
      if (!waits && !asked) {
        diag.warn("the vault cannot be asked for an older chain, one begins alone", fields);
        return undefined;
      }
      gauge.waits = "predecessor-unknown";
      if (!said) diag.error("the vault cannot be asked for an older chain, waiting", fields);
    }
    if (stopping.aborted) return "stopped";
    gauge.state = "needs-vault";
    await tailing.use((tail) => tail.wait(lookMs, stopping));
    if (stopping.aborted) return "stopped";
  }
}

/** Whether something is missing of what says where the next chain goes on. */
function isLost(older: OldChains, grant: Grant): boolean {
  const { base, doubtful } = older;
  if (base === undefined || doubtful.length > 0) return true;
  // A buffer is given up when a newer chain holds all of it: without one, that chain was lost.
  const empty = base.wal.next === base.wal.first && !base.unsent;
  if (empty || !older.reachesReceipt(base)) return true;
  return passedOver(base, grant);
}

/** Whether files may be known to older chains only: its grant did not cover them, the next may. */
function passedOver(base: OpenedChain, grant: Lookup["grant"]): boolean {
  const { dir, whole, unsent, origin, globs } = base;
  if (origin !== undefined || !whole || (dir.number === 0 && !unsent)) return false;
  return globs === undefined || widens(grant.sources, [globs]);
}

/** The chain that the vault shows as our newest; else what it shows of the newest that we know. */
async function findLost(
  lookup: Lookup,
  older: OldChains,
  copied: boolean,
): Promise<OldChain | undefined | "wait"> {
  const { base, doubtful } = older;
  for (const { chain, reason } of doubtful.toReversed()) {
    if (chain !== undefined && (await lookup.reads.size(chain)) > 0)
      return await fetchChain(lookup, chain, reason);
  }
  if (copied && base !== undefined) {
    // Of blocks that are lost a receipt alone does not say where it leaves the files.
    const known = older.reachesReceipt(base) ? older.receiptedSize(base) : 0;
    return await beyondCopy(lookup, base, known);
  }
  const known = base?.whole ? base.chain : undefined;
  // What still has blocks is the newest: they go once a newer chain holds them.
  const named = doubtful.every(({ chain }) => chain !== undefined);
  if (base !== undefined && known !== undefined && base.wal.next > base.wal.first && named) {
    if (!base.unsent) return await fetchChain(lookup, known, base.reason);
    return passedOver(base, lookup.grant) ? await withOrigin(lookup, older, base) : undefined;
  }
  const found = await findPredecessor(lookup, whyLost(base));
  if (base === undefined || known === undefined || found === "wait") return found;
  const newer = found !== undefined && found.held?.chain !== known;
  return newer ? found : await fetchChain(lookup, known, base.reason);
}

/** No vault has it, so its genesis says which chain it went on from, and the vault shows that one. */
async function withOrigin(
  lookup: Lookup,
  older: OldChains,
  base: OpenedChain,
): Promise<OldChain | undefined> {
  const fact = older.facts().find(({ number }) => number === base.dir.number);
  const told = await older.toldBy(base);
  const origin = told && (await originOf(lookup, told, base.globs && [base.globs]));
  return fact && origin && { ...fact, origin };
}

function whyLost(base: OpenedChain | undefined): string {
  if (base === undefined) return "the state directory was lost";
  const gone = base.receipt !== undefined && base.wal.next === base.wal.first;
  return gone ? folderLost : base.reason;
}

/**
 * Waits for a grant, and until what the newest chain still holds is shipped, as far as the vault
 * takes it. more: the vault has blocks of it that we lost. nothing: there was nothing to ship.
 */
async function shipAndWaitForGrant(
  parts: NextChainContext,
  older: OldChains,
): Promise<{ usable: UsableGrant; shipped: "nothing" | "done" | "more" } | "stopped"> {
  const shipment = await shipmentOf(parts, older);
  try {
    const usable = await waitForGrant(parts);
    if (usable === undefined) return "stopped";
    if (shipment === undefined) return { usable, shipped: "nothing" };
    const receipted = (): number =>
      older.base === undefined ? 0 : older.receiptedSize(older.base);
    const shipped = await untilShipped(parts, shipment, receipted);
    if (shipped === "stopped") return "stopped";
    // The old chain's first receipt may have used the grant up.
    const left = await waitForGrant(parts);
    if (left === undefined) return "stopped";
    return { usable: left, shipped: shipped === "more" ? "more" : "done" };
  } finally {
    await shipment?.close();
  }
}

/** Undefined where nothing is left that a vault might take. */
async function shipmentOf(
  parts: NextChainContext,
  older: OldChains,
): Promise<OldShipment | undefined> {
  const { base } = older;
  if (base === undefined || !older.hasUnreceipted(base)) return undefined;
  // A chain behind it holds copies, and says already where the next one begins.
  if (base !== older.opened.at(-1) || contradicted.includes(base.reason)) return undefined;
  return await OldShipment.begin(parts.context, base, parts);
}

/**
 * Waits while the vault is silent. With a receipt there is a chain to name, and the configuration
 * says how long from the newest one on; one that may be at a vault, or not, can neither be named
 * nor passed over.
 */
async function untilShipped(
  { context, tailing, gauge, asking }: NextChainContext,
  shipment: OldShipment,
  receipted: () => number,
): Promise<Shipped | "stopped"> {
  const { clock, diag, config, stopping } = context;
  const patienceMs = Math.min(config.sink.patience, silentMsMax);
  let [heard, size] = [clock.mono(), receipted()];
  for (let said = false; ; said = true) {
    const shipped = await tailing.during(shipment.look(asking));
    if (shipped === "all") diag.info("the vault has all of the old chain", {});
    if (typeof shipped === "string") return shipped;
    if ("refused" in shipped) {
      diag.warn("the vault takes no more of the old chain", { cause: shipped.refused });
      return shipped;
    }
    if (stopping.aborted) return "stopped";
    const cause = shipped.silent;
    // A vault that took blocks meanwhile was not silent.
    if (receipted() > size) [heard, size] = [clock.mono(), receipted()];
    const patient = clock.mono() - heard < patienceMs * 1000;
    if (size > 0 && config.sink.when_silent === "begin" && !patient) {
      const fields = { code: "predecessor-unknown", cause };
      diag.warn("the vault is silent, what the old buffer holds is sealed again", fields);
      return shipped;
    }
    [gauge.state, gauge.waits] = ["needs-vault", cause];
    if (said) continue;
    const fields = { code: "needs-vault", cause };
    diag.error("the vault must take the old chain before another one begins", fields);
  }
}

/** Whether a vault that gives no answer is asked again: as it is configured, from the first on. */
function insistence({ config, clock }: Pick<ChainContext, "config" | "clock">): () => boolean {
  const { when_silent, patience } = config.sink;
  let silentSince: number | undefined;
  return () => {
    silentSince ??= clock.mono();
    const silentMs = (clock.mono() - silentSince) / 1000;
    return when_silent === "wait" || silentMs < Math.min(patience, silentMsMax);
  };
}
