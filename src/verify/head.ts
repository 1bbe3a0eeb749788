// Judges a block's header and signature against the thread of its chain (step D).
//
// - Pure: nothing is changed, so a vault can refuse a block without having believed any of it.
// - A header whose signature fails is judged no further than its own bytes.
// - Of what is wrong with a link, the first is reported: one fault is one finding.
//
// Spec: docs/spec/verification.md, "D: each header".

import { equalBytes } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import type { Grant } from "../core/grant.ts";
import {
  blockHash,
  decodeHeader,
  type Header,
  headerLength,
  isSignedBy,
  signatureLength,
} from "../core/header.ts";
import { checkPublicKey } from "../core/public-key.ts";
import type { RecentBlocks } from "./recent.ts";
import type { RunLog } from "./run-log.ts";
import { agree, type Thread } from "./thread.ts";

/** next: goes on. gap: goes on after a loss. aside: is no part of the thread. lost: cannot be used. */
export type HeadPlace = "next" | "gap" | "aside" | "lost";

export interface HeadJudgement {
  readonly place: HeadPlace;
  readonly head: Uint8Array;
  readonly header: Header | undefined;
  readonly hash: Uint8Array;
  /** Whether the key that had to sign it did. */
  readonly authenticated: boolean;
  readonly faults: readonly Fault[];
}

export interface HeadContext {
  readonly suite: Suite;
  /** The id that later blocks must name: the genesis' hash. */
  readonly chainId: Uint8Array;
  readonly thread: Thread;
  readonly recent: RecentBlocks;
  /** A genuine grant. */
  readonly grant: Grant | undefined;
  readonly runs: RunLog;
}

/** Judges header ‖ signature. Never throws. */
export function judgeHead(context: HeadContext, head: Uint8Array): HeadJudgement {
  const { suite, thread } = context;
  const hash = blockHash(suite, head);
  const unusable = { place: "lost", head, hash, authenticated: false } as const;
  let header: Header;
  try {
    if (head.length < headerLength + signatureLength) {
      throw new Fault("MALFORMED", "block is cut short");
    }
    header = decodeHeader(head);
  } catch (caught) {
    return { ...unusable, header: undefined, faults: [own(caught)] };
  }
  const stray = strayFault(context, header, head, hash);
  if (stray !== undefined) {
    return { ...unusable, place: "aside", header, faults: [stray] };
  }
  if (header.blockNo > thread.blockNo && !linked(thread, header)) {
    return { ...unusable, place: "gap", header, faults: [] };
  }
  if (thread.key === undefined) {
    return { ...unusable, place: "next", header, faults: [...linkFaults(context, header)] };
  }
  if (!isSignedBy(suite, thread.key, head)) {
    const fault = new Fault("BAD_SIGNATURE", "signature is not by the key that must sign", 384);
    return { ...unusable, header, faults: [fault] };
  }
  return {
    ...unusable,
    place: "next",
    header,
    authenticated: true,
    faults: [...linkFaults(context, header)],
  };
}

function own(caught: unknown): Fault {
  if (caught instanceof Fault) return caught;
  throw caught;
}

function linked(thread: Thread, header: Header): boolean {
  return thread.prevHash !== undefined && equalBytes(thread.prevHash, header.prevHash);
}

// A block of another chain, one that was here before, or one behind the end.
function strayFault(
  context: HeadContext,
  header: Header,
  head: Uint8Array,
  hash: Uint8Array,
): Fault | undefined {
  const { suite, thread, recent, chainId } = context;
  if (thread.final) return new Fault("EXTENDED_AFTER_FINAL", "block follows a final one");
  if (linked(thread, header)) return undefined;
  // Where a genesis is expected, one that is bent is not someone else's.
  if (thread.blockNo === 0 && header.kind === "genesis") return undefined;
  // A genesis names its chain by being it.
  const named = header.kind === "genesis" ? hash : header.chainId;
  if (!equalBytes(named, chainId)) {
    return new Fault("WRONG_CHAIN", "block belongs to another chain", 16);
  }
  if (header.blockNo >= thread.blockNo) return undefined;
  const known = recent.get(header.blockNo);
  if (known?.leaf !== undefined && equalBytes(known.leaf, hash)) {
    return new Fault("BLOCK_DUPLICATE", `block ${header.blockNo} stands here a second time`);
  }
  const twin =
    known?.leaf !== undefined && known.key !== undefined && isSignedBy(suite, known.key, head);
  return twin
    ? new Fault("FORK", `two blocks ${header.blockNo} are signed by the same key`)
    : new Fault("BLOCK_ORDER", `block ${header.blockNo} stands behind ${thread.blockNo - 1}`);
}

function* linkFaults(context: HeadContext, header: Header): Generator<Fault> {
  const link = linkFault(context, header);
  if (link !== undefined) yield link;
  yield* keyFaults(context, header);
  yield* runFaults(context, header);
  const most = context.grant?.maxSilenceMs;
  if (most !== undefined && header.maxSilenceMs > most) {
    yield new Fault("LIMIT_EXCEEDED", `max_silence_ms is above the grant's ${most}`, 76);
  }
  if (header.receiptSize > header.blockNo) {
    yield new Fault("RECEIPT_MISMATCH", "receipt covers blocks that came later", 336);
  } else if (header.receiptSize < context.thread.receiptSize) {
    yield new Fault("RECEIPT_REGRESSION", "receipt covers less than an earlier one", 336);
  }
}

function linkFault(context: HeadContext, header: Header): Fault | undefined {
  const { chainId, thread } = context;
  const id = header.kind === "genesis" ? new Uint8Array(32) : chainId;
  if (!equalBytes(header.chainId, id)) {
    return new Fault("WRONG_CHAIN", "block names another chain", 16);
  }
  if (header.blockNo !== thread.blockNo) {
    return new Fault(
      "BLOCK_ORDER",
      `block is numbered ${header.blockNo}, want ${thread.blockNo}`,
      48,
    );
  }
  if (!agree(thread.prevHash, header.prevHash)) {
    return new Fault("BAD_PREV", "prev_hash is not the hash of the block before", 80);
  }
  if (!agree(thread.frontier?.root(), header.chainRoot)) {
    return new Fault("CHAIN_ROOT_MISMATCH", "chain_root is not the root of the blocks before", 112);
  }
  if (thread.seqs.length > 0 && !thread.seqs.includes(header.firstSeq)) {
    return new Fault("SEQ_MISMATCH", `first_seq is ${header.firstSeq}, want ${thread.seqs[0]}`, 56);
  }
  return undefined;
}

function* keyFaults({ thread, recent }: HeadContext, header: Header): Generator<Fault> {
  if (header.kind === "final") return;
  try {
    checkPublicKey(header.nextPub);
  } catch (caught) {
    yield own(caught);
    return;
  }
  if (thread.key !== undefined && equalBytes(thread.key, header.nextPub)) {
    yield new Fault("KEY_REUSE", "next_pub is the key that signed this block", 240);
  } else if (recent.signedBy(header.nextPub)) {
    yield new Fault("KEY_REUSE", "next_pub is a key that signed an earlier block", 240);
  }
}

function* runFaults({ thread, runs }: HeadContext, header: Header): Generator<Fault> {
  const { run } = thread;
  if (run === undefined) return;
  if (!equalBytes(run.runId, header.runId)) {
    if (runs.has(header.runId)) {
      yield new Fault("RUN_ID_REUSED", "run_id was used by an earlier run", 344);
    }
    return;
  }
  if (header.mono < run.mono) {
    yield new Fault("TIME_REGRESSION", `mono is ${header.mono}, before ${run.mono}`, 368);
    return;
  }
  const silence = header.mono - run.mono;
  if (run.maxSilenceMs > 0 && silence > run.maxSilenceMs * 1000) {
    yield new Fault(
      "SILENCE_EXCEEDED",
      `${Math.round(silence / 1e6)} s since the block before, promised ${run.maxSilenceMs / 1000} s`,
      76,
    );
  }
}
