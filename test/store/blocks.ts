// Blocks as a store sees them: framed and hashed right, signed by nobody.

import { concat } from "../../src/core/bytes.ts";
import type { Pieces } from "../../src/core/chain-source.ts";
import { encodeHeader, type Header } from "../../src/core/header.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import type { BlockBytes, ChainReader } from "../../src/store/store.ts";
import { fixedBytes, TestVault } from "../fakes/signers.ts";

export const chainId: string = "ab".repeat(32);
export const grant: Uint8Array = Uint8Array.from(Buffer.from("a grant, as far as a store knows\n"));

const zero = new Uint8Array(32);

/** Block `number` with a payload of `length` bytes. */
export function blockOf(number: number, length = 40, label = ""): BlockBytes {
  const payload = fixedBytes(`payload ${number} ${label}`, length);
  const header: Header = {
    ...{ kind: number === 0 ? "genesis" : "normal", codec: "raw", chainId: zero },
    ...{ blockNo: number, firstSeq: number, count: 1, rawLength: length, storedLength: length },
    ...{ maxSilenceMs: 60_000, prevHash: zero, chainRoot: zero, lastHash: zero },
    ...{ envelopeRoot: zero, storedHash: suite.sha256(payload), nextPub: zero, configHash: zero },
    ...{ receiptHash: zero, receiptSize: 0, runId: new Uint8Array(16) },
    ...{ time: number, mono: number, firstTime: number },
  };
  return { head: concat(encodeHeader(header), new Uint8Array(64)), payload };
}

export function blocksOf(from: number, to: number, length?: number): BlockBytes[] {
  return Array.from({ length: to - from }, (_, index) => blockOf(from + index, length));
}

export function joined(blocks: readonly BlockBytes[]): Uint8Array {
  return concat(...blocks.flatMap(({ head, payload }) => [head, payload]));
}

const vault = new TestVault();

/** A receipt over `size` blocks, for what a store makes of its size. */
export function receiptOver(size: number): Uint8Array {
  return Uint8Array.from(Buffer.from(vault.receipt(Buffer.from(chainId, "hex"), size, zero, 1)));
}

export async function allOf(pieces: Pieces): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece.slice());
  return concat(...all);
}

/** All blocks of a chain, joined. */
export async function contentOf(chain: ChainReader): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const object of await chain.blocks()) parts.push(await allOf(object.open()));
  return concat(...parts);
}
