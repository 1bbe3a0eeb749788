// Takes blocks in: from a request's bytes to a receipt.
//
// - The order is the law: verified completely → appended → synced → head moves → receipt signed →
//   kept → answered. Whoever holds a receipt holds a promise that a power cut cannot break.
// - After a failed sync nothing is answered as stored, nothing else is taken in, and whoever runs
//   the vault ends the process.
// - Of a request whose later blocks are refused, the good ones before are stored and receipted;
//   the refusal is the answer once the bad block comes first.
//
// Reference: docs/reference/http.md, "Posting blocks".

import { hex } from "../core/bytes.ts";
import type { Pieces } from "../core/chain-source.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { blockHash } from "../core/header.ts";
import type { WholeBlock } from "../core/whole-blocks.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { failpoint } from "../host/failpoint.ts";
import { discard } from "../host/memory.ts";
import type { Store } from "../store/store.ts";
import { type Admission, admit, headDetail, refuseEarly } from "./admit.ts";
import { BodyReader, bodyBytesMax, tooLarge } from "./body.ts";
import type { Catalog } from "./catalog.ts";
import { type Founding, type FoundingPolicy, judgeFounding, usedUp } from "./founding.ts";
import { type ChainHead, type Heads, storedHead } from "./heads.ts";
import type { IntakeOutcome, VaultObserver } from "./observer.ts";
import { kindsIn } from "./open-findings.ts";
import { Problem, storeProblem } from "./problem.ts";
import type { ReceiptKeeper } from "./receipts.ts";
import type { Room } from "./room.ts";
import type { ReceiptSigner, SignedReceipt } from "./signer.ts";
import type { Watch } from "./watch.ts";

export interface IntakeOptions {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly diag: Diag;
  readonly store: Store;
  readonly heads: Heads;
  readonly catalog: Catalog;
  readonly signer: ReceiptSigner;
  readonly keeper: ReceiptKeeper;
  readonly room: Room;
  readonly policy: FoundingPolicy;
  readonly observer: VaultObserver;
  readonly watch: Pick<Watch, "stored" | "forked">;
  /** Told once, of the error after which the store's state is unknown. */
  readonly onUnsafe: (error: unknown) => void;
}

export interface Submission {
  readonly chain: string;
  /** The header Sealtail-Grant. */
  readonly grant: string | undefined;
  /** What the request says of its body's length. */
  readonly length: number | undefined;
  readonly body: Pieces;
}

interface Refused {
  readonly hash: string;
  readonly problem: Problem;
}

const refusedMax = 1024;
const grantsWaitMs = 5000;

export class Intake {
  readonly #options: IntakeOptions;
  /** Newest refused block of a chain: whoever sends it again gets the same answer for nothing. */
  readonly #refused = new Map<string, Refused>();
  #unsafe = false;
  #closing = false;
  #underWay = 0;
  #idle = Promise.withResolvers<void>();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Whether the store's state is unknown: nothing is taken in any more. */
  get unsafe(): boolean {
    return this.#unsafe;
  }

  /** Takes nothing in from now on; returns when all that is under way has ended. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#underWay > 0) await this.#idle.promise;
  }

  /** Stores what can be stored of a request, and returns a receipt. Throws Problem. */
  async post(submission: Submission): Promise<SignedReceipt> {
    this.assertOpen();
    const { chain, length } = submission;
    if (length !== undefined && length > bodyBytesMax) throw tooLarge(bodyBytesMax);
    const reader = new BodyReader(submission.body, bodyBytesMax);
    this.#underWay += 1;
    try {
      return await this.#post(submission, reader);
    } catch (error) {
      throw this.#explain(chain, error);
    } finally {
      this.#underWay -= 1;
      if (this.#closing && this.#underWay === 0) this.#idle.resolve();
      await reader.close().catch(() => undefined);
    }
  }

  async #post(submission: Submission, reader: BodyReader): Promise<SignedReceipt> {
    const { chain, grant, length } = submission;
    const { heads, clock, policy, room } = this.#options;
    const known = await heads.use(chain, async (head) => head);
    let founding: Founding | undefined;
    if (known === undefined) {
      founding = judgeFounding(policy, grant, clock.now());
      await this.#waitForGrants();
    }
    await this.#judgeFirst(chain, reader, known, founding);
    const giveBack = room.take(length ?? bodyBytesMax);
    try {
      const blocks: WholeBlock[] = [];
      for (let block = await reader.next(); block; block = await reader.next()) blocks.push(block);
      return await heads.use(chain, async (head) => {
        this.assertOpen();
        return await this.#take(chain, head, founding, blocks);
      });
    } finally {
      giveBack();
    }
  }

  /** Right after a start, the grants of stored chains may not all be read yet. */
  async #waitForGrants(): Promise<void> {
    const { catalog, clock } = this.#options;
    const waiting = new AbortController();
    let known = false;
    const knowing = catalog.grantsKnown.then(() => {
      known = true;
    });
    await Promise.race([knowing, clock.sleep(grantsWaitMs, waiting.signal)]);
    waiting.abort();
    if (known) return;
    throw new Problem("busy", "the grants of stored chains are still being read", {
      retryAfter: 5,
    });
  }

  /** Looks at the first head, before anything else is read. Throws Problem. */
  async #judgeFirst(
    chain: string,
    reader: BodyReader,
    head: ChainHead | undefined,
    founding: Founding | undefined,
  ): Promise<void> {
    const { suite } = this.#options;
    const first = await reader.head();
    if (first === undefined) throw new Problem("bad-request", "body is empty, want whole blocks");
    const hash = hex(blockHash(suite, first.head));
    const before = this.#refused.get(chain);
    if (before?.hash === hash) throw before.problem;
    if (head !== undefined) {
      const problem = await refuseEarly(suite, head, first);
      if (problem !== undefined) throw problem;
      return;
    }
    const detail = headDetail(undefined, suite.sha256(new Uint8Array(0)));
    if (first.header.kind !== "genesis") {
      const text = `block is numbered ${first.header.blockNo}, want 0`;
      throw new Problem("wrong-head", text, { block: first.header.blockNo, ...detail });
    }
    if (hash !== chain) {
      const text = "block is the genesis of another chain";
      throw new Problem("block-refused", text, { finding: "WRONG_CHAIN", block: 0, ...detail });
    }
    const { grant } = founding as Founding;
    // The walk that judges it for good is made when the whole request is there.
    const { walk } = this.#options.heads.unfounded(chain, grant);
    const fault = walk.judge(first.head).faults[0];
    if (fault === undefined) return;
    const extra = { finding: fault.code, block: 0, ...detail };
    throw new Problem("block-refused", fault.message, extra);
  }

  async #take(
    chain: string,
    known: ChainHead | undefined,
    founding: Founding | undefined,
    blocks: readonly WholeBlock[],
  ): Promise<SignedReceipt> {
    const { heads, suite } = this.#options;
    if (known === undefined && founding === undefined) throw gone();
    const head = known ?? heads.unfounded(chain, (founding as Founding).grant);
    const result = await admit(suite, head, blocks);
    if (result.spoiled) heads.drop(chain);
    this.#count(result, blocks);
    if (result.refusal !== undefined) await this.#refuse(chain, result, result.refusal);
    if (result.accepted.length === 0) {
      if (result.refusal !== undefined) throw result.refusal;
      return this.#sign(head);
    }
    const founded = known ?? (await this.#found(head, founding as Founding));
    await this.#store(founded, result);
    for (const { payload } of result.accepted) discard(payload);
    if (known === undefined && !result.spoiled) heads.put(founded);
    const receipt = this.#sign(founded);
    this.#options.keeper.note(chain, receipt);
    // The first receipt says when the chain began, so it must not get lost.
    if (known === undefined) await this.#options.keeper.keep(chain);
    return receipt;
  }

  /** The grant is stored before the genesis. Throws Problem if its uses are used up. */
  async #found(head: ChainHead, { grant, root, bytes }: Founding): Promise<ChainHead> {
    const { catalog, store } = this.#options;
    if (!catalog.reserve(head.chain, grant, root)) throw usedUp(grant);
    try {
      return { ...head, writer: await store.create(head.chain, bytes) };
    } catch (error) {
      catalog.forget(head.chain);
      throw error;
    }
  }

  async #store(head: ChainHead, { accepted, end, findings }: Admission): Promise<void> {
    const { suite, clock, catalog, observer, heads, watch } = this.#options;
    const { chain, writer } = head;
    const newest = accepted.at(-1) as WholeBlock;
    const { root, stopped } = end as NonNullable<Admission["end"]>;
    const started = clock.mono();
    try {
      await writer.append(accepted);
    } catch (error) {
      // How much of it is stored is not known: the next request looks.
      heads.drop(chain);
      throw error;
    }
    observer.stored((clock.mono() - started) / 1e6);
    head.stored = storedHead(suite, newest.head, root);
    failpoint("store-after-head");
    const now = clock.now();
    catalog.grew(chain, newest.header, now, stopped);
    const [first] = accepted as [WholeBlock];
    const [from, to] = [first.header.blockNo, newest.header.blockNo + 1];
    watch.stored(chain, { from, to, findings, stopped });
    for (const kind of kindsIn(findings)) observer.found(kind);
    for (const { header } of accepted) observer.lag(Math.max(0, now - header.time) / 1e6);
  }

  #sign(head: ChainHead): SignedReceipt {
    const { stored } = head;
    if (stored === undefined) throw gone();
    const { signer, observer } = this.#options;
    head.receipt = signer.sign(head.chain, stored.size, stored.root, head.receipt?.time);
    observer.receipt();
    return head.receipt;
  }

  async #refuse(chain: string, result: Admission, problem: Problem): Promise<void> {
    const { fork, refusedHash, spoiled } = result;
    const { diag, store, catalog, observer, watch } = this.#options;
    const { finding = problem.code, block } = problem.extra;
    diag.warn("block refused", { chain, block, finding });
    if (spoiled && refusedHash !== undefined) this.#remember(chain, refusedHash, problem);
    if (fork === undefined) return;
    observer.fork();
    const kept = await store.writeFork(chain, fork);
    const entry = catalog.get(chain);
    if (kept && entry !== undefined) entry.forks += 1;
    if (kept) watch.forked(chain, fork.block);
    diag.error("fork of a chain", { chain, block, kept });
  }

  // Only what was refused inside: that cost a whole verification, and the state it was judged by.
  #remember(chain: string, hash: string, problem: Problem): void {
    this.#refused.delete(chain);
    this.#refused.set(chain, { hash, problem });
    const oldest = this.#refused.keys().next().value;
    if (this.#refused.size > refusedMax && oldest !== undefined) this.#refused.delete(oldest);
  }

  #count(result: Admission, blocks: readonly WholeBlock[]): void {
    const { observer } = this.#options;
    const { accepted, known, refusal } = result;
    const tally = (outcome: IntakeOutcome, part: readonly WholeBlock[]): void => {
      if (part.length === 0) return;
      const envelopes = part.reduce((sum, { header }) => sum + header.count, 0);
      const bytes = part.reduce((sum, each) => sum + each.head.length + each.payload.length, 0);
      observer.received(outcome, part.length, envelopes, bytes);
    };
    tally("stored", accepted);
    tally("duplicate", blocks.slice(0, known));
    if (refusal === undefined) return;
    const at = accepted.length + known;
    tally("rejected", blocks.slice(at, at + 1));
  }

  /** Throws Problem while nothing is taken in. */
  assertOpen(): void {
    if (this.#unsafe) throw new Problem("vault-unsafe", "a sync failed");
    if (this.#closing) throw new Problem("shutting-down", "vault is stopping", { retryAfter: 2 });
  }

  /** Makes of whatever was thrown what the client is told. */
  #explain(chain: string, error: unknown): unknown {
    const { observer, diag } = this.#options;
    if (error instanceof Problem) {
      observer.refused(error.extra.finding ?? error.code);
      return error;
    }
    if (error instanceof Fault) {
      observer.refused(error.code);
      return new Problem("block-refused", error.message, { finding: error.code });
    }
    if (!(error instanceof SealtailError)) return error;
    observer.storeFailed(error.code);
    if (error.kind === "unsafe") {
      this.fail(error);
    } else {
      diag.error("couldn't store blocks", { chain, error });
    }
    return storeProblem(error);
  }

  /** The store's state is unknown from here: nothing is promised any more. */
  fail(error: unknown): void {
    if (this.#unsafe) return;
    this.#unsafe = true;
    this.#options.diag.error("a sync failed, the vault must stop", { error: error as Error });
    this.#options.onUnsafe(error);
  }
}

function gone(): Problem {
  return new Problem("unknown-chain", "chain is not stored", { size: 0 });
}
