// The agent's chain: opened from its folder, or begun with a grant.
//
// - Order of a beginning: first secret, key file synced → genesis in the WAL, synced → shipped →
//   receipt → the grant's private key destroyed. A crash before the genesis is durable begins anew.
// - A chain whose keys or blocks were lost, that was rolled back or forked, is never gone on with:
//   the next one names it as its predecessor.

import { equalBytes, hex } from "../core/bytes.ts";
import { parseCheckpoint, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError, type Shortage } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, maxGrantLength, parseGrant } from "../core/grant.ts";
import { SourceTable } from "../core/sources.ts";
import type { Clock } from "../host/clock.ts";
import { maskedConfig } from "../host/config.ts";
import type { Diag } from "../host/diag.ts";
import { makeDirDurably, readWhole, writeFileDurably } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Files } from "../host/files.ts";
import { destroyKey } from "../host/keys.ts";
import type { Random } from "../host/random.ts";
import { newHead } from "../seal/head.ts";
import { KeyState } from "../seal/key-state.ts";
import type { SealedBlock } from "../seal/pipeline.ts";
import { recoverChain, type SealedTail } from "../seal/recovery.ts";
import { type ChainFacts, type RunStart, Sealer, type SealerOptions } from "../seal/sealer.ts";
import type { HintSource } from "../tail/hints.ts";
import type { Wal } from "../wal/wal.ts";
import { openWal } from "./buffer.ts";
import type { AgentConfig } from "./config.ts";
import type { UsableGrant } from "./grant-files.ts";
import { findLeftOut } from "./left-out.ts";
import type { Meter } from "./meter.ts";
import { readReceipt } from "./receipts.ts";
import type { Reserve } from "./reserve.ts";
import type { ChainDir, StateDir } from "./state-dir.ts";
import {
  describeOld,
  endedSources,
  grantReplaced,
  type OldChain,
  receiptedPrefix,
  sealAgain,
} from "./succession.ts";

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
  /** False: told to stop before all of the old chain was sealed again; the next start goes on. */
  readonly whole: boolean;
  readonly grantBytes: Uint8Array;
  readonly maxChains: number;
  /** What every header promises. */
  readonly maxSilenceMs: number;
  /** Newest receipt note, if there is one. */
  readonly receipt: Uint8Array | undefined;
  readonly tails: ReadonlyMap<string, SealedTail>;
  /** This is the first chain of this state directory and its first run. */
  readonly firstStart: boolean;
}

/** needed: a new chain has to begin; `old` is what it goes on for. */
export type ChainOpening =
  | { readonly live: LiveChain }
  | { readonly needed: { readonly dir: ChainDir; readonly old: OldChain | undefined } };

/** Opens the current chain and begins a new run on it, or says that a new chain is needed. */
export async function openChain(context: ChainContext): Promise<ChainOpening> {
  const { state, files, diag } = context;
  const dir = await state.newest();
  if (dir === undefined) return { needed: { dir: state.chain(0), old: undefined } };
  const receipt = await readReceipt(context, dir.receipt);
  const wal = await openWal(context, dir);
  const replaced = await state.replacedBecause(dir);
  const next = state.chain(dir.number + 1);
  if (replaced !== undefined)
    return { needed: { dir: next, old: { wal, receipt, reason: replaced } } };
  if (wal.next === wal.first) {
    await wal.close();
    if (receipt !== undefined)
      return lose(context, dir, undefined, receipt, "the buffer was deleted");
    diag.info("a chain that never began is begun anew", { chain: dir.number });
    await state.clear(dir);
    return { needed: { dir, old: await olderChain(context, dir) } };
  }
  const recovery = await recoverChain({
    suite: context.suite,
    files,
    keyPath: dir.keys,
    blocks: wal.scan(wal.firstIndexOfNewestSegment),
  });
  if ("lost" in recovery) return lose(context, dir, wal, receipt, recovery.lost);
  const { chain } = recovery;
  const lost = async (why: string): Promise<ChainOpening> => {
    await chain.keys.close();
    return lose(context, dir, wal, receipt, why);
  };
  // Only what a saved receipt covers is ever freed.
  if (receipt !== undefined && wal.first > parseCheckpoint(receipt).size) {
    return lost("blocks that no receipt covers were deleted");
  }
  const grant = await readOwnGrant(context, dir);
  if (typeof grant === "string") return lost(grant);
  // No receipt ever, and another grant put in its place: the vault will not have this chain.
  const taken = receipt !== undefined || wal.first > 0 || chain.facts.receiptSize > 0;
  if (!taken && (await isGrantReplaced(context, grant.bytes))) return lost(grantReplaced);
  const { seq } = chain.facts;
  const sealer = newSealer(context, wal, chain, grant.hash, grant.maxSilenceMs, undefined);
  await sealer.startRun(runStart(context));
  const whole = await finishSuccession(context, dir, wal, sealer, grant);
  return {
    live: {
      id: hex(chain.head.chainId),
      dir,
      wal,
      sealer,
      sources: chain.sources,
      seq,
      head: chain.head,
      keys: chain.keys,
      whole,
      grantBytes: grant.bytes,
      maxChains: grant.maxChains,
      maxSilenceMs: Math.min(context.config.seal.max_silence, grant.maxSilenceMs),
      receipt,
      tails: chain.tails,
      firstStart: false,
    },
  };
}

/** The grant that the chain began with, or why there is none. */
async function readOwnGrant(
  { files, suite }: ChainContext,
  dir: ChainDir,
): Promise<(Grant & { readonly bytes: Uint8Array }) | string> {
  try {
    const bytes = await readWhole(files, dir.grant, maxGrantLength);
    if (bytes === undefined) return "the grant was deleted";
    return { ...parseGrant(suite, bytes), bytes };
  } catch (error) {
    const tooLarge = error instanceof SealtailError && error.code === "file-too-large";
    if (!tooLarge && !(error instanceof Fault)) throw error;
    return "the grant is damaged";
  }
}

async function isGrantReplaced(context: ChainContext, begunWith: Uint8Array): Promise<boolean> {
  const { files, config } = context;
  const offered = await readWhole(files, config.grant.file, maxGrantLength);
  if (offered === undefined || equalBytes(offered, begunWith)) return false;
  return (await files.stat(config.grant.key)) !== undefined;
}

async function lose(
  context: ChainContext,
  dir: ChainDir,
  wal: Wal | undefined,
  receipt: Uint8Array | undefined,
  why: string,
): Promise<ChainOpening> {
  context.diag.error("this chain cannot be gone on with, a new one has to begin", { reason: why });
  await context.state.markReplaced(dir, why);
  const old = { wal, receipt, reason: why };
  return { needed: { dir: context.state.chain(dir.number + 1), old } };
}

// The chain before one that never began.
async function olderChain(context: ChainContext, dir: ChainDir): Promise<OldChain | undefined> {
  if (dir.number === 0) return undefined;
  const older = context.state.chain(dir.number - 1);
  const reason = (await context.state.replacedBecause(older)) ?? "unknown";
  return {
    wal: await openWal(context, older),
    receipt: await readReceipt(context, older.receipt),
    reason,
  };
}

/** Begins a chain: returns when its genesis, and what is sealed again, is durable. */
export async function beginChain(
  context: ChainContext,
  dir: ChainDir,
  old: OldChain | undefined,
  usable: UsableGrant,
): Promise<LiveChain> {
  const { files, suite, random } = context;
  const { grant } = usable;
  await makeDirDurably(files, dir.wal, 0o700);
  await writeFileDurably(files, dir.grant, usable.bytes);
  const secret = random.bytes(32);
  const keys = await KeyState.create(files, suite, dir.keys, { blockNo: 1, secret });
  failpoint("enrol-after-key");
  const wal = await openWal(context, dir);
  const head = newHead(suite, secret);
  const sources = new SourceTable(suite);
  const facts: ChainFacts = {
    seq: 0,
    lastHash: new Uint8Array(32),
    config: {},
    receiptHash: new Uint8Array(32),
    receiptSize: 0,
  };
  let granted: UsableGrant["signer"] | undefined = usable.signer;
  const sealer = newSealer(
    context,
    wal,
    { head, facts, sources, keys },
    grant.hash,
    grant.maxSilenceMs,
    (message) => {
      if (granted === undefined) throw new TypeError("a grant's key signs one genesis");
      const signature = granted.sign(message);
      // The last hold on the key in memory.
      granted = undefined;
      return signature;
    },
  );
  const predecessor = old === undefined ? undefined : await nameOld(context, old, grant);
  await orStop(context, sealer, async () => {
    await sealer.startRun({ ...runStart(context), predecessor });
    await sealer.flush();
  });
  failpoint("enrol-after-genesis");
  await old?.wal?.close();
  const whole = await finishSuccession(context, dir, wal, sealer, grant);
  return {
    id: hex(head.chainId),
    dir,
    wal,
    sealer,
    sources,
    seq: sealer.seq,
    head,
    keys,
    whole,
    grantBytes: usable.bytes,
    maxChains: grant.maxChains,
    maxSilenceMs: Math.min(context.config.seal.max_silence, grant.maxSilenceMs),
    receipt: undefined,
    tails: new Map(),
    firstStart: old === undefined,
  };
}

// What the new grant does not cover stays behind: that is said to whoever issued it, and signed.
async function nameOld(
  { suite, diag, onLeftOut }: ChainContext,
  old: OldChain,
  grant: Grant,
): ReturnType<typeof describeOld> {
  const { size } = await receiptedPrefix(suite, old.wal, old.receipt);
  const leftOut = await findLeftOut(suite, old.wal, size, grant);
  for (const [path, bytes] of leftOut) {
    diag.error("buffered lines are outside the new grant and left out", { path, bytes });
    onLeftOut(bytes);
  }
  return await describeOld(suite, old, grant, leftOut);
}

// Seals again what the chain before this one still holds; after a crash it goes on where it was.
// False when told to stop before the end.
async function finishSuccession(
  context: ChainContext,
  dir: ChainDir,
  own: Wal,
  sealer: Sealer,
  grant: Grant,
): Promise<boolean> {
  if (dir.number === 0) return true;
  const older = context.state.chain(dir.number - 1);
  if ((await context.files.stat(dir.succeeded)) === undefined) {
    const whole = await succeed(context, dir, older, own, sealer, grant);
    if (!whole) return false;
  }
  // Everything in it is receipted, or sealed and synced in this chain.
  await context.state.clearWal(older);
  // Nothing may be signed for it any more.
  if ((await context.files.stat(older.keys)) !== undefined) {
    await destroyKey(context.files, older.keys);
  }
  return true;
}

async function succeed(
  context: ChainContext,
  dir: ChainDir,
  older: ChainDir,
  own: Wal,
  sealer: Sealer,
  grant: Grant,
): Promise<boolean> {
  const { suite, diag, stopping } = context;
  const wal = await openWal(context, older);
  const receipt = await readReceipt(context, older.receipt);
  const { size: from } = await receiptedPrefix(suite, wal, receipt);
  const ended = await endedSources(suite, own);
  try {
    const all = await orStop(context, sealer, async () => {
      const done = await sealAgain({ suite, diag, wal, from, sealer, grant, ended, stopping });
      await sealer.flush();
      return done;
    });
    if (!all) return false;
  } finally {
    await wal.close();
  }
  await writeFileDurably(context.files, dir.succeeded, new Uint8Array(0));
  return true;
}

// A full disk must not keep a stop from ending.
async function orStop<T>(
  { stopping }: ChainContext,
  sealer: Sealer,
  work: () => Promise<T>,
): Promise<T> {
  const hurry = (): void => sealer.waitNoLonger();
  stopping.addEventListener("abort", hurry);
  if (stopping.aborted) hurry();
  try {
    return await work();
  } finally {
    stopping.removeEventListener("abort", hurry);
  }
}

function newSealer(
  context: ChainContext,
  wal: Wal,
  chain: Pick<SealerOptions, "head" | "facts" | "sources" | "keys">,
  grantHash: Uint8Array,
  maxSilenceMs: number,
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
    ...{ grantHash, genesisSigner },
    runId: context.random.bytes(16),
    compress: context.compress,
    limits: {
      maxBytes: seal.max_bytes,
      maxLines: seal.max_lines,
      maxAgeMs: seal.max_age,
      maxSilenceMs: Math.min(seal.max_silence, maxSilenceMs),
    },
    onSealed: context.onSealed,
    onSigned: (micros: number) => context.meter.signed(micros),
    onShortage: context.onShortage,
  });
}

function runStart(context: ChainContext): RunStart {
  const { config, version, host } = context;
  return { host, version, labels: config.labels, config: maskedConfig(config) };
}
