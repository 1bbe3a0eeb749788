// A chain for shipping tests: blocks with true headers and roots, a feed, and a vault's signatures.

import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { concat, fromHex, hex, utf8 } from "../../src/core/bytes.ts";
import { checkpointText, timestamped, type VaultKeys } from "../../src/core/checkpoint.ts";
import { blockHash, encodeHeader, type Header } from "../../src/core/header.ts";
import {
  cosignedBytes,
  formatNote,
  type NoteSignature,
  type VerifierKey,
  verifierKey,
} from "../../src/core/note.ts";
import { Frontier } from "../../src/core/tree.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import type { BlockFeed, FeedBlock } from "../../src/ship/batch.ts";

const zero = new Uint8Array(32);

/** Our side: sealed blocks, as the WAL would feed them, and the roots of our own tree. */
export class TestChain implements BlockFeed {
  first = 0;
  readonly blocks: Uint8Array[] = [];
  /** Root at each size. */
  readonly roots: Uint8Array[] = [];
  readonly #frontier = new Frontier(nativeSuite);
  readonly #seed: number;
  #waiters: (() => void)[] = [];
  reads = 0;

  /** Chains of different seeds are different chains; `time` of block n is n seconds. */
  constructor(blocks = 0, bytes = 500, seed = 1) {
    this.#seed = seed;
    this.roots.push(this.#frontier.root());
    for (let n = 0; n < blocks; n++) this.seal(bytes);
  }

  get id(): string {
    const [genesis] = this.blocks;
    return genesis === undefined ? "0".repeat(64) : hex(blockHash(nativeSuite, genesis));
  }

  get next(): number {
    return this.blocks.length;
  }

  /** Seals a block of `bytes` and hands it over. `twist` makes another block of the same height. */
  seal(bytes = 500, twist = 0): Uint8Array {
    const blockNo = this.blocks.length;
    const storedLength = Math.max(1, bytes - 448);
    const header: Header = {
      kind: blockNo === 0 ? "genesis" : "normal",
      codec: "raw",
      chainId: blockNo === 0 ? zero : fromHex(this.id, 32),
      blockNo,
      firstSeq: blockNo,
      count: 1,
      rawLength: storedLength,
      storedLength,
      maxSilenceMs: 60_000,
      prevHash: zero,
      chainRoot: this.#frontier.root(),
      lastHash: new Uint8Array(32).fill(this.#seed),
      envelopeRoot: new Uint8Array(32).fill(twist),
      storedHash: zero,
      nextPub: zero,
      configHash: zero,
      receiptHash: zero,
      receiptSize: 0,
      runId: new Uint8Array(16),
      time: blockNo * 1_000_000,
      mono: blockNo * 1_000_000,
      firstTime: blockNo * 1_000_000,
    };
    const payload = new Uint8Array(storedLength).fill(blockNo);
    const block = concat(encodeHeader(header), new Uint8Array(64).fill(7), payload);
    this.#frontier.append(blockHash(nativeSuite, block));
    this.blocks.push(block);
    this.roots.push(this.#frontier.root());
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
    return block;
  }

  async read(fromBlock: number, maxBytes: number): Promise<FeedBlock[]> {
    this.reads += 1;
    const out: FeedBlock[] = [];
    let size = 0;
    for (let blockNo = fromBlock; blockNo < this.next && blockNo >= this.first; blockNo++) {
      const bytes = this.blocks[blockNo]!;
      if (out.length > 0 && size + bytes.length > maxBytes) break;
      // They belong to whoever asked.
      out.push({ blockNo, bytes: bytes.slice() });
      size += bytes.length;
    }
    return out;
  }

  changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  rootAt(size: number): Uint8Array | undefined {
    return this.roots[size];
  }
}

function privateKey(fill: number): ReturnType<typeof createPrivateKey> {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const der = Buffer.concat([prefix, Buffer.alloc(32, fill)]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

export class VaultSigner {
  readonly name: string;
  readonly keys: VaultKeys;
  readonly #receipt: ReturnType<typeof privateKey>;
  readonly #time: ReturnType<typeof privateKey>;

  constructor(name = "vault.example", fill = 40) {
    this.name = name;
    this.#receipt = privateKey(fill);
    this.#time = privateKey(fill + 1);
    const key = (of: ReturnType<typeof privateKey>, label: string, type: 1 | 4): VerifierKey => {
      const spki = createPublicKey(of).export({ format: "der", type: "spki" });
      return verifierKey(nativeSuite, label, type, new Uint8Array(spki.subarray(-32)));
    };
    this.keys = { receipt: key(this.#receipt, name, 1), time: key(this.#time, `${name}/time`, 4) };
  }

  receipt(chainId: string, size: number, root: Uint8Array, time = 1_700_000_000): Uint8Array {
    const text = checkpointText(this.name, fromHex(chainId, 32), size, root);
    const { receipt, time: timeKey } = this.keys;
    const signatures: NoteSignature[] = [
      { ...receipt, signature: new Uint8Array(sign(null, utf8(text), this.#receipt)) },
      {
        ...timeKey,
        signature: timestamped(
          time,
          new Uint8Array(sign(null, cosignedBytes(time, text), this.#time)),
        ),
      },
    ];
    return utf8(formatNote(text, signatures));
  }
}

/** Splits a request's body into blocks. */
export function splitBlocks(body: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at < body.length; ) {
    const length = 448 + view.getUint32(at + 72);
    blocks.push(body.slice(at, at + length));
    at += length;
  }
  return blocks;
}
