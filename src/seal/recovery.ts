// Recovery: from the WAL's blocks back to the head of the chain and the position of every source.
//
// - Positions are derived from what was sealed; there is no other record of them that could run
//   ahead or behind. It begins at the newest segment, whose first block holds a snapshot.
// - Always used, after a clean stop as after a crash: it is tested every day.
// - What does not fit together is never skipped: the chain ends here and a new one begins.
//
// Spec: docs/architecture.md, "Recovery".

import { headLength, openPayload } from "../core/block.ts";
import { equalBytes, fromHex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { blockHash, decodeHeader, type Header } from "../core/header.ts";
import type { JsonObject } from "../core/json.ts";
import { payloadItems } from "../core/payload.ts";
import { decodeRecord } from "../core/record.ts";
import { type SealedTail, SealedTails } from "../core/sealed-tails.ts";
import { SourceTable } from "../core/sources.ts";
import { Frontier } from "../core/tree.ts";
import type { Files } from "../host/files.ts";
import { destroyKey, signer } from "../host/keys.ts";
import type { ChainHead } from "./head.ts";
import { KeyState, signingSeed } from "./key-state.ts";
import type { ChainFacts } from "./sealer.ts";

export interface RecoveredChain {
  readonly head: ChainHead;
  readonly facts: ChainFacts;
  readonly sources: SourceTable;
  readonly keys: KeyState;
  readonly newest: Header;
  /** The newest block ended its run. */
  readonly stopped: boolean;
  /** The newest bytes of sources that were sealed since the snapshot: evidence of identity. */
  readonly tails: ReadonlyMap<string, SealedTail>;
}

/** lost: retired, or blocks are missing or the keys do not fit. Nothing may be signed for this chain again. */
export type Recovery = { readonly chain: RecoveredChain } | { readonly lost: string };

export interface RecoveryOptions {
  readonly suite: Suite;
  readonly files: Files;
  readonly keyPath: string;
  /** Whole blocks from the first one of a segment on, in order; never empty. */
  readonly blocks: AsyncIterable<{ readonly index: number; readonly bytes: Uint8Array }>;
}

/** Rebuilds the chain's head. A fault in our own WAL is reported as a lost chain, never thrown. */
export async function recoverChain(options: RecoveryOptions): Promise<Recovery> {
  const replay = new Replay(options.suite);
  try {
    for await (const { index, bytes } of options.blocks) replay.block(index, bytes);
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return { lost: `a block in the buffer is damaged: ${caught.code}` };
  }
  const { newest } = replay;
  if (newest === undefined) return { lost: "the buffer holds no block" };
  if (newest.kind === "final") {
    // A crash may have come before the keys were destroyed.
    await destroyKey(options.files, options.keyPath);
    return { lost: "retired" };
  }
  const keys = await openKeys(options, newest);
  if (keys === undefined) return { lost: "no key slot fits the newest block: blocks were lost" };
  return { chain: replay.result(keys.secret, keys.state, newest) };
}

async function openKeys(
  options: RecoveryOptions,
  newest: Header,
): Promise<{ state: KeyState; secret: Uint8Array } | undefined> {
  const fits = (secret: Uint8Array): boolean =>
    equalBytes(signer(signingSeed(secret)).publicKey, newest.nextPub);
  return KeyState.open(options.files, options.suite, options.keyPath, newest.blockNo + 1, fits);
}

class Replay {
  readonly #suite: Suite;
  readonly #sources: SourceTable;
  readonly #tails = new SealedTails();
  #frontier: Frontier | undefined;
  #hash: Uint8Array = new Uint8Array(32);
  #chainId: Uint8Array = new Uint8Array(32);
  #config: JsonObject = {};
  #stopped = false;
  newest: Header | undefined;

  constructor(suite: Suite) {
    this.#suite = suite;
    this.#sources = new SourceTable(suite);
    // It begins at a snapshot, which says what is open.
    this.#sources.loosen();
  }

  block(index: number, bytes: Uint8Array): void {
    const header = decodeHeader(bytes);
    this.#checkLink(index, header);
    const raw = openPayload(this.#suite, header, bytes.subarray(headLength));
    for (const item of payloadItems(raw)) {
      const fault = this.#sources.take(item, raw);
      if (fault !== undefined) throw fault;
      this.#tails.take(item, raw);
      if (item.kind === "record") this.#record(raw.subarray(item.start, item.end), header);
    }
    if (this.#frontier === undefined)
      throw new Fault("SNAPSHOT_MISMATCH", "no snapshot to begin at");
    this.#hash = blockHash(this.#suite, bytes);
    this.#frontier.append(this.#hash);
    this.#chainId = header.blockNo === 0 ? this.#hash : header.chainId;
    this.newest = header;
  }

  result(secret: Uint8Array, keys: KeyState, newest: Header): RecoveredChain {
    return {
      head: {
        blockNo: newest.blockNo + 1,
        chainId: this.#chainId,
        prevHash: this.#hash,
        frontier: this.#frontier as Frontier,
        root: (this.#frontier as Frontier).root(),
        secret,
      },
      facts: {
        seq: newest.firstSeq + newest.count,
        lastHash: newest.lastHash,
        config: this.#config,
        receiptHash: newest.blockNo === 0 ? new Uint8Array(32) : newest.receiptHash,
        receiptSize: newest.receiptSize,
      },
      sources: this.#sources,
      keys,
      newest,
      stopped: this.#stopped,
      tails: this.#tails.all,
    };
  }

  #checkLink(index: number, header: Header): void {
    if (header.blockNo !== index) throw new Fault("BLOCK_ORDER", "block has another number");
    const linked =
      this.newest === undefined ||
      (equalBytes(header.prevHash, this.#hash) &&
        header.firstSeq === this.newest.firstSeq + this.newest.count);
    if (!linked) throw new Fault("BAD_PREV", "block does not follow the one before");
  }

  #record(bytes: Uint8Array, header: Header): void {
    const { type, value } = decodeRecord(bytes);
    this.#stopped = type === "stop";
    if (type === "snapshot") return this.#snapshot(value, header);
    if (type === "config") this.#config = value["config"] as JsonObject;
  }

  #snapshot(value: JsonObject, header: Header): void {
    if (this.#frontier !== undefined) return;
    const tree = (value["tree"] as string[]).map((text) => fromHex(text, 32));
    this.#frontier = Frontier.from(this.#suite, header.blockNo, tree);
    if (!equalBytes(this.#frontier.root(), header.chainRoot)) {
      throw new Fault("SNAPSHOT_MISMATCH", "snapshot's tree is not that of the block");
    }
    this.#config = value["config"] as JsonObject;
  }
}
