// The agent's chain, opened from its folder; and what a chain needs of the agent.
//
// - A chain whose keys or blocks were lost, that was rolled back or forked, is never gone on with:
//   the next one names it as its predecessor.

import { hex } from "../core/bytes.ts";
import { parseCheckpoint, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import type { Shortage } from "../core/errors.ts";
import type { Grant } from "../core/grant.ts";
import type { SealedTail } from "../core/sealed-tails.ts";
import type { SourceTable } from "../core/sources.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Files } from "../host/files.ts";
import { maskedConfig } from "../host/masked-config.ts";
import type { Random } from "../host/random.ts";
import type { KeyState } from "../seal/key-state.ts";
import type { SealedBlock } from "../seal/pipeline.ts";
import { recoverChain } from "../seal/recovery.ts";
import { type RunStart, Sealer, type SealerOptions } from "../seal/sealer.ts";
import type { HintSource } from "../tail/hints.ts";
import type { Wal } from "../wal/wal.ts";
import { chainIn, openWal } from "./buffer.ts";
import type { AgentConfig } from "./config.ts";
import { grantReplaced, isGrantReplaced, type OwnGrant, readOwnGrant } from "./grant-files.ts";
import type { Meter } from "./meter.ts";
import { clearOld, OldChains } from "./old-chains.ts";
import { readReceipt } from "./receipts.ts";
import type { Reserve } from "./reserve.ts";
import type { ChainDir, StateDir } from "./state-dir.ts";

export interface ChainContext {
  readonly config: AgentConfig;
  readonly version: string;
  readonly host: string;
  readonly suite: Suite;
  readonly clock: Clock;
  readonly files: Files;
  readonly random: Random;
  readonly diag: Diag;
  readonly state: StateDir;
  /** Whose receipts count. */
  readonly vaults: readonly VaultKeys[];
  /** Aborted when the agent is told to stop. */
  readonly stopping: AbortSignal;
  readonly hints?: HintSource | "none" | undefined;
  readonly compress?: SealerOptions["compress"];
  /** Whether another source fits into the chain's snapshots. */
  readonly mayDeclare: () => boolean;
  readonly onSealed: (block: SealedBlock) => void;
  readonly reserve: Reserve;
  /** The limit of the buffer, or what its disk holds where that is less. */
  readonly bufferBytes: number;
  /** Blocks wait for room or a descriptor (told at each attempt), or no longer do. */
  readonly onShortage: (shortage: Shortage | undefined, growsOn?: boolean) => void;
  readonly meter: Meter;
  /** Bytes that only the old chain's buffer held, and that the new grant does not cover. */
  readonly onLeftOut: (bytes: number) => void;
  /** Buffer segments were found damaged and set aside. */
  readonly onDamage: (segments: number) => void;
}

export interface LiveChain {
  readonly id: string;
  readonly dir: ChainDir;
  readonly wal: Wal;
  readonly sealer: Sealer;
  readonly sources: SourceTable;
  /** Envelopes in the blocks that are durable. */
  readonly seq: number;
  readonly head: SealerOptions["head"];
  readonly keys: KeyState;
  /** The grant that it began with. */
  readonly grant: OwnGrant;
  /** What every header promises. */
  readonly maxSilenceMs: number;
  /** Newest receipt note, if there is one. */
  readonly receipt: Uint8Array | undefined;
  /** The newest sealed bytes of sources. */
  readonly tails: ReadonlyMap<string, SealedTail>;
  /** This is the first chain of this state directory and its first run. */
  readonly firstStart: boolean;
}

/**
 * live: goes on; `older` where what older chains hold is not all in it yet. needed: a new chain
 * has to begin, in place of all older ones.
 */
export type ChainOpening =
  | { readonly live: LiveChain; readonly older: OldChains | undefined }
  | { readonly needed: ChainDir; readonly older: OldChains };

/** Opens the current chain and begins a new run on it, or says that a new chain is needed. */
export async function openChain(context: ChainContext): Promise<ChainOpening> {
  const { state, files } = context;
  const dirs = await state.all();
  const dir = dirs.at(-1);
  const next = state.chain((dir?.number ?? -1) + 1);
  if (dir === undefined || (await state.replacedBecause(dir)) !== undefined) {
    return { needed: next, older: await OldChains.open(context, dirs) };
  }
  const wal = await openWal(context, dir);
  const receipt = await readReceipt(context, dir.receipt, await chainIn(context.suite, wal));
  const lost = async (why: string): Promise<ChainOpening> => {
    context.diag.error("this chain cannot be gone on with, a new one has to begin", {
      reason: why,
    });
    await state.markReplaced(dir, why);
    return { needed: next, older: await OldChains.open(context, dirs, { dir, wal }) };
  };
  const succeeded = (await files.stat(dir.succeeded)) !== undefined;
  if (wal.next === wal.first) {
    if (receipt !== undefined || succeeded) return lost("the buffer was deleted");
    return beginAnew(context, dirs, wal);
  }
  const recovery = await recoverChain({
    suite: context.suite,
    files,
    keyPath: dir.keys,
    blocks: wal.scan(wal.firstIndexOfNewestSegment),
  });
  if ("lost" in recovery) return lost(recovery.lost);
  const { chain } = recovery;
  const grant = await readOwnGrant(context, dir.grant);
  const unsent = (await files.stat(dir.unsent)) !== undefined;
  const why = await whyOver(context, wal, chain.facts.receiptSize, receipt, grant, unsent);
  if (why !== undefined || typeof grant === "string") {
    await chain.keys.close();
    return lost(why ?? String(grant));
  }
  if (await isGrantReplaced(context, grant.bytes)) {
    const hint = "docs/operating/recover.md says how to begin a chain with it";
    const phrase = "another grant is there, this chain goes on under the one that it began with";
    context.diag.warn(phrase, { code: "grant-unused", grant: context.config.grant.file, hint });
  }
  const { head, sources, keys, facts, tails } = chain;
  const { seq } = facts;
  const sealer = newSealer(context, wal, chain, grant, undefined);
  await sealer.startRun(runStart(context));
  const live = {
    ...{ id: hex(head.chainId), dir, wal, sealer, sources, seq, head, keys, grant, receipt, tails },
    firstStart: false,
    maxSilenceMs: maxSilenceOf(context, grant),
  };
  const older = dirs.slice(0, -1);
  const whole = dir.number === 0 || receipt !== undefined || succeeded;
  if (!whole) return { live, older: await OldChains.open(context, older) };
  await clearOld(context, older);
  return { live, older: undefined };
}

async function beginAnew(
  context: ChainContext,
  dirs: readonly ChainDir[],
  wal: Wal,
): Promise<ChainOpening> {
  const dir = dirs.at(-1) as ChainDir;
  await wal.close();
  context.diag.info("a chain that never began is begun anew", { chain: dir.number });
  await context.state.clear(dir);
  return { needed: dir, older: await OldChains.open(context, dirs.slice(0, -1)) };
}

/** Why a chain whose blocks and keys are whole is not gone on with. */
async function whyOver(
  context: ChainContext,
  wal: Wal,
  receiptSize: number,
  receipt: Uint8Array | undefined,
  grant: OwnGrant | string,
  unsent: boolean,
): Promise<string | undefined> {
  // Only what a saved receipt covers is ever freed, and nothing before anything was sent.
  const freed = receipt === undefined ? wal.first : parseCheckpoint(receipt).size;
  if (wal.first > (unsent ? 0 : freed)) return "blocks that no receipt covers were deleted";
  if (typeof grant === "string") return grant;
  // No receipt ever, and another grant put in its place: the vault will not have this chain.
  const taken = receipt !== undefined || wal.first > 0 || receiptSize > 0;
  return !taken && (await isGrantReplaced(context, grant.bytes)) ? grantReplaced : undefined;
}

/** The longest silence of a chain, in ms: as configured, and never longer than its grant allows. */
export function maxSilenceOf(
  { config }: Pick<ChainContext, "config">,
  grant: Pick<Grant, "maxSilenceMs">,
): number {
  return Math.min(config.seal.max_silence, grant.maxSilenceMs);
}

export function newSealer(
  context: ChainContext,
  wal: Wal,
  chain: Pick<SealerOptions, "head" | "facts" | "sources" | "keys">,
  grant: Pick<Grant, "hash" | "maxSilenceMs">,
  genesisSigner: ((message: Uint8Array) => Uint8Array) | undefined,
): Sealer {
  const { seal } = context.config;
  return new Sealer({
    suite: context.suite,
    clock: context.clock,
    random: context.random,
    log: wal,
    head: chain.head,
    ...{ facts: chain.facts, sources: chain.sources, keys: chain.keys },
    ...{ grantHash: grant.hash, genesisSigner },
    runId: context.random.bytes(16),
    compress: context.compress,
    limits: {
      maxBytes: seal.max_bytes,
      maxLines: seal.max_lines,
      maxAgeMs: seal.max_age,
      maxSilenceMs: maxSilenceOf(context, grant),
    },
    onSealed: context.onSealed,
    onSigned: (micros: number) => context.meter.signed(micros),
    onShortage: context.onShortage,
  });
}

export function runStart(context: ChainContext): RunStart {
  const { config, version, host } = context;
  return { host, version, labels: config.labels, config: maskedConfig(config) };
}
