// Makes the proof of one line out of a stored chain: for the command line and the vault alike.
//
// - Whoever asks says where the line lies and supplies heads and blocks; nothing of it is believed.
//   What comes out was checked: a proof that would not hold is never handed out.
// - The heads are taken once, in order. Payloads are read only back to where a snapshot must be,
//   for the source record.
// - A full proof has a receipt if one holds. If not, it proves as much, but for the time.
//
// Spec: docs/spec/proof.md.

import type { TrustedKeys } from "../core/authority.ts";
import { openPayload } from "../core/block.ts";
import { equalBytes, hex, readU64 } from "../core/bytes.ts";
import { claimedSize, parseCheckpoint } from "../core/checkpoint.ts";
import { derivation } from "../core/derive.ts";
import type { Suite } from "../core/digest.ts";
import { decodeEnvelope, field, firstPrev } from "../core/envelope.ts";
import { EnvelopePathBuilder } from "../core/envelope-tree.ts";
import { Fault } from "../core/fault.ts";
import { blockHash, decodeHeader, type Header } from "../core/header.ts";
import { encodeJson, type JsonObject } from "../core/json.ts";
import { payloadItems } from "../core/payload.ts";
import { type LineProof, maxProofHeads, type ProofKind } from "../core/proof.ts";
import { decodeRecord, periodOf, sourceIdOf } from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";
import { PathBuilder } from "../core/tree.ts";
import type { WholeBlock } from "../core/whole-blocks.ts";
import { verifyProof } from "./proof-check.ts";

/** What is asked of the place that holds the chain. */
export interface ProvableChain {
  readonly grant: Uint8Array | undefined;
  /** The newest one. */
  readonly receipt: Uint8Array | undefined;
  /** The block that holds envelope `seq`; undefined if none does. */
  readonly blockOf: (seq: number) => Promise<number | undefined>;
  /** Calls `visit` with the heads of blocks 0, 1 … in order, as far as they can be used. */
  readonly heads: (visit: (head: Uint8Array) => void) => Promise<void>;
  /** The blocks [from, to) in order, as far as they can be made out. */
  readonly blocks: (from: number, to: number) => AsyncIterable<WholeBlock>;
  /** Awaited about once in a millisecond of work. */
  readonly turn: () => Promise<void>;
}

export interface ProofRequest {
  readonly kind: ProofKind;
  readonly seq: number;
  /** What the proof is checked with before it is handed out. */
  readonly keys: TrustedKeys;
}

/** not-there: no such line. not-covered: by no receipt yet. too-long: for a full proof. */
export type ProofObstacle = "not-there" | "not-covered" | "too-long" | "damaged";

/** There is no proof of the line. */
export class Unprovable extends Error {
  override readonly name = "Unprovable";
  readonly why: ProofObstacle;

  constructor(why: ProofObstacle, message: string) {
    super(message);
    this.why = why;
  }
}

/** Throws Unprovable, and what the place throws. */
export async function makeProof(
  suite: Suite,
  chain: ProvableChain,
  request: ProofRequest,
): Promise<LineProof> {
  try {
    return await new Maker(suite, chain, request).make();
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    throw new Unprovable("damaged", `${caught.message} (${caught.code})`);
  }
}

/** Records that are looked at in about a millisecond. */
const recordsATurn = 256;

interface Heads {
  /** Of blocks 0 … b for a full proof; else block 0, b - 1 and b as far as they are three. */
  readonly kept: readonly Uint8Array[];
  readonly own: Uint8Array;
  readonly before: Uint8Array | undefined;
  readonly paths: Paths | undefined;
}

interface Paths {
  readonly own: readonly Uint8Array[];
  readonly before: readonly Uint8Array[];
}

class Maker {
  readonly #suite: Suite;
  readonly #chain: ProvableChain;
  readonly #request: ProofRequest;

  constructor(suite: Suite, chain: ProvableChain, request: ProofRequest) {
    this.#suite = suite;
    this.#chain = chain;
    this.#request = request;
  }

  async make(): Promise<LineProof> {
    const { grant, receipt } = this.#chain;
    const { kind, seq } = this.#request;
    if (grant === undefined) throw new Unprovable("damaged", "there is no grant of the chain");
    const index = await this.#chain.blockOf(seq);
    if (index === undefined) throw new Unprovable("not-there", `no block holds envelope ${seq}`);
    const size = this.#sizeFor(index);
    const heads = await this.#heads(index, size);
    const opened = await this.#envelope(index, heads, grant);
    const { source: id } = decodeEnvelope(opened.envelope);
    const source = id === undefined ? undefined : await this.#sourceRecord(index, id);
    const proved = { grant, ...opened, source, index };
    if (kind === "short") return this.#checked(shortProof(proved, heads, receipt as Uint8Array));
    const bare = { kind, heads: heads.kept, ...proved, blockPath: [], receipt: undefined };
    const { paths } = heads;
    if (paths !== undefined && receipt !== undefined) {
      const whole = { ...bare, blockPath: paths.own, receipt };
      if (this.#faultIn(whole) === undefined) return whole;
    }
    return this.#checked(bare);
  }

  /** How many blocks the receipt covers; undefined where a full proof can't have it. */
  #sizeFor(index: number): number | undefined {
    const { receipt } = this.#chain;
    if (this.#request.kind === "full") {
      if (index >= maxProofHeads) {
        const message = `it takes ${index + 1} heads, a full proof holds ${maxProofHeads} at most`;
        throw new Unprovable("too-long", message);
      }
      const size = receipt && claimedSize(receipt);
      return size !== undefined && size > index ? size : undefined;
    }
    if (receipt === undefined) {
      throw new Unprovable("not-covered", "there is no receipt of the chain");
    }
    const { size } = parseCheckpoint(receipt);
    if (index < size) return size;
    const message = `block ${index} has no receipt yet, the newest covers ${size} blocks`;
    throw new Unprovable("not-covered", message);
  }

  async #heads(index: number, size: number | undefined): Promise<Heads> {
    const full = this.#request.kind === "full";
    const kept: Uint8Array[] = [];
    const own = size === undefined ? undefined : new PathBuilder(this.#suite, index, size);
    const before =
      size === undefined || full || index < 2
        ? undefined
        : new PathBuilder(this.#suite, index - 1, size);
    let fed = 0;
    await this.#chain.heads((head) => {
      if (fed <= index && (full || fed === 0 || fed >= index - 1)) kept.push(head.slice());
      if (size !== undefined && fed < size) {
        const hash = blockHash(this.#suite, head);
        own?.append(hash);
        before?.append(hash);
      }
      fed += 1;
    });
    const complete = size !== undefined && fed >= size;
    if (fed <= index || (!complete && !full)) {
      throw new Unprovable("damaged", `block ${fed}, which the proof needs, is not usable`);
    }
    const paths =
      complete && own !== undefined ? { own: own.path(), before: before?.path() ?? [] } : undefined;
    return { kept, own: kept.at(-1) as Uint8Array, before: kept.at(-2), paths };
  }

  async #envelope(
    index: number,
    { own, before }: Heads,
    grant: Uint8Array,
  ): Promise<ProvedEnvelope> {
    const suite = this.#suite;
    const header = decodeHeader(own);
    for await (const block of this.#chain.blocks(index, index + 1)) {
      if (!equalBytes(block.head, own)) continue;
      const raw = openPayload(suite, header, block.payload);
      const prev =
        before === undefined
          ? firstPrev(suite, suite.sha256(grant), header.runId)
          : decodeHeader(before).lastHash;
      const { seq } = this.#request;
      if (seq < header.firstSeq || seq >= header.firstSeq + header.count) {
        throw new Unprovable("damaged", `block ${index} does not hold envelope ${seq}`);
      }
      const steps = proveEnvelope(suite, header, raw, prev, seq);
      for (;;) {
        const step = steps.next();
        if (step.done === true) return step.value;
        await this.#chain.turn();
      }
    }
    throw new Unprovable("damaged", `the payload of block ${index} is not there`);
  }

  // The source was declared, or stands in a snapshot, no further back than the last period's first
  // block. Its id is a hash of the record, so that any copy of it will do.
  async #sourceRecord(index: number, id: string): Promise<Uint8Array> {
    let looked = 0;
    for await (const { header, payload } of this.#chain.blocks(periodOf(index), index + 1)) {
      for (const record of this.#recordsOf(header, payload)) {
        looked += 1;
        if (looked % recordsATurn === 0) await this.#chain.turn();
        if (record === undefined) continue;
        const bytes = encodeJson(record);
        if (hex(sourceIdOf(this.#suite, bytes)) === id) return bytes;
      }
    }
    throw new Unprovable("damaged", "the record of its source is not there");
  }

  /** Undefined for each that is about no source. */
  *#recordsOf(header: Header, payload: Uint8Array): Generator<JsonObject | undefined> {
    try {
      const raw = openPayload(this.#suite, header, payload);
      for (const item of payloadItems(raw)) {
        if (item.kind !== "record") continue;
        const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
        yield type === "source" ? value : undefined;
        const list = type === "snapshot" ? value["sources"] : value["positions"];
        for (const { record } of positionsIn(list)) yield record;
      }
    } catch (caught) {
      // Another block may hold it.
      if (!(caught instanceof Fault)) throw caught;
    }
  }

  #faultIn(proof: LineProof): Fault | undefined {
    return verifyProof(this.#suite, proof, this.#request.keys).faults[0];
  }

  #checked(proof: LineProof): LineProof {
    const fault = this.#faultIn(proof);
    if (fault !== undefined) throw fault;
    return proof;
  }
}

type Proved = Pick<LineProof, "grant" | "envelope" | "group" | "path" | "source" | "index">;

function shortProof(proved: Proved, heads: Heads, receipt: Uint8Array): LineProof {
  const { index } = proved;
  const { own, before, kept } = heads;
  const paths = heads.paths as Paths;
  return {
    ...{ kind: "short", ...proved, genesis: kept[0] as Uint8Array },
    previous: index < 2 ? undefined : { head: before as Uint8Array, path: paths.before },
    block: index === 0 ? undefined : own,
    ...{ blockPath: paths.own, receipt },
  };
}

type ProvedEnvelope = Pick<LineProof, "envelope" | "group" | "path">;

/**
 * Derives envelope `seq` from the payload `raw`; `prev` is the hash of the envelope before the
 * block's first. Step by step, of about a millisecond each: a block may hold a million envelopes.
 * Throws RangeError for a seq of another block, and what deriving throws.
 */
export function* proveEnvelope(
  suite: Suite,
  header: Header,
  raw: Uint8Array,
  prev: Uint8Array,
  seq: number,
): Generator<void, ProvedEnvelope, undefined> {
  const { firstSeq, count } = header;
  const builder = new EnvelopePathBuilder(suite, seq - firstSeq, count);
  let envelope: Uint8Array = new Uint8Array(0);
  const onEnvelope = (preimage: Uint8Array, hash: Uint8Array): void => {
    builder.add(hash);
    if (readU64(preimage, field.seq) === seq) envelope = preimage.slice();
  };
  yield* derivation(suite, { raw, prev, firstSeq, count, onEnvelope });
  return { envelope, ...builder.path() };
}
