// Verifies one chain: reads it from any source, walks it, judges its end, and sums up.
//
// - Trusts keys that it was given and nothing else.
// - Never throws on bad data. What can't be read ends the walk: INDETERMINATE, with what was seen.
//
// Spec: docs/spec/verification.md.

import { type Authority, judgeGrant, nobody, trusting } from "../core/authority.ts";
import { headLength } from "../core/block.ts";
import type { ChainSource } from "../core/chain-source.ts";
import { claimedSize, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { type Header, isSignedBy } from "../core/header.ts";
import type { VerifierKey } from "../core/note.ts";
import type { PayloadItem } from "../core/payload.ts";
import { judgeAge, judgeDates, judgeReceipt } from "./ending.ts";
import type { Finding } from "./finding.ts";
import { readForks } from "./forks.ts";
import type { JudgedPayload } from "./payload.ts";
import { type ChainReport, chainReport } from "./report.ts";
import { type FoundBlock, HeadCopies, storedBlocks } from "./stored-blocks.ts";
import { ask, Unreadable } from "./unreadable.ts";
import { ChainWalk } from "./walk.ts";
import type { Positions, PositionsRoom } from "./walk-options.ts";

/** By whose word chains are judged. */
export interface JudgedBy {
  readonly suite: Suite;
  readonly roots: readonly VerifierKey[];
  /** None: audiences are not judged, and no receipt confirms anything. */
  readonly vaults: readonly VaultKeys[];
}

export interface VerifyOptions extends JudgedBy {
  /** Unix microseconds at which the age of heads is judged; undefined: it is not. */
  readonly at?: number | undefined;
  /** Reads no payloads. */
  readonly headersOnly?: boolean;
  /** Takes the copies of heads where there are some, and does not look at these blocks. */
  readonly copies?: boolean;
  /** Derives no envelopes: what payloads say of lines is not judged. */
  readonly itemsOnly?: boolean;
  /** Called with every finding, in the order in which they are made. */
  readonly report: (finding: Finding) => void;
  /** Called per stored block; for progress. */
  readonly onBlock?: (chain: string, bytes: number) => void;
  /** Called with each block that became part of the thread, after it was judged. */
  readonly onAccepted?: (header: Header, walk: ChainWalk, head: Uint8Array) => void;
  readonly onItem?: (item: PayloadItem, raw: Uint8Array, seq: number) => void;
  /** The payload of a block, after it was judged, where it holds what its header says. */
  readonly onPayload?: (payload: JudgedPayload) => void;
  /** Sizes of this chain at which others name its root. */
  readonly rootsAt?: ReadonlySet<number>;
  /** Others name it: how many positions of sources may be kept for these. */
  readonly positionsRoom?: PositionsRoom;
}

/** A block that became part of the thread, after it was judged. */
export interface WalkedBlock {
  readonly header: Header;
  readonly head: Uint8Array;
  readonly walk: ChainWalk;
}

/** Walks one chain to its end. */
export async function verifyChain(
  chain: ChainSource,
  options: VerifyOptions,
): Promise<ChainReport> {
  const blocks = walkChain(chain, options);
  for (;;) {
    const next = await blocks.next();
    if (next.done === true) return next.value;
  }
}

/** The same, block by block: nothing is read before the next one is asked for. */
export async function* walkChain(
  chain: ChainSource,
  options: VerifyOptions,
): AsyncGenerator<WalkedBlock, ChainReport, undefined> {
  const verification = new ChainVerification(chain, options);
  try {
    yield* verification.run();
  } catch (caught) {
    if (!(caught instanceof Unreadable)) throw caught;
    verification.unreadable(caught.message);
  }
  return verification.summary();
}

/** Whether nothing says that the chain ever began: it is none of its place's. */
export async function neverBegan(
  chain: ChainSource,
  { suite, roots, vaults }: JudgedBy,
): Promise<boolean> {
  const quiet = { suite, roots, vaults, headersOnly: true, report: () => {} };
  const blocks = walkChain(chain, quiet);
  const first = await blocks.next();
  if (first.done === true) return first.value.leftover;
  await blocks.return(undefined as never);
  return false;
}

// The steps of one chain, so that what was seen is kept when its source fails midway.
class ChainVerification {
  readonly #chain: ChainSource;
  readonly #options: VerifyOptions;
  readonly #unchecked = new Set<string>(["revocations: this version reads no list of them"]);
  #authority: Authority = nobody;
  #datesHold = true;
  #walk: ChainWalk;
  readonly #unread: string[] = [];
  /** False where nothing says that the chain ever began; true as long as that is not known. */
  #begun = false;

  constructor(chain: ChainSource, options: VerifyOptions) {
    this.#chain = chain;
    this.#options = options;
    this.#walk = this.#begin(new Map(), undefined, undefined);
  }

  async *run(): AsyncGenerator<WalkedBlock, void, undefined> {
    const { suite, roots, vaults, at } = this.#options;
    // First: it names what the others fail at.
    this.#unread.push(...(await ask("the list of objects", this.#chain.unread)));
    const receipt = await ask("the newest receipt", this.#chain.receipt);
    const bytes = await ask("the grant", this.#chain.grant);
    if (vaults.length === 0) this.#unchecked.add("the grant's audience: no vault key was given");
    const keys = trusting(roots, vaults);
    this.#authority = judgeGrant(suite, keys, bytes);
    // The newest receipt may lie so far back that the walk has forgotten that root.
    yield* this.#blocks(receipt && claimedSize(receipt));
    const walk = this.#walk;
    this.#begun ||= receipt !== undefined || hasTraces(walk) || this.#unread.length > 0;
    if (!this.#begun) return;
    const { standing, fault = unknownRoot } = this.#authority;
    walk.end();
    if (standing !== "trusted") walk.report(fault.code, fault.message, { object: "grant" });
    judgeReceipt(walk, receipt);
    this.#datesHold = judgeDates(walk);
    walk.finish();
    if (at !== undefined) judgeAge(walk, at);
  }

  /** Something of the source could not be read. */
  unreadable(what: string): void {
    this.#begun = true;
    this.#unread.push(what);
    this.#unchecked.add(what);
  }

  summary(): ChainReport {
    for (const each of this.#walk.unchecked) this.#unchecked.add(each);
    const [unchecked, unread] = [[...this.#unchecked], this.#unread];
    const [authority, datesHold] = [this.#authority, this.#datesHold];
    const { headersOnly = false, at } = this.#options;
    const positions = this.#positions();
    const facts = {
      ...{ authority, datesHold, headersOnly, at, positions, unchecked, unread },
      leftover: !this.#begun,
    };
    return chainReport(this.#chain.id, this.#walk, facts);
  }

  #positions(): Positions | undefined {
    const { positionsRoom: room } = this.#options;
    const positions = room && this.#walk.positions(room.left);
    if (room !== undefined) room.left -= positions?.size ?? 0;
    return positions;
  }

  async *#blocks(receiptSize: number | undefined): AsyncGenerator<WalkedBlock, void, undefined> {
    const { headersOnly = false, copies: asCopies = false, onBlock, onAccepted } = this.#options;
    const heads = asCopies ? "copies" : "heads";
    const chain = this.#chain;
    const forks = await readForks(chain, (what) => this.#unchecked.add(what));
    const blocks = await ask("the list of blocks", chain.blocks);
    const headers = await ask("the list of headers", chain.headers);
    this.#begun = forks.size > 0 || headers.length > 0;
    let walk = this.#begin(forks, undefined, receiptSize);
    this.#walk = walk;
    const copies = new HeadCopies(headers, (object, message) =>
      walk.report("MALFORMED", message, { object }),
    );
    const soFar = {
      position: () => walk.thread.blockNo,
      suite: this.#options.suite,
      isGenuine: (head: Uint8Array) => isGenuine(walk, head),
    };
    let begun = false;
    const taken = headersOnly ? heads : "blocks";
    for await (const found of storedBlocks({ blocks, headers }, soFar, taken)) {
      if (!begun) {
        begun = true;
        walk = this.#begin(forks, found.stored.head, receiptSize);
        this.#walk = walk;
      }
      const { head, payload } = found.stored;
      onBlock?.(chain.id, head.length + payload.length);
      const header = feed(walk, found);
      if (header === undefined) continue;
      onAccepted?.(header, walk, head);
      yield { header, head, walk };
      const copy =
        found.payload instanceof Uint8Array ? await copies.at(header.blockNo) : undefined;
      if (copy !== undefined) walk.copy(header.blockNo, copy.head, head, copy);
    }
  }

  // A grant that was bent may name a bent key: then the genesis is not judged by it.
  #begin(
    forks: Awaited<ReturnType<typeof readForks>>,
    head: Uint8Array | undefined,
    receiptSize: number | undefined,
  ): ChainWalk {
    const { suite, report, itemsOnly = false, onItem, onPayload, rootsAt = [] } = this.#options;
    const { grant, terms } = this.#authority;
    const signed =
      terms === undefined &&
      grant !== undefined &&
      head !== undefined &&
      isSignedBy(suite, grant.key, head);
    return new ChainWalk({
      suite,
      report,
      forks,
      chain: this.#chain.id,
      authority: this.#authority,
      itemsOnly,
      ...(signed ? { key: grant.key } : {}),
      rootsAt: new Set([0, ...rootsAt, ...(receiptSize === undefined ? [] : [receiptSize])]),
      ...(onItem === undefined ? {} : { onItem }),
      ...(onPayload === undefined ? {} : { onPayload }),
    });
  }
}

// A torn tail is no block: it leaves no trace in a walk.
function hasTraces({ length, totals }: ChainWalk): boolean {
  return length > 0 || totals.blocks > 0 || totals.counts.size > 0;
}

const unknownRoot: Fault = new Fault("UNKNOWN_ROOT", "no root key was given to judge the grant by");

function isGenuine(walk: ChainWalk, head: Uint8Array): boolean {
  const judged = walk.judge(head);
  return judged.authenticated && judged.place === "next";
}

function feed(walk: ChainWalk, found: FoundBlock): Header | undefined {
  const { stored, object, payload, named } = found;
  const place = { object, byte: stored.at };
  if (isTorn(walk, found)) return undefined;
  if (isExtra(walk, found)) {
    walk.report("NON_CANONICAL", "bytes follow the last block", {
      ...place,
      block: Math.max(0, walk.length - 1),
    });
    return undefined;
  }
  const expected = walk.thread.blockNo;
  const header = walk.block(stored.head, payload, place);
  const misnamed = named !== undefined && named !== header?.blockNo && named !== expected;
  if (header !== undefined && misnamed) {
    const message = `object is named for block ${named} and begins with ${header.blockNo}`;
    walk.report("NON_CANONICAL", message, { ...place, block: header.blockNo });
  }
  return header;
}

// An incomplete newest block is no fault: its writer may be at it, or was cut off by a crash. But
// nobody writes behind a final block.
function isTorn(walk: ChainWalk, { stored, nextObject }: FoundBlock): boolean {
  if (stored.shape !== "cut" || !stored.last || nextObject !== undefined) return false;
  if (walk.thread.final) return false;
  if (stored.head.length < headLength) return true;
  const judged = walk.judge(stored.head);
  return (judged.place === "next" || judged.place === "gap") && judged.faults.length === 0;
}

// Bytes behind the last block of an object that are none, where no block is missing.
function isExtra(walk: ChainWalk, { stored, nextObject }: FoundBlock): boolean {
  if (stored.shape === "whole" || !stored.last) return false;
  return nextObject === undefined
    ? stored.head.length < headLength
    : stored.shape === "junk" && nextObject === walk.length;
}
