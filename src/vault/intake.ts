// Takes blocks in: from a request's bytes to a receipt.
//
// - The order is the law: verified completely → appended → synced → head moves → receipt signed →
//   kept → answered. Whoever holds a receipt holds a promise that a power cut cannot break.
// - After a failed sync nothing is answered as stored or taken in, and the vault's process ends.
// - Good blocks before a bad one are stored and receipted; the bad one is refused once it is first.
// - A refusal is never remembered: it may be about bytes that somebody changed on the way.
// - Only a head that is signed by the key that must sign it makes room for its payload. Payloads of
//   stored blocks are passed over as they arrive, and a chain's turn is taken only to store.
//
// Reference: docs/reference/http.md, "Posting blocks".

import { headLength } from "../core/block.ts";
import { hex, isZero } from "../core/bytes.ts";
import type { Pieces } from "../core/chain-source.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { blockHash, type Header } from "../core/header.ts";
import { BlockReader, type FoundHead, type WholeBlock } from "../core/whole-blocks.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Peer } from "../host/http-listener.ts";
import { discard } from "../host/memory.ts";
import type { Store } from "../store/store.ts";
import { type Admission, admit } from "./admit.ts";
import { type ChainHead, moveTo } from "./bring-back.ts";
import type { Catalog } from "./catalog.ts";
import { wordsAfter } from "./chain-words.ts";
import { Damage } from "./damage.ts";
import {
  assertInTime,
  type Founding,
  type FoundingPolicy,
  judgeFounding,
  usedUp,
} from "./founding.ts";
import type { Gate } from "./gate.ts";
import type { Heads } from "./heads.ts";
import type { ForkKeeper } from "./kept-forks.ts";
import type { Leftovers } from "./leftovers.ts";
import type { IntakeOutcome, VaultObserver } from "./observer.ts";
import { kindsIn } from "./open-findings.ts";
import { Problem, storeProblem } from "./problem.ts";
import { Shared, within } from "./queue.ts";
import type { ReceiptKeeper } from "./receipts.ts";
import { Refusals } from "./refusals.ts";
import { readBlocks } from "./request-blocks.ts";
import type { Held, Room } from "./room.ts";
import type { ReceiptSigner, SignedReceipt } from "./signer.ts";
import { bodyBytesMax, tooLarge } from "./stream.ts";
import type { Watch } from "./watch.ts";

export interface IntakeOptions {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly diag: Diag;
  readonly gate: Gate;
  readonly store: Store;
  readonly heads: Heads;
  readonly catalog: Catalog;
  readonly signer: ReceiptSigner;
  readonly keeper: ReceiptKeeper;
  readonly forks: Pick<ForkKeeper, "keep">;
  readonly leftovers: Pick<Leftovers, "abandon">;
  readonly room: Room;
  readonly policy: FoundingPolicy;
  readonly observer: VaultObserver;
  readonly watch: Pick<Watch, "stored" | "forked">;
}

export interface Submission {
  readonly chain: string;
  readonly peer: Peer;
  /** The header Sealtail-Grant. */
  readonly grant: string | undefined;
  /** What the request says of its body's length. */
  readonly length: number | undefined;
  readonly body: Pieces;
}

/** What became of a request. */
export interface Taken {
  /** Over all that is stored. */
  readonly receipt: SignedReceipt;
  /** Whether blocks were stored: whoever sent them holds the chain's key. */
  readonly grew: boolean;
}

const grantsWaitMs = 5000;

export class Intake {
  readonly #options: IntakeOptions;
  readonly #refusals: Refusals;
  // However many requests a chain gets from strangers, they take few of its turns.
  readonly #confirming = new Shared<SignedReceipt>();

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#refusals = new Refusals(options);
  }

  /** Stores what can be stored of a request, and returns a receipt. Throws Problem. */
  async post(submission: Submission): Promise<Taken> {
    const { gate, room } = this.#options;
    gate.assertOpen();
    const { chain, length, peer } = submission;
    if (length !== undefined && length > bodyBytesMax) throw tooLarge(bodyBytesMax);
    const held = room.open(chain, peer.address);
    const reader = new BlockReader(submission.body, bodyBytesMax, (bytes) => held.take(bytes));
    const post = (): Promise<Taken> =>
      this.#post(submission, reader, held).catch((error) => this.#explain(chain, error));
    try {
      return await gate.pass(post);
    } finally {
      held.giveBack();
      await reader.close().catch(() => undefined);
    }
  }

  async #post(submission: Submission, reader: BlockReader, held: Held): Promise<Taken> {
    const { suite, heads, policy, clock, gate } = this.#options;
    const { chain, grant } = submission;
    const known = await this.#headOf(submission);
    let founding: Founding | undefined;
    if (known === undefined) {
      founding = judgeFounding(policy, grant, clock.now());
      held.begins();
    }
    const first = await reader.head();
    if (first === undefined) throw new Problem("bad-request", "body is empty, want whole blocks");
    if (founding !== undefined) await this.#judgeGenesis(chain, first, founding);
    const { blocks, passed } = await readBlocks(suite, reader, known);
    this.#count("duplicate", passed);
    if (blocks.length === 0) return { receipt: await this.confirm(chain), grew: false };
    return await heads.use(chain, async (head) => {
      gate.assertOpen();
      return await this.#take(chain, head, founding, blocks);
    });
  }

  /** The chain's head, to judge heads by: read only, and without a turn of the chain's own. */
  async #headOf({ chain, peer }: Submission): Promise<ChainHead | undefined> {
    const { heads, catalog } = this.#options;
    if (catalog.get(chain) === undefined) return heads.peek(chain);
    return await heads.visit(chain, peer);
  }

  /** A receipt over all that is stored: the newest one, or a new one. Throws as Heads.use() does. */
  async confirm(chain: string): Promise<SignedReceipt> {
    const { heads, gate } = this.#options;
    // Nothing is signed over objects that somebody changed meanwhile.
    await heads.assertWhole(chain);
    return await this.#confirming.once(chain, (begun) =>
      heads.use(chain, async (head) => {
        begun();
        gate.assertOpen();
        return await this.#sign(head);
      }),
    );
  }

  /** Judges the head by which a chain would begin, by the cheap things first. Throws Problem. */
  async #judgeGenesis(chain: string, { header, head }: FoundHead, by: Founding): Promise<void> {
    const { suite, catalog, heads, clock } = this.#options;
    const detail = { size: 0, root: hex(suite.sha256(new Uint8Array(0))) };
    if (header.kind !== "genesis") {
      const text = `block is numbered ${header.blockNo}, want 0`;
      throw new Problem("wrong-head", text, { block: header.blockNo, ...detail });
    }
    if (hex(blockHash(suite, head)) !== chain || !isZero(header.chainId)) {
      const text = "block is the genesis of another chain";
      throw new Problem("block-refused", text, { finding: "WRONG_CHAIN", block: 0, ...detail });
    }
    // The walk that judges it for good is made when the whole request is there.
    const fault = heads.unfounded(chain, by).walk.judge(head).faults[0];
    if (fault !== undefined) {
      const extra = { finding: fault.code, block: 0, ...detail };
      throw new Problem("block-refused", fault.message, extra);
    }
    // Right after a start, the grants of stored chains may not all be read yet.
    const late = (): Problem =>
      new Problem("busy", "the grants of stored chains are still being read", { retryAfter: 5 });
    await within(catalog.usesKnown(), grantsWaitMs, clock, late);
    if (catalog.isUsedUp(chain, by)) throw usedUp(by.grant);
  }

  async #take(
    chain: string,
    known: ChainHead | undefined,
    founding: Founding | undefined,
    blocks: readonly WholeBlock[],
  ): Promise<Taken> {
    const { clock, heads, suite } = this.#options;
    if (known === undefined && founding === undefined) throw gone();
    if (known !== undefined) await this.#assertMayReceipt(known, clock.now());
    const head = known ?? heads.unfounded(chain, founding as Founding);
    const result = await admit(suite, head, blocks).catch((error: unknown) => {
      // The walk may have taken in a part of a block: the next request brings the head back.
      heads.drop(chain);
      throw error;
    });
    if (result.spoiled) heads.drop(chain);
    this.#countAll(result, blocks);
    if (result.refusal !== undefined) await this.#refuse(chain, result, result.refusal);
    if (result.accepted.length === 0) {
      if (result.refusal !== undefined) throw result.refusal;
      return { receipt: await this.#sign(head), grew: false };
    }
    // A chain that is stored begins in the moment in which it was judged, all of it being here.
    const now = clock.now();
    const founded = known ?? (await this.#begin(head, founding as Founding, result, now));
    if (known !== undefined) await this.#store(known, result);
    for (const { payload } of result.accepted) discard(payload);
    if (known === undefined && !result.spoiled) heads.put(founded);
    const receipt = await this.#sign(founded, known === undefined ? now : clock.now());
    return { receipt, grew: true };
  }

  /** Stores the grant, then the first blocks. Throws Problem if the grant's uses are used up. */
  async #begin(
    head: ChainHead,
    founding: Founding,
    result: Admission,
    now: number,
  ): Promise<ChainHead> {
    const { catalog, store, leftovers } = this.#options;
    const { grant, bytes } = founding;
    // They were judged when the request came, and it may have taken its time.
    assertInTime(grant, now);
    if (!catalog.reserve(head.chain, founding)) throw usedUp(grant);
    try {
      const founded = { ...head, writer: await store.create(head.chain, bytes) };
      await this.#store(founded, result);
      return founded;
    } catch (error) {
      if (await leftovers.abandon(head.chain, error)) catalog.forget(head.chain);
      throw error;
    }
  }

  async #store(head: ChainHead, { accepted, end, findings }: Admission): Promise<void> {
    const { suite, clock, catalog, observer, heads, watch } = this.#options;
    const { chain, writer } = head;
    const newest = accepted.at(-1) as WholeBlock;
    const { root, stopped } = end as NonNullable<typeof end>;
    const started = clock.mono();
    try {
      await writer.append(accepted);
    } catch (error) {
      // How much of it is stored is not known: the next request looks.
      heads.drop(chain);
      throw error;
    }
    observer.stored((clock.mono() - started) / 1e6);
    const words = wordsAfter(suite, catalog.get(chain)?.words, head.stored?.header, accepted);
    moveTo(suite, head, newest.head, root);
    failpoint("store-after-head");
    const now = clock.now();
    catalog.grew(chain, newest.header, now, { stopped, words });
    const to = newest.header.blockNo + 1;
    watch.stored(chain, { from: to - accepted.length, to, findings, stopped });
    for (const kind of kindsIn(findings)) observer.found(kind);
    for (const { header } of accepted) observer.lag(Math.max(0, now - header.time) / 1e6);
  }

  /** The newest receipt if it covers all that is stored, else a new one, which will be kept. */
  async #sign(
    head: ChainHead | undefined,
    at: number = this.#options.clock.now(),
  ): Promise<SignedReceipt> {
    const stored = head?.stored;
    if (head === undefined || stored === undefined) throw gone();
    const { signer, observer, heads, keeper, catalog } = this.#options;
    // Somebody who read may have found it damaged meanwhile.
    const damage = heads.damage(head.chain);
    if (damage !== undefined) throw damage;
    if (head.receipt?.size !== stored.size) {
      await this.#assertMayReceipt(head, at);
      const notBefore = Math.max(head.receiptFloor, head.receipt?.time ?? 0);
      head.receipt = signer.sign(head.chain, stored.size, stored.root, notBefore, at);
      keeper.note(head.chain, head.receipt, head.founding?.bytes);
      head.founding = undefined;
      observer.receipt();
    } else keeper.again(head);
    catalog.receipted(head.chain, stored.size);
    // It says when the chain began, so it must not get lost.
    if (keeper.isHeldBack(head.chain)) await keeper.keep(head.chain);
    return head.receipt;
  }

  // Nothing is stored for which there would be no receipt. A chain begins with its first one:
  // whatever was judged before, it is judged in this moment, and takes a use of its grant.
  async #assertMayReceipt({ chain, founding }: ChainHead, at: number): Promise<void> {
    const { catalog, heads, keeper } = this.#options;
    await keeper.assertKeeps(chain);
    if (founding === undefined) return;
    try {
      assertInTime(founding.grant, at);
      if (!catalog.begin(chain, founding)) throw usedUp(founding.grant);
    } catch (error) {
      // Who asks next is told the same, readers too.
      heads.drop(chain);
      throw error;
    }
  }

  async #refuse(chain: string, { fork }: Admission, problem: Problem): Promise<void> {
    const { diag, forks, catalog, observer, watch } = this.#options;
    if (fork === undefined) return;
    observer.fork();
    const { block } = problem.extra;
    const [kept, entry] = [await forks.keep(chain, fork), catalog.get(chain)];
    if (kept && entry !== undefined) entry.forks += 1;
    if (kept) watch.forked(chain, fork.block);
    diag.error("fork of a chain", { chain, block, kept });
  }

  #countAll({ accepted, known, refusal }: Admission, blocks: readonly WholeBlock[]): void {
    const headers = blocks.map(({ header }) => header);
    const at = accepted.length + known;
    this.#count("stored", headers.slice(known, at));
    this.#count("duplicate", headers.slice(0, known));
    if (refusal !== undefined) this.#count("rejected", headers.slice(at, at + 1));
  }

  #count(outcome: IntakeOutcome, blocks: readonly Header[]): void {
    if (blocks.length === 0) return;
    const envelopes = blocks.reduce((sum, { count }) => sum + count, 0);
    const bytes = blocks.reduce((sum, { storedLength }) => sum + headLength + storedLength, 0);
    this.#options.observer.received(outcome, blocks.length, envelopes, bytes);
  }

  /** Throws what the client is told of whatever was thrown. */
  async #explain(chain: string, thrown: unknown): Promise<never> {
    const { observer, diag, gate, heads } = this.#options;
    const damage = thrown instanceof Damage && (await heads.condemn(chain, thrown));
    const error = damage || thrown;
    const problem = this.#refusals.explain(chain, error);
    if (problem !== undefined) throw problem;
    if (!(error instanceof SealtailError)) {
      // Memory that ran out, say: it tells nothing of the block, so the agent sends it again.
      diag.error("couldn't judge blocks", { chain, error: error as Error });
      throw new Problem("busy", "the vault could not judge the blocks", { retryAfter: 5 });
    }
    observer.storeFailed(error.code);
    if (!gate.fault(error)) diag.error("couldn't store blocks", { chain, error });
    throw storeProblem(error);
  }
}

function gone(): Problem {
  return new Problem("unknown-chain", "chain is not stored", { size: 0 });
}
