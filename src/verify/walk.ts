// The walk over one chain: joins what judges heads, payloads and receipts, and keeps the thread.
//
// - It never stops at the first fault and never throws on bad data.
// - After a bad or missing block the thread is taken up from the next header's own numbers.
//   What follows is unauthenticated until a receipt confirms the tree (re-anchors it).
// - Bounded memory, whatever the chain's length.
//
// Spec: docs/spec/verification.md; "Beginning at a snapshot" for walks that begin elsewhere.

import type { Authority } from "../core/authority.ts";
import { headLength } from "../core/block.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import { type Fault, type FindingCode, findingClasses } from "../core/fault.ts";
import { blockHash, decodeHeader, type Header } from "../core/header.ts";
import { SourceTable } from "../core/sources.ts";
import { ClosedSources } from "./closed-sources.ts";
import { finding, type Place } from "./finding.ts";
import { judgeForks } from "./forks.ts";
import { type HeadContext, type HeadJudgement, judgeHead } from "./head.ts";
import { Holes } from "./holes.ts";
import { MissingPayloads, Unauthenticated } from "./long-faults.ts";
import { judgePayload, type PayloadContext, type PayloadOutcome, unread } from "./payload.ts";
import type { ReceiptContext } from "./receipts.ts";
import { RecentBlocks, remembered } from "./recent.ts";
import { RunLog, type RunPlace } from "./run-log.ts";
import { Thread } from "./thread.ts";
import { TimeJudge } from "./times.ts";
import { Totals } from "./totals.ts";
import type { BlockPlace, NoPayload, Positions, Predecessor, WalkOptions } from "./walk-options.ts";

export type { NoPayload, Predecessor, WalkOptions };

const maxUnchecked = 100;

export class ChainWalk {
  readonly thread: Thread;
  readonly sources: SourceTable;
  readonly recent: RecentBlocks;
  readonly totals: Totals = new Totals();
  readonly runs: RunLog;
  /** What could not be judged; never changes the verdict. */
  readonly unchecked: Set<string> = new Set();
  /** Roots that were asked for by `rootsAt`, in hex. */
  readonly roots: Map<number, string> = new Map();
  readonly receipts: ReceiptContext;
  /** The genesis' `predecessor` record. */
  predecessor: Predecessor | undefined;
  /** Whether the genesis was there and signed by the grant's key. */
  begun = false;
  /** When the genesis was sealed, by the agent's clock; undefined where it is not there. */
  begunAt: number | undefined;
  /** Whether the genesis names the grant that is there; undefined where it is not the chain's. */
  namesGrant: boolean | undefined;
  /** The head of that genesis. */
  genesisHead: Uint8Array | undefined;
  readonly #options: WalkOptions;
  readonly #holes: Holes = new Holes();
  readonly #closed: ClosedSources;
  readonly #times: TimeJudge;
  readonly #missing: MissingPayloads;
  readonly #unauthenticated: Unauthenticated;
  #chainId: Uint8Array;
  #place: Place = {};
  #extended = false;
  /** What should have named the next key, a block or the grant, is of a version that is not known. */
  #unsupported: boolean;

  constructor(options: WalkOptions) {
    const report = this.report.bind(this);
    this.#options = options;
    this.#unsupported = options.authority.fault?.code === "UNSUPPORTED";
    this.#chainId = idBytes(options.chain);
    this.thread = new Thread(options.suite, options.key ?? options.authority.terms?.key);
    this.sources = new SourceTable(options.suite);
    this.recent = new RecentBlocks(options.remember);
    this.#closed = new ClosedSources(options.remember ?? remembered);
    this.runs = new RunLog((what) => this.unchecked.add(what));
    this.#missing = new MissingPayloads(report);
    this.#unauthenticated = new Unauthenticated(report);
    this.#times = new TimeJudge(this.recent, (block, message) =>
      this.report("TIME_SKEW", message, { block }),
    );
    this.receipts = {
      suite: options.suite,
      authority: options.authority,
      chain: () => hex(this.#chainId),
      rootAt: (size) => this.#rootAt(size),
      onGenuine: (receipt) => {
        this.totals.cover(receipt);
        if (this.authority.standing !== "refused") {
          this.#times.receipt(receipt, this.totals.allRead);
        }
      },
      // Our tree is the receipt's: it vouches for every block that it covers.
      onVerified: (receipt) => {
        this.totals.confirm(receipt);
        this.#unauthenticated.confirmed(receipt.size);
      },
      onFailed: () => {
        this.totals.receiptsFailed = true;
      },
      // Names of vaults are a chain's own: there may be any number.
      unchecked: (what) => this.unchecked.size < maxUnchecked && this.unchecked.add(what),
    };
    this.#noteRoot();
  }

  /**
   * A walk whose next block is the one behind `before`, which must hold a snapshot: until that is
   * read, tree and sources are unknown. Without `before` it begins at the genesis. That head is
   * believed as it is: it must come from a place that checked it, or a receipt must confirm the
   * chain's end. Throws Fault for a head that is none.
   */
  static behind(before: Uint8Array | undefined, options: WalkOptions): ChainWalk {
    const walk = new ChainWalk(options);
    if (before === undefined) return walk;
    const header = decodeHeader(before);
    walk.unchecked.add(`blocks 0 to ${header.blockNo}`);
    walk.thread.beginBehind(header, blockHash(options.suite, before));
    walk.runs.know([hex(header.runId)]);
    walk.sources.loosen();
    return walk;
  }

  get authority(): Authority {
    return this.#options.authority;
  }

  /** The id that the chain's blocks name: the genesis' hash, or what it is stored under. */
  get chainId(): string {
    return hex(this.#chainId);
  }

  /** Blocks known to be there, those included that could not be used. */
  get length(): number {
    return this.thread.blockNo + this.#holes.excusedFrom(this.thread.blockNo);
  }

  /** Whether all is known that a snapshot tells: not where none was met since the walk began. */
  get restored(): boolean {
    return this.thread.frontier !== undefined && !this.sources.loose;
  }

  /** First block that neither a chain of keys nor, so far, a receipt vouches for. */
  get unauthenticatedFrom(): number | undefined {
    return this.#unauthenticated.from;
  }

  /** Up to where the blocks so far hold each source, if that is known and no more than `most`. */
  positions(most: number): Positions | undefined {
    if (this.sources.loose || this.#closed.forgets) return undefined;
    const held = new Map(this.#closed.ends);
    // What is not known is never taken for too little.
    const unknown = Number.POSITIVE_INFINITY;
    for (const { id, expected = unknown } of this.sources) held.set(id, expected);
    return held.size > most ? undefined : held;
  }

  /** Judges a head without changing anything: what a vault asks before it believes a block. */
  judge(head: Uint8Array): HeadJudgement {
    return judgeHead(this.#context(), head);
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
    const first = known ?? this.judge(head);
    if (first.header?.kind === "genesis") this.#grantOf(first.header, first);
    const judged = first.place === "gap" ? this.#skip(first) : first;
    const { header } = judged;
    if (judged.place === "aside" || judged.place === "lost" || header === undefined) {
      this.#refuse(judged);
      return undefined;
    }
    // Of a block that is linked the place counts, whatever number it gives.
    const { blockNo } = this.thread;
    for (const fault of judged.faults) this.#fault(fault, blockNo);
    if (!judged.authenticated) this.#unauthenticated.add(blockNo, this.#unsupported);
    this.#unsupported = false;
    if (blockNo === 0) this.#genesis(header, judged);
    this.#accept(judged, header, payload);
    return header;
  }

  /** Compares a second copy of a head that was walked with the first. */
  copy(blockNo: number, head: Uint8Array, walked: Uint8Array, place: BlockPlace): void {
    if (equalBytes(head, walked.subarray(0, headLength))) return;
    this.#place = place;
    this.report("BAD_SIGNATURE", "copy of the header is not what was signed", { block: blockNo });
  }

  /** Reports at the place of the block that is being walked, unless told otherwise. */
  report(code: FindingCode, message: string, place: Place = {}): void {
    this.totals.note(code);
    const here = "object" in place ? {} : this.#place;
    this.#options.report(finding(code, message, { chain: this.#options.chain, ...here, ...place }));
  }

  /** No more blocks come: says what is missing. What is said from now on is about the chain. */
  end(): void {
    this.#place = {};
    this.totals.ended = true;
    this.#missing.close();
    for (const { from, to } of this.#holes.open()) {
      const blocks = to - from;
      const what = blocks === 1 ? `block ${from} is` : `blocks ${from} to ${to - 1} are`;
      this.report("BLOCK_MISSING", `${what} not there`, { block: from, blocks });
    }
  }

  /** After the newest receipt was judged: what nobody vouches for. */
  finish(): void {
    this.#unauthenticated.close();
    // What is left is for heights that were not walked; the next block's key is known all the same.
    const { blockNo, key } = this.thread;
    for (const block of [...(this.#options.forks?.keys() ?? [])]) {
      this.#forks(block, block === blockNo ? key : undefined);
    }
  }

  #context(): HeadContext {
    return {
      suite: this.#options.suite,
      chainId: this.#chainId,
      thread: this.thread,
      recent: this.recent,
      grant: this.authority.terms,
      runs: this.runs,
    };
  }

  #fault(fault: Fault, block: number, seq?: number): void {
    const { code, message, reason } = fault;
    this.report(code, message, {
      block,
      ...(seq === undefined ? {} : { seq }),
      ...(reason === undefined ? {} : { reason }),
    });
  }

  // Blocks between were lost; the same head is judged again against what is still known.
  #skip(first: HeadJudgement): HeadJudgement {
    const header = first.header as Header;
    this.#holes.add(this.thread.blockNo, header.blockNo);
    this.#missing.close();
    this.thread.skipTo(header);
    this.sources.loosen();
    return this.judge(first.head);
  }

  #refuse({ place, header, faults }: HeadJudgement): void {
    const [fault] = faults;
    if (fault === undefined) return;
    const expected = this.thread.blockNo;
    // A block that stands aside of the thread is named by its own number, others by their place.
    if (place === "aside" && header !== undefined && fault.code !== "WRONG_CHAIN") {
      if (fault.code === "EXTENDED_AFTER_FINAL" && this.#extended) return;
      this.#extended ||= fault.code === "EXTENDED_AFTER_FINAL";
      this.#fault(fault, header.blockNo);
      if (fault.code === "BLOCK_ORDER") this.#holes.fill(header.blockNo);
      return;
    }
    this.#fault(fault, expected + this.#holes.excusedFrom(expected));
    this.#unsupported = fault.code === "UNSUPPORTED";
    this.#holes.excuse(expected);
  }

  // Its id says that it is the chain's, whoever must have signed it.
  #grantOf(genesis: Header, { head, hash }: HeadJudgement): void {
    const { grant } = this.authority;
    if (!equalBytes(hash, this.#chainId)) return;
    this.genesisHead = head.slice(0, headLength);
    this.namesGrant = grant !== undefined && equalBytes(genesis.receiptHash, grant.hash);
  }

  #genesis(header: Header, { hash, authenticated }: HeadJudgement): void {
    this.thread.beginAt(header, this.authority.terms?.hash);
    this.begun = authenticated;
    this.begunAt = header.time;
    if (equalBytes(hash, this.#chainId)) return;
    this.report("WRONG_CHAIN", `genesis is that of chain ${hex(hash)}`, { block: 0 });
    this.#chainId = hash;
  }

  #accept(judged: HeadJudgement, header: Header, payload: Uint8Array | NoPayload): void {
    const { thread, recent } = this;
    const { hash } = judged;
    const { key, blockNo } = thread;
    const run = this.runs.placeOf(thread, header);
    this.#forks(blockNo, key, judged.head.subarray(0, headLength));
    const outcome = this.#payload(header, payload, run, judged.faults);
    if (run !== "same") {
      const fault = this.runs.begin(thread, header);
      if (fault !== undefined) this.#fault(fault, blockNo);
    }
    this.#times.block(header, thread.run, outcome.clockStepped, outcome.times);
    thread.advance(header, hash, outcome.count);
    thread.lastHashes = outcome.lastHashes;
    thread.stopped = outcome.stopped;
    thread.configHash = outcome.configHash;
    thread.receiptHash = outcome.receiptHash;
    thread.receiptSize = outcome.receiptSize;
    const root = thread.frontier?.root();
    recent.add(blockNo, { leaf: hash, root, key, time: header.time });
    this.totals.block(header, outcome.count);
    this.totals.restarts += outcome.restarts;
    this.#noteRoot();
  }

  #forks(block: number, key: Uint8Array | undefined, walked?: Uint8Array): void {
    const { suite, forks } = this.#options;
    const proofs = forks?.get(block);
    if (proofs === undefined) return;
    forks?.delete(block);
    const height = { suite, chainId: this.#chainId, block, key, walked };
    judgeForks(proofs, height, (code, message, object) =>
      this.report(code, message, { block, object }),
    );
  }

  #payload(
    header: Header,
    payload: Uint8Array | NoPayload,
    run: RunPlace,
    said: readonly Fault[],
  ): PayloadOutcome {
    const context = this.#payloadContext(said);
    if (payload instanceof Uint8Array) {
      this.#missing.close();
      return judgePayload(context, header, payload, run);
    }
    if (payload === "missing") this.#missing.add(this.thread.blockNo);
    else this.unchecked.add("payloads: only headers were read");
    return unread(context, header);
  }

  #payloadContext(said: readonly Fault[]): PayloadContext {
    const { suite, itemsOnly = false, onItem, onPayload } = this.#options;
    const { terms } = this.authority;
    const faulty = said.some(isHard);
    return {
      suite,
      grant: terms,
      itemsOnly,
      thread: this.thread,
      sources: this.sources,
      receipts: this.receipts,
      report: (fault, seq) => {
        // A block with a broken link says nothing new by failing again further in.
        if (faulty && isHard(fault)) return;
        if (said.some(({ code }) => code === fault.code)) return;
        this.#fault(fault, this.thread.blockNo, seq);
      },
      unchecked: (what) => this.unchecked.add(what),
      closed: this.#closed,
      onPredecessor: (record, seq) => {
        this.predecessor ??= { record, seq };
      },
      ...(onItem === undefined ? {} : { onItem }),
      ...(onPayload === undefined ? {} : { onPayload }),
    };
  }

  #noteRoot(): void {
    const { blockNo, frontier } = this.thread;
    if (frontier === undefined || this.#options.rootsAt?.has(blockNo) !== true) return;
    this.roots.set(blockNo, hex(frontier.root()));
  }

  #rootAt(size: number): string | undefined {
    const root = this.recent.rootAt(size);
    return root === undefined ? this.roots.get(size) : hex(root);
  }
}

function isHard(fault: Fault): boolean {
  const kind = findingClasses[fault.code];
  return kind === "structure" || kind === "encoding";
}

// A name that is no chain id is no genesis' hash either.
function idBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(32);
  if (!/^[0-9a-f]{64}$/.test(name)) return bytes;
  return bytes.map((_, at) => Number.parseInt(name.slice(2 * at, 2 * at + 2), 16));
}
