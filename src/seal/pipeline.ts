// From closed drafts to durable, signed blocks, in the one order that survives a crash:
//
//   1  build header and payload, sign ONCE, keep the bytes
//   2  append to the log, sync
//   3  write the next secret to the idle key slot, sync; zero the old slot, sync
//   4  only now hand the block on
//
// - Several blocks may share one round of 2 and 3. Nothing is handed on before its round is done.
// - A full disk, or no descriptor, is waited out with the signed bytes in hand: a height is never
//   signed twice, and each step of a round may be tried again.
// - After any other failure nothing works any more: the caller stops, recovery finds out.

import type { Derived } from "../core/derive.ts";
import type { Suite } from "../core/digest.ts";
import { isShortage, SealtailError, type Shortage } from "../core/errors.ts";
import {
  type BlockKind,
  blockHash,
  encodeHeader,
  type Header,
  signedBytes,
} from "../core/header.ts";
import type { Clock } from "../host/clock.ts";
import { failpoint } from "../host/failpoint.ts";
import { type SeedSigner, signer } from "../host/keys.ts";
import { discard } from "../host/memory.ts";
import { advanceHead, type ChainHead } from "./head.ts";
import { type KeyState, nextSecret, signingSeed } from "./key-state.ts";

/** Where sealed blocks go: the WAL, as far as sealing needs it. */
export interface BlockLog {
  readonly wantsSegment: boolean;
  append(
    index: number,
    parts: readonly Uint8Array[],
    options?: { readonly startsSegment?: boolean },
  ): Promise<void>;
  sync(): Promise<void>;
}

/** A draft that will not grow any more. */
export interface ClosedDraft {
  readonly kind: BlockKind;
  readonly derived: Promise<Derived>;
  readonly firstSeq: number;
  readonly count: number;
  readonly raw: Uint8Array;
  /** The compressed payload. */
  readonly compressed: Promise<Uint8Array>;
  readonly configHash: Uint8Array;
  readonly receiptHash: Uint8Array;
  readonly receiptSize: number;
  readonly maxSilenceMs: number;
  readonly runId: Uint8Array;
  readonly time: number;
  readonly mono: number;
  /** It holds a snapshot, so it may be the first of a WAL segment. */
  readonly hasSnapshot: boolean;
  /** The draft's memory may be used again. */
  readonly release: () => void;
}

/** A block that is durable and may leave the process. */
export interface SealedBlock {
  readonly header: Header;
  readonly hash: Uint8Array;
  /** Root of the tree over this block and all before it. */
  readonly root: Uint8Array;
  /** header ‖ signature ‖ payload. */
  readonly length: number;
}

export interface PipelineOptions {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly log: BlockLog;
  readonly keys: KeyState;
  readonly head: ChainHead;
  /** Signs the genesis: the grant's key. Needed only where the chain does not exist yet. */
  readonly genesisSigner?: ((message: Uint8Array) => Uint8Array) | undefined;
  readonly onSealed: (block: SealedBlock) => void;
  /** Told how many microseconds it took to sign a block. */
  readonly onSigned?: ((micros: number) => void) | undefined;
  /**
   * Told at each attempt that failed because something is short, and once more when it is over.
   * `growsOn`: only another segment could not begin, and nothing waits.
   */
  readonly onShortage?: ((shortage: Shortage | undefined, growsOn?: boolean) => void) | undefined;
}

/** Closed drafts that may wait for their hashes and the disk; memory is bounded by it. */
const queueLimit = 3;
/** How often what failed for a shortage is tried again; sooner at first: the reserve was given. */
export const shortageRetryMs = 1000;
const firstRetryMs = 100;

export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #queue: ClosedDraft[] = [];
  #working: Promise<void> | undefined;
  #failure: unknown;
  #waiters: (() => void)[] = [];
  #short = false;
  /** Aborted when a full disk is not waited for any more. */
  readonly #hurry = new AbortController();
  /** Signs the next block; kept, because the block before had to name its public half. */
  #signer: SeedSigner | undefined;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  /** Number of the block that the next closed draft becomes. */
  get nextNo(): number {
    return this.#options.head.blockNo + this.#queue.length;
  }

  /** Blocks closed but not durable yet. */
  get pending(): number {
    return this.#queue.length;
  }

  /** What is closed waits for something that is short. */
  get short(): boolean {
    return this.#short;
  }

  /** Takes a closed draft; returns when there is room for another one. */
  async push(closed: ClosedDraft): Promise<void> {
    this.check();
    this.#queue.push(closed);
    // Whoever awaits them later is told; until then a failure is nobody's.
    for (const each of [closed.derived, closed.compressed]) each.catch(() => undefined);
    this.#working ??= this.#work();
    while (this.#queue.length >= queueLimit) await this.#progress();
  }

  /** Returns when everything that was pushed is durable and handed on. */
  async idle(): Promise<void> {
    while (this.#queue.length > 0 || this.#working !== undefined) await this.#progress();
    this.check();
  }

  /** From now on a shortage is a failure like any other. */
  waitNoLonger(): void {
    this.#hurry.abort();
  }

  async #progress(): Promise<void> {
    this.check();
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
    this.check();
  }

  /** Throws what made going on impossible, if something did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  async #work(): Promise<void> {
    try {
      while (this.#queue.length > 0) await this.#round();
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#working = undefined;
      this.#wake();
    }
  }

  // One round: all drafts that are closed by now share its syncs.
  async #round(): Promise<void> {
    const { log, head, keys, onSealed } = this.#options;
    const sealed: SealedBlock[] = [];
    const limit = this.#queue.length;
    for (let i = 0; i < limit; i++) {
      const closed = this.#queue[0] as ClosedDraft;
      const payload = await this.#payload(closed);
      sealed.push(await this.#append(closed, await closed.derived, payload));
      discard(await closed.compressed);
      closed.release();
      this.#wake();
    }
    failpoint("seal-after-append");
    await this.#patiently(() => log.sync());
    // Crash before this: the sources are read again. After: recovery finds the blocks.
    failpoint("seal-after-sync");
    const last = sealed.at(-1)?.header;
    if (last?.kind === "final") await this.#patiently(() => keys.destroy());
    // The genesis needs no new slot: its first secret was durable before it was signed.
    else if (last !== undefined && last.blockNo > 0) {
      const next = { blockNo: head.blockNo, secret: head.secret };
      await this.#patiently(() => keys.advance(next));
    }
    for (const block of sealed) onSealed(block);
    this.#wake();
  }

  async #payload(closed: ClosedDraft): Promise<{ codec: "raw" | "zstd"; bytes: Uint8Array }> {
    const compressed = await closed.compressed;
    return compressed.length < closed.raw.length
      ? { codec: "zstd", bytes: compressed }
      : { codec: "raw", bytes: closed.raw };
  }

  async #append(
    closed: ClosedDraft,
    derived: Derived,
    payload: { codec: "raw" | "zstd"; bytes: Uint8Array },
  ): Promise<SealedBlock> {
    const { suite, clock, head, log, onSigned } = this.#options;
    const began = clock.mono();
    const { header, bytes, signature } = this.#sign(closed, derived, payload);
    onSigned?.(clock.mono() - began);
    failpoint("seal-before-append");
    const parts = [bytes, signature, payload.bytes];
    if (!closed.hasSnapshot || !log.wantsSegment || !(await this.#begins(header.blockNo, parts))) {
      await this.#patiently(() => log.append(header.blockNo, parts));
    }
    const hash = blockHash(suite, joined(bytes, signature));
    // Both at once: nextNo must not count this block twice.
    advanceHead(head, header, hash);
    this.#queue.shift();
    return {
      header,
      hash,
      root: head.root,
      length: bytes.length + signature.length + payload.bytes.length,
    };
  }

  // Without an inode or a descriptor for another segment the newest one grows on: false.
  async #begins(index: number, parts: readonly Uint8Array[]): Promise<boolean> {
    const { log, onShortage } = this.#options;
    try {
      await log.append(index, parts, { startsSegment: true });
      return true;
    } catch (error) {
      if (!isShortage(error)) throw error;
      onShortage?.(error, true);
      return false;
    }
  }

  // Every step is one that may be tried again after it failed for a shortage.
  async #patiently(step: () => Promise<void>): Promise<void> {
    const { clock, onShortage } = this.#options;
    for (let waitMs = firstRetryMs; ; waitMs = shortageRetryMs) {
      try {
        await step();
        if (this.#short) onShortage?.(undefined);
        this.#short = false;
        return;
      } catch (error) {
        if (!isShortage(error)) throw error;
        this.#short = true;
        onShortage?.(error);
        if (this.#hurry.signal.aborted) throw error;
        await clock.sleep(waitMs, this.#hurry.signal);
      }
    }
  }

  #sign(
    closed: ClosedDraft,
    derived: Derived,
    payload: { codec: "raw" | "zstd"; bytes: Uint8Array },
  ): { header: Header; bytes: Uint8Array; signature: Uint8Array } {
    const { suite, head, genesisSigner } = this.#options;
    const genesis = head.blockNo === 0;
    const { sign, nextPub } = this.#keys(closed.kind, genesis ? genesisSigner : undefined);
    const header: Header = {
      kind: genesis ? "genesis" : closed.kind,
      codec: payload.codec,
      chainId: head.chainId,
      blockNo: head.blockNo,
      firstSeq: closed.firstSeq,
      count: closed.count,
      rawLength: closed.raw.length,
      storedLength: payload.bytes.length,
      maxSilenceMs: closed.maxSilenceMs,
      prevHash: head.prevHash,
      chainRoot: head.root,
      lastHash: derived.lastHash,
      envelopeRoot: derived.envelopeRoot,
      storedHash: suite.sha256(payload.bytes),
      nextPub,
      configHash: closed.configHash,
      receiptHash: closed.receiptHash,
      receiptSize: closed.receiptSize,
      runId: closed.runId,
      time: closed.time,
      mono: closed.mono,
      firstTime: derived.firstTime,
    };
    const bytes = encodeHeader(header);
    return { header, bytes, signature: sign(signedBytes(bytes)) };
  }

  // Steps the secret: from here on this process cannot sign the block again either.
  #keys(
    kind: BlockKind,
    genesisSigner: ((message: Uint8Array) => Uint8Array) | undefined,
  ): { sign: (message: Uint8Array) => Uint8Array; nextPub: Uint8Array } {
    const { head } = this.#options;
    if (head.blockNo === 0) {
      if (genesisSigner === undefined) {
        throw new SealtailError("grant-key-missing", "a new chain needs its grant's private key");
      }
      this.#signer = signer(signingSeed(head.secret));
      return { sign: genesisSigner, nextPub: this.#signer.publicKey };
    }
    const current = this.#signer ?? signer(signingSeed(head.secret));
    const secret = nextSecret(head.secret);
    head.secret.fill(0);
    head.secret = secret;
    this.#signer = kind === "final" ? undefined : signer(signingSeed(secret));
    const nextPub = this.#signer?.publicKey ?? new Uint8Array(32);
    return { sign: current.sign, nextPub };
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
