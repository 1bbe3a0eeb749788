// Brings a chain's head back from the store, and notes what it needs to do so quickly again.
//
// - Nothing is believed because it is stored. What a note of ours covers was checked once, and
//   stands as long as nobody touched its objects; all else is read and checked (stored-check.ts).
// - When a chain began, our receipts say. One that has none is judged as one that begins now, by
//   its grant's root, its dates, and how many other chains began with it: here, so that nobody is
//   shown it, and again when its first receipt is signed, for then it begins.
// - A note costs no sync. It is written when the head is forgotten, when the vault stops, after a
//   check of the whole, and every few hundred blocks; what came after it is checked again.
// - Whole chains are checked few at a time: thousands may need it at once, after a copy was put
//   back.

import { believed, judgeGrant } from "../core/authority.ts";
import { hex } from "../core/bytes.ts";
import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { type Grant, parseGrant } from "../core/grant.ts";
import { blockHash, decodeHeader, type Header } from "../core/header.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { isSame } from "../store/print.ts";
import type { ChainReader, ChainWriter, Store } from "../store/store.ts";
import type { Finding } from "../verify/finding.ts";
import type { HeadJudgement } from "../verify/head.ts";
import { ChainWalk, type WalkOptions } from "../verify/walk.ts";
import type { Catalog } from "./catalog.ts";
import { Damage } from "./damage.ts";
import { type Floor, floorOf } from "./floor.ts";
import { assertInTime, type Founding, type FoundingPolicy, usedUp } from "./founding.ts";
import {
  type CheckedChain,
  checkedChain,
  formatHeadNote,
  headNoteText,
  openHeadNote,
} from "./head-note.ts";
import type { OwnNotes } from "./own-notes.ts";
import { Problem } from "./problem.ts";
import { WorkQueue } from "./queue.ts";
import type { ReceiptKeeper } from "./receipts.ts";
import type { SignedReceipt, VaultSigners } from "./signer.ts";
import { type Checked, checkAll, checkBehind, type StoredCheck } from "./stored-check.ts";

/** What is durable of a chain. */
export interface StoredHead {
  readonly size: number;
  readonly root: Uint8Array;
  readonly header: Header;
  readonly hash: Uint8Array;
}

export interface ChainHead {
  readonly chain: string;
  readonly grant: Grant;
  /** By what it is to begin; undefined once a receipt says that it did. */
  founding: Founding | undefined;
  readonly walk: ChainWalk;
  readonly writer: ChainWriter;
  readonly reader: ChainReader;
  /** What the walk said since this was emptied. */
  readonly findings: Finding[];
  /** Undefined until the genesis is stored. */
  stored: StoredHead | undefined;
  /** Newest block, header ‖ signature; undefined until the genesis is stored. */
  newest: Uint8Array | undefined;
  /** Whether the walk knows the runs of all earlier blocks. */
  allRuns: boolean;
  receipt: SignedReceipt | undefined;
  /** Where it lay when the head was brought back: in the store and here, in one of them, nowhere. */
  receiptLay: Floor["lay"];
  /** No receipt may be dated before this, in Unix seconds. */
  receiptFloor: number;
  /** The head that was judged as the next one, while the block before it was `after`. */
  judged: { readonly judged: HeadJudgement; readonly after: Uint8Array | undefined } | undefined;
  /** Blocks that the note in the state directory covers, and whether it says that all is sure. */
  noted: number;
  notedSure: boolean;
}

export interface BringBackOptions {
  readonly store: Store;
  readonly keys: VaultKeys;
  readonly signers: Pick<VaultSigners, "receipt">;
  /** Who may begin chains, at this time. */
  readonly policy: FoundingPolicy;
  readonly notes: OwnNotes;
  readonly clock: Pick<Clock, "now">;
  readonly diag: Diag;
  readonly catalog: Pick<Catalog, "sharers" | "began" | "mayBegin">;
  /** Knows the receipts that are not written yet. */
  readonly keeper: Pick<ReceiptKeeper, "newest">;
}

/** Blocks that a walk remembers here: older ones are looked up in the store. */
const remembered = 4;
const checksAtOnce = 2;
/** After so many blocks the note is written anew. */
export const notedEvery = 512;

export class BringBack {
  readonly #options: BringBackOptions;
  readonly #checks = new WorkQueue({ atOnce: checksAtOnce });
  /** Heads brought back, and those among them for which the whole chain was read. */
  replays = 0;
  wholeChecks = 0;

  constructor(options: BringBackOptions) {
    this.#options = options;
  }

  /** A head for a chain that may begin; nothing of it is stored. */
  unfounded(chain: string, founding: Founding): ChainHead {
    const { grant } = founding;
    const findings: Finding[] = [];
    const walk = new ChainWalk(this.#walkOptions(chain, grant, findings));
    const reader = this.#options.store.reader(chain);
    const own = { chain, grant, founding, walk, writer: noWriter, reader, findings };
    return { ...nothingStored, ...own, allRuns: true };
  }

  /**
   * The chain's head from the store; undefined for a chain without blocks. `last` is what memory
   * held of it until now. Throws Damage, Problem grant-refused, or what the store threw.
   */
  async open(chain: string, last?: StoredHead): Promise<ChainHead | undefined> {
    const { store, diag } = this.#options;
    const reader = store.reader(chain);
    const floor = await this.#floor(reader, last);
    const noted = await this.#noted(chain);
    const opened = await store.open(chain, { durable: floor.size, known: noted });
    if (opened === undefined || opened.writer.size === 0) {
      if (floor.size === 0 && opened?.report.damage === undefined) return undefined;
      throw new Damage(
        opened?.report.damage ?? `receipt covers ${floor.size} blocks, and the grant is gone`,
      );
    }
    const { writer, report } = opened;
    if (report.damage !== undefined) throw new Damage(report.damage);
    if (report.cutBytes > 0) {
      diag.warn("torn tail of a chain was cut off", { chain, bytes: report.cutBytes });
    }
    const head = await this.#check(reader, writer, floor, noted);
    // Whoever wrote while it was read is found now.
    if (head.noted < writer.size && !(await writer.untouched())) {
      throw new Problem("store-unavailable", "stored objects change while they are checked", {
        retryAfter: 5,
      });
    }
    this.replays += 1;
    if (head.noted < head.writer.size) await this.note(head);
    return head;
  }

  /** The newest receipt of this vault's over a chain, of all copies; undefined where none is one. */
  async receipt(chain: string): Promise<SignedReceipt | undefined> {
    try {
      return (await this.#floor(this.#options.store.reader(chain), undefined)).receipt;
    } catch (error) {
      if (error instanceof Damage) return undefined;
      throw error;
    }
  }

  /** Whether a chain that is not open need not be looked at more closely. */
  async stands(chain: string): Promise<boolean> {
    const noted = await this.#noted(chain);
    if (noted === undefined || !noted.sure) return false;
    return isSame(await this.#options.store.print(chain, noted.base), noted.print);
  }

  /** Writes down what a head has come to. What can't be written is checked again, later. */
  async note(head: ChainHead): Promise<void> {
    const { keys, signers, notes, diag } = this.#options;
    const { walk, writer, newest, allRuns, chain } = head;
    if (newest === undefined || walk.thread.blockNo !== writer.size) return;
    try {
      await writer.settle();
      const sure = writer.unsure === "nothing";
      if (writer.unsure === "more" || (head.noted === writer.size && head.notedSure === sure))
        return;
      const { size, base, print, content } = writer;
      const end = { grant: hex(head.grant.hash), sure, size, base, print, content };
      const checked = checkedChain(walk, newest, allRuns, end);
      const text = headNoteText(keys.receipt.name, checked);
      await notes.keep(chain, "checked", formatHeadNote(text, signers.receipt.signNote(text)));
      [head.noted, head.notedSure] = [size, sure];
    } catch (error) {
      diag.warn("couldn't note what was checked of a chain", { chain, error: error as Error });
    }
  }

  async #floor(reader: ChainReader, last: StoredHead | undefined): Promise<Floor> {
    const { policy, keys, notes, keeper } = this.#options;
    const { suite } = policy;
    const { id: chain } = reader;
    const [stored, own] = [await reader.receipt(), await notes.read(chain, "receipt")];
    return floorOf({ suite, keys, chain, stored, own, pending: keeper.newest(chain), last });
  }

  async #noted(chain: string): Promise<CheckedChain | undefined> {
    const { policy, keys, notes, diag } = this.#options;
    try {
      const note = await notes.read(chain, "checked");
      return note && openHeadNote(policy.suite, keys.receipt, chain, note);
    } catch (error) {
      // Without it all is checked again.
      diag.warn("couldn't read what was checked of a chain", { chain, error: error as Error });
      return undefined;
    }
  }

  async #check(
    reader: ChainReader,
    writer: ChainWriter,
    floor: Floor,
    noted: CheckedChain | undefined,
  ): Promise<ChainHead> {
    const { suite } = this.#options.policy;
    const { id: chain } = reader;
    const stored = await reader.grant();
    const isJudged = stored !== undefined && hex(suite.sha256(stored)) === noted?.grant;
    const holds = noted && isJudged ? await this.#holds(chain, writer, noted) : undefined;
    const began = floor.receipt !== undefined;
    // What a note covers was judged before.
    const judged = began && holds !== undefined ? undefined : this.#judged(stored, began);
    const founding = began ? undefined : judged;
    if (founding !== undefined) await this.#assertMayBegin(chain, founding);
    const grant = judged?.grant ?? parseGrant(suite, stored as Uint8Array);
    const findings: Finding[] = [];
    const options = this.#walkOptions(chain, grant, findings);
    const check: StoredCheck = { reader, size: writer.size, grant, floor, options };
    let found: Checked;
    if (noted === undefined || holds === undefined) {
      found = await this.#checks.pass(() => checkAll(check));
      this.wholeChecks += 1;
    } else {
      found = await checkBehind(check, noted, holds === "grown");
    }
    const { walk } = found;
    const { receipt, lay: receiptLay, time: receiptFloor } = floor;
    const whole = holds === "whole" ? noted : undefined;
    const head: ChainHead = {
      ...{ ...nothingStored, chain, grant, founding, walk, writer, reader, findings },
      ...{ receipt, receiptLay, receiptFloor },
      ...{ noted: whole?.size ?? 0, notedSure: whole?.sure ?? false },
      allRuns: holds === undefined || noted?.runs !== undefined,
    };
    moveTo(suite, head, found.head, rootOf(walk));
    return head;
  }

  /** What still stands of a note: everything, or what was settled. Undefined: nothing. */
  async #holds(
    chain: string,
    writer: ChainWriter,
    noted: CheckedChain,
  ): Promise<"whole" | "grown" | undefined> {
    const { base, print, content } = noted;
    const now = writer.base === base ? writer.print : await this.#options.store.print(chain, base);
    if (now.settled !== print.settled) return undefined;
    const same = now.rest === print.rest && writer.content.digest === content.digest;
    return same && writer.size === noted.size ? "whole" : "grown";
  }

  // Who began a chain was judged then, and our receipt says so; the root may be trusted no more.
  #judged(bytes: Uint8Array | undefined, began: boolean): Founding {
    const { suite, keys } = this.#options.policy;
    let judged = judgeGrant(suite, keys, bytes);
    if (began && judged.fault?.code === "UNKNOWN_ROOT")
      judged = judgeGrant(suite, { ...keys, roots: undefined }, bytes);
    const { terms: grant, uses, fault } = judged;
    if (grant !== undefined && bytes !== undefined) return { grant, uses, bytes };
    throw new Damage(`stored grant fails: ${fault?.code ?? "MALFORMED"}`);
  }

  // Somebody may have put it into the store.
  async #assertMayBegin(chain: string, founding: Founding): Promise<void> {
    const { clock, catalog } = this.#options;
    assertInTime(founding.grant, clock.now());
    for await (const other of catalog.sharers(chain, founding))
      if (await this.#began(other)) catalog.began(other);
    if (!catalog.mayBegin(chain, founding)) throw usedUp(founding.grant);
  }

  async #began(chain: string): Promise<boolean> {
    try {
      const floor = await this.#floor(this.#options.store.reader(chain), undefined);
      return floor.receipt !== undefined;
    } catch (error) {
      // Receipts that contradict each other, or are of keys that were exchanged, were given.
      if (error instanceof Damage) return true;
      throw error;
    }
  }

  #walkOptions(chain: string, grant: Grant, findings: Finding[]): WalkOptions {
    const { policy, keys } = this.#options;
    const { suite } = policy;
    return {
      ...{ suite, chain, remember: remembered, authority: believed(grant, [keys]) },
      report: (finding) => findings.push(finding),
    };
  }
}

/** The block of `newest` is durable, and `root` is that of all blocks. */
export function moveTo(
  suite: Suite,
  head: ChainHead,
  newest: Uint8Array,
  root: Uint8Array,
): StoredHead {
  const header = decodeHeader(newest);
  const hash = blockHash(suite, newest);
  head.newest = newest;
  head.stored = { size: header.blockNo + 1, root, header, hash };
  return head.stored;
}

function rootOf(walk: ChainWalk): Uint8Array {
  const root = walk.thread.frontier?.root();
  if (root === undefined) throw new Damage("tree of the chain is not known");
  return root;
}

/** What a head is before anything is stored. */
const nothingStored = {
  judged: undefined,
  stored: undefined,
  newest: undefined,
  receipt: undefined,
  receiptLay: "both",
  receiptFloor: 0,
  noted: 0,
  notedSure: false,
} as const;

/** Of a chain that has not begun. */
const noWriter: ChainWriter = {
  size: 0,
  base: 0,
  print: { settled: "", rest: "" },
  content: { bytes: 0, digest: "" },
  unsure: "nothing",
  settle: async () => undefined,
  untouched: async () => true,
  seemsUntouched: async () => true,
  append() {
    throw new RangeError("chain has not begun");
  },
};
