// The walk over one chain: joins what judges heads, payloads and receipts, and keeps the thread.
//
// - It never stops at the first fault and never throws on bad data.
// - After a bad or missing block the thread is taken up from the next header's own numbers.
//   What follows is unauthenticated until a receipt confirms the tree (re-anchors it).
// - Constant memory, whatever the chain's length.
//
// Spec: docs/spec/verification.md.

import { headLength } from "../core/block.ts";
import { equalBytes, fromHex, hex } from "../core/bytes.ts";
import type { Receipt, VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import type { Fault, FindingCode } from "../core/fault.ts";
import { findingClasses } from "../core/fault.ts";
import type { Grant } from "../core/grant.ts";
import { blockHash, type Header } from "../core/header.ts";
import type { PayloadItem } from "../core/payload.ts";
import { SourceTable } from "../core/sources.ts";
import { type Finding, finding, type Place } from "./finding.ts";
import { type ForkProofs, judgeForks } from "./forks.ts";
import { type HeadContext, type HeadJudgement, judgeHead } from "./head.ts";
import { Holes } from "./holes.ts";
import {
  judgePayload,
  type PayloadContext,
  type PayloadOutcome,
  type RunPlace,
  unread,
} from "./payload.ts";
import type { ReceiptContext } from "./receipts.ts";
import { RecentBlocks } from "./recent.ts";
import { Tally } from "./tally.ts";
import { firstThread, type Thread } from "./thread.ts";
import { TimeJudge } from "./times.ts";

export interface WalkOptions {
  readonly suite: Suite;
  /** The chain id, in hex, under which the chain is stored or asked for. */
  readonly chain: string;
  /** The grant, if it could be read; a bad one is reported by whoever read it. */
  readonly grant: Grant | undefined;
  /** Hash of the grant as stored; undefined where a finding about it was made already. */
  readonly grantHash: Uint8Array | undefined;
  readonly vaults: readonly VaultKeys[];
  readonly forks?: ForkProofs;
  /** Blocks remembered; a vault, which can look older ones up, remembers few. */
  readonly remember?: number;
  /** Payloads were judged before: their items are applied, their envelopes not derived again. */
  readonly itemsOnly?: boolean;
  /** Sizes at which the tree's root is wanted afterwards. */
  readonly rootsAt?: ReadonlySet<number>;
  readonly report: (finding: Finding) => void;
  readonly onItem?: (item: PayloadItem, raw: Uint8Array, seq: number, count: number) => void;
  readonly onEnvelope?: (preimage: Uint8Array, hash: Uint8Array, item: PayloadItem) => void;
}

/** Where a block was found. */
export type BlockPlace = Pick<Place, "object" | "byte">;

/** Why a block comes without payload. */
export type NoPayload = "missing" | "not-read";

export class ChainWalk {
  readonly thread: Thread;
  readonly sources: SourceTable;
  readonly recent: RecentBlocks;
  readonly tally: Tally = new Tally();
  /** What could not be judged; never changes the verdict. */
  readonly unchecked: Set<string> = new Set();
  /** Roots that were asked for by `rootsAt`, in hex. */
  readonly roots: Map<number, string> = new Map();
  readonly receipts: ReceiptContext;
  readonly #options: WalkOptions;
  readonly #holes: Holes;
  readonly #runIds = new Set<string>();
  readonly #times: TimeJudge;
  #chainId: Uint8Array;
  #place: Place = {};
  /** First block of the stretch that is not authenticated. */
  #unauthenticatedFrom: number | undefined;
  #extended = false;
  #missing: { from: number; count: number } | undefined;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#chainId = fromHex(options.chain, 32);
    this.thread = firstThread(options.suite, options.grant);
    this.sources = new SourceTable(options.suite);
    this.recent = new RecentBlocks(options.remember);
    this.#holes = new Holes();
    this.#times = new TimeJudge(this.recent, (block, message) =>
      this.report("TIME_SKEW", message, { block }),
    );
    this.receipts = {
      suite: options.suite,
      vaults: options.vaults,
      chain: () => hex(this.#chainId),
      recent: this.recent,
      onVerified: (receipt) => this.#confirmed(receipt),
      unchecked: (what) => this.unchecked.add(what),
    };
  }

  /** The id that the chain's blocks name: the genesis' hash, or what it is stored under. */
  get chainId(): string {
    return hex(this.#chainId);
  }

  /** Whether the newest block is authenticated by its chain of keys or by a receipt. */
  get authenticated(): boolean {
    return this.#unauthenticatedFrom === undefined;
  }

  /** Blocks known to be there, those included that could not be used. */
  get length(): number {
    return this.thread.blockNo + this.#holes.excusedFrom(this.thread.blockNo);
  }

  /** Blocks that count as authenticated must not reach this number. */
  get unauthenticatedFrom(): number | undefined {
    return this.#unauthenticatedFrom;
  }

  /** Judges a head without changing anything: what a vault asks before it believes a block. */
  judge(head: Uint8Array): HeadJudgement {
    return judgeHead(this.#context(), head);
  }

  /** Runs of this chain that began before the walk did; their ids may not come again. */
  knowRuns(runIds: Iterable<string>): void {
    for (const id of runIds) this.#runIds.add(id);
  }

  /**
   * Takes the next stored block. Returns its header if it is now part of the thread. `known` is
   * what judge() said about this head just before, to spare a second look at its signature.
   */
  block(
    head: Uint8Array,
    payload: Uint8Array | NoPayload,
    place: BlockPlace = {},
    known?: HeadJudgement,
  ): Header | undefined {
    this.#place = place;
    const first = known ?? judgeHead(this.#context(), head);
    const judged = first.place === "gap" ? this.#skip(first) : first;
    const { header, hash } = judged;
    if (judged.place === "aside" || judged.place === "lost" || header === undefined) {
      this.#refuse(judged);
      return undefined;
    }
    for (const fault of judged.faults) this.#fault(fault, header.blockNo);
    if (header.blockNo === 0) this.#genesis(header, hash);
    if (!judged.authenticated) this.#unauthenticatedFrom ??= header.blockNo;
    this.#accept(judged, header, payload);
    return header;
  }

  /** Compares a second copy of a head that was walked with the first. */
  copy(blockNo: number, head: Uint8Array, walked: Uint8Array, place: BlockPlace): void {
    if (equalBytes(head, walked.subarray(0, headLength))) return;
    this.#place = place;
    this.report("BAD_SIGNATURE", "copy of the header is not what was signed", { block: blockNo });
  }

  report(code: FindingCode, message: string, place: Place = {}): void {
    this.tally.note(code);
    this.#options.report(
      finding(code, message, { chain: this.#options.chain, ...this.#place, ...place }),
    );
  }

  /** All blocks were given: what is missing, and what nobody vouches for. */
  finish(): void {
    this.#place = {};
    this.#reportMissingPayloads();
    for (const { from, to } of this.#holes.open()) {
      const blocks = to - from;
      const what = blocks === 1 ? `block ${from} is` : `blocks ${from} to ${to - 1} are`;
      this.report("BLOCK_MISSING", `${what} not there`, { block: from, blocks });
    }
    if (this.#unauthenticatedFrom === undefined) return;
    const block = this.#unauthenticatedFrom;
    this.report("UNAUTHENTICATED", `nothing vouches for the blocks from ${block} on`, { block });
  }

  #context(): HeadContext {
    return {
      suite: this.#options.suite,
      chainId: this.#chainId,
      thread: this.thread,
      recent: this.recent,
      grant: this.#options.grant,
      runIds: this.#runIds,
    };
  }

  #fault(fault: Fault, block: number, seq?: number): void {
    this.report(fault.code, fault.message, seq === undefined ? { block } : { block, seq });
  }

  // Blocks between were lost; the same head is judged again against what is still known.
  #skip(first: HeadJudgement): HeadJudgement {
    const header = first.header as Header;
    this.#holes.add(this.thread.blockNo, header.blockNo);
    this.#reportMissingPayloads();
    this.thread.skipTo(header);
    this.sources.loosen();
    return this.judge(first.head);
  }

  #refuse(judged: HeadJudgement): void {
    const { header } = judged;
    const expected = this.thread.blockNo;
    for (const fault of judged.faults) {
      const old = judged.place === "aside" && fault.code !== "WRONG_CHAIN";
      if (fault.code === "EXTENDED_AFTER_FINAL") {
        if (this.#extended) return;
        this.#extended = true;
      }
      this.#fault(
        fault,
        old && header !== undefined ? header.blockNo : expected + this.#holes.excusedFrom(expected),
      );
      if (fault.code === "BLOCK_ORDER" && header !== undefined) this.#holes.fill(header.blockNo);
      if (old) return;
    }
    this.#holes.excuse(expected);
  }

  #genesis(header: Header, hash: Uint8Array): void {
    this.thread.beginAt(header);
    if (!equalBytes(hash, this.#chainId)) {
      this.report("WRONG_CHAIN", `genesis is that of chain ${hex(hash)}`, { block: 0 });
      this.#chainId = hash;
    }
  }

  #accept(judged: HeadJudgement, header: Header, payload: Uint8Array | NoPayload): void {
    const { thread } = this;
    const { head, hash } = judged;
    const run = this.#runPlace(header);
    const key = thread.key;
    judgeForks(this.#options.forks, { suite: this.#options.suite, key, header, head }, (message) =>
      this.report("FORK", message, { block: header.blockNo }),
    );
    const outcome = this.#payload(header, payload, run, judged.faults);
    const receiptSize = Math.max(thread.receiptSize, outcome.receiptSize);
    if (run !== "same") this.#newRun(header);
    this.#times.block(header, thread.run, run === "same" && !outcome.clockStepped);
    thread.advance(header, hash, outcome.count);
    thread.lastHashes = outcome.lastHashes;
    thread.stopped = outcome.stopped;
    thread.configHash = outcome.configHash;
    if (header.blockNo > 0) thread.receiptHash = outcome.receiptHash;
    thread.receiptSize = receiptSize;
    const root = thread.frontier?.root();
    this.recent.add(header.blockNo, { leaf: hash, root, key, time: header.time });
    this.tally.block(header, outcome.count ?? header.count);
    if (root !== undefined && this.#options.rootsAt?.has(thread.blockNo)) {
      this.roots.set(thread.blockNo, hex(root));
    }
  }

  #runPlace(header: Header): RunPlace {
    const { run } = this.thread;
    if (header.blockNo === 0) return "new";
    if (run === undefined) return "unknown";
    return equalBytes(run.id, header.runId) ? "same" : "new";
  }

  #newRun(header: Header): void {
    const { run, stopped } = this.thread;
    this.#runIds.add(hex(header.runId));
    this.tally.runs += 1;
    if (run === undefined || stopped === undefined) return;
    const seconds = ((header.time - run.time) / 1e6).toFixed(1);
    if (stopped)
      this.report("DOWNTIME", `agent was stopped for ${seconds} s`, { block: header.blockNo });
    else {
      this.report("RESTART_UNCLEAN", `agent began again after ${seconds} s without a stop`, {
        block: header.blockNo,
      });
    }
  }

  #payload(
    header: Header,
    payload: Uint8Array | NoPayload,
    run: RunPlace,
    said: readonly Fault[],
  ): PayloadOutcome {
    const faulty = said.some(isHard);
    const { suite, grant, grantHash, itemsOnly = false, onItem, onEnvelope } = this.#options;
    const context: PayloadContext = {
      suite,
      grant,
      grantHash,
      itemsOnly,
      thread: this.thread,
      sources: this.sources,
      receipts: this.receipts,
      report: (fault, seq) => {
        // A block with a broken link says nothing new by failing again further in.
        if (faulty && isHard(fault)) return;
        if (said.some(({ code }) => code === fault.code)) return;
        this.#fault(fault, header.blockNo, seq);
      },
      ...(onItem === undefined ? {} : { onItem }),
      ...(onEnvelope === undefined ? {} : { onEnvelope }),
    };
    if (payload instanceof Uint8Array) {
      this.#reportMissingPayloads();
      return judgePayload(context, header, payload, run);
    }
    if (payload === "missing") this.#missingPayload(header.blockNo);
    else this.unchecked.add("payloads: only headers were read");
    return unread(context, header);
  }

  #missingPayload(blockNo: number): void {
    this.#missing ??= { from: blockNo, count: 0 };
    this.#missing.count += 1;
  }

  #reportMissingPayloads(): void {
    if (this.#missing === undefined) return;
    const { from, count } = this.#missing;
    this.#missing = undefined;
    const what = count === 1 ? `block ${from}` : `blocks ${from} to ${from + count - 1}`;
    this.report("PAYLOAD_MISSING", `only the header is left of ${what}`, {
      block: from,
      blocks: count,
    });
  }

  // A genuine receipt agrees with our tree: it vouches for every block that it covers.
  #confirmed(receipt: Receipt): void {
    this.tally.confirm(receipt);
    this.#times.receipt(receipt);
    const from = this.#unauthenticatedFrom;
    if (from === undefined || receipt.size <= from) return;
    this.#unauthenticatedFrom = undefined;
    this.report("REANCHORED", `a receipt vouches for the blocks from ${from} on`, { block: from });
  }
}

function isHard(fault: Fault): boolean {
  const kind = findingClasses[fault.code];
  return kind === "structure" || kind === "encoding";
}

/** The chain id that a genesis has. */
export function chainIdOf(suite: Suite, genesisHead: Uint8Array): string {
  return hex(blockHash(suite, genesisHead));
}
