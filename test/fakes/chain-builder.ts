// Builds whole chains from fixed keys with core's encoders, and bends one thing on request.
//
// - Deterministic: the same calls give the same bytes on every machine.
// - What a block says is derived from its items, as an agent would; a bend comes in at one named
//   moment, and everything made after that moment agrees with what was bent.
// - The chain goes on from what was signed, so one bend is one fault.

import { concat, hex } from "../../src/core/bytes.ts";
import { firstPrev } from "../../src/core/envelope.ts";
import { formatGrant, type GrantTerms } from "../../src/core/grant.ts";
import {
  type BlockKind,
  blockHash,
  type Codec,
  encodeHeader,
  type Header,
  signedBytes,
} from "../../src/core/header.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { formatNote } from "../../src/core/note.ts";
import type { SnapshotRecord } from "../../src/core/record.ts";
import { SourceTable } from "../../src/core/sources.ts";
import { Frontier } from "../../src/core/tree.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import {
  compress,
  derive,
  encodeItems,
  envelopesIn,
  type Facts,
  factsAfter,
  type Item,
  say,
} from "./chain-items.ts";
import {
  evolve,
  fixedBytes,
  NoteSigner,
  type Signer,
  signer,
  signerOfSeed,
  TestVault,
} from "./signers.ts";

/** What to bend, at which moment. */
export interface Bend {
  /** The opened payload, before anything is derived from it. */
  readonly payload?: (raw: Uint8Array) => Uint8Array;
  /** The opened payload, after its envelopes were derived: the header tells of other lines. */
  readonly lines?: (raw: Uint8Array) => Uint8Array;
  /** The stored payload, before its length and hash go into the header; and what it was made of. */
  readonly stored?: (stored: Uint8Array, raw: Uint8Array) => Uint8Array;
  /** Fields of the header, before it is signed. */
  readonly header?: (header: Header) => Partial<Header>;
  /** The header's bytes, before they are signed. */
  readonly headerBytes?: (bytes: Uint8Array) => Uint8Array;
  /** Who signs, instead of the key that must. */
  readonly signer?: Signer;
}

export interface SealOptions extends Bend {
  readonly kind?: BlockKind;
  readonly codec?: Codec;
  /** Unix microseconds; else a second after the block before. */
  readonly time?: number;
  readonly mono?: number;
}

export interface BuiltBlock {
  readonly bytes: Uint8Array;
  readonly head: Uint8Array;
  readonly header: Header;
  readonly hash: Uint8Array;
}

export interface ChainSetup {
  readonly root?: NoteSigner;
  readonly vault?: TestVault;
  readonly terms?: Partial<GrantTerms>;
  /** The grant's text, before it is signed. */
  readonly grantText?: (text: string) => string;
  /** The whole grant, after it was signed. */
  readonly grantNote?: (note: string) => string;
  /** Unix microseconds of the genesis. */
  readonly time?: number;
  readonly codec?: Codec;
  /** The label of the grant's key, to share one among chains. */
  readonly grantKey?: string;
}

export const testRoot: NoteSigner = new NoteSigner("root.example");
export const testVault: TestVault = new TestVault();
/** 2026-01-01T00:00:00Z, Unix seconds. */
export const testTime = 1_767_225_600;
export const second = 1_000_000;

interface State extends Facts {
  readonly blockNo: number;
  readonly seq: number;
  readonly prevHash: Uint8Array;
  readonly lastHash: Uint8Array;
  readonly frontier: Frontier;
  /** Who must sign the next block. */
  readonly signer: Signer;
  /** Makes the key after that. */
  readonly keyState: Uint8Array;
  readonly time: number;
  readonly mono: number;
}

export class ChainBuilder {
  readonly label: string;
  readonly vault: TestVault;
  readonly grant: Uint8Array;
  readonly terms: GrantTerms;
  readonly blocks: BuiltBlock[] = [];
  /** Roots over the first 0, 1, 2 … blocks. */
  readonly roots: Uint8Array[];
  runId: Uint8Array;
  /** Promise of the blocks to come. */
  maxSilenceMs = 60_000;
  readonly #codec: Codec;
  #runs = 1;
  #state: State;

  constructor(label: string, setup: ChainSetup = {}) {
    const { root = testRoot, vault = testVault, codec = "raw" } = setup;
    this.label = label;
    this.vault = vault;
    this.#codec = codec;
    const own = signer(`grant ${setup.grantKey ?? label}`);
    this.terms = {
      id: fixedBytes(`grant id ${setup.grantKey ?? label}`, 16),
      role: "write",
      subject: label,
      audience: vault.name,
      sources: [],
      notBefore: testTime - 3600,
      notAfter: testTime + 90 * 86_400,
      maxChains: 1,
      maxSilenceMs: 60_000,
      key: own.publicKey,
      ...setup.terms,
    };
    const text = (setup.grantText ?? same)(formatGrant(this.terms));
    const note = (setup.grantNote ?? same)(formatNote(text, [root.sign(text)]));
    this.grant = Uint8Array.from(Buffer.from(note));
    this.runId = fixedBytes(`run ${label} 1`, 16);
    this.#state = this.#firstState(own, setup.time ?? testTime * second);
    this.roots = [this.#state.frontier.root()];
  }

  /** The chain id; zero before the genesis. */
  get id(): Uint8Array {
    return this.blocks[0]?.hash ?? new Uint8Array(32);
  }

  get name(): string {
    return hex(this.id);
  }

  /** Unix microseconds of the newest block. */
  get time(): number {
    return this.#state.time;
  }

  get mono(): number {
    return this.#state.mono;
  }

  get sources(): SourceTable {
    return this.#state.sources;
  }

  get config(): JsonObject {
    return this.#state.config;
  }

  /** Number of the next envelope. */
  get seq(): number {
    return this.#state.seq;
  }

  /** Who must sign the next block. */
  get signer(): Signer {
    return this.#state.signer;
  }

  get length(): number {
    return this.blocks.length;
  }

  /** The source record of a file, and the id that lines of it carry. */
  source(path: string, generation = 0): { id: string; record: JsonObject } {
    const record = {
      type: "source",
      name: "app",
      path,
      dev: "64768",
      ino: String(1000 + path.length),
      birth: "1767225600000000000",
      generation,
      fingerprint: hex(fixedBytes(`file ${path} ${generation}`)),
      fingerprint_len: 64,
    };
    return { id: this.sources.idOf(record), record };
  }

  start(): Item {
    const run = hex(this.runId);
    return say({ type: "start", run, version: "0.1.0", host: "host.example", labels: {} });
  }

  /** The snapshot that is right just before the next block. */
  snapshot(change: Partial<SnapshotRecord> = {}): Item {
    const { frontier, config, sources } = this.#state;
    const tree = frontier.hashes().map(hex);
    return say({ type: "snapshot", tree, config, sources: sources.positions(), ...change });
  }

  /** Seals the genesis: start, config, snapshot and what is given. */
  begin(items: readonly Item[] = [], options: SealOptions = {}): BuiltBlock {
    const config = { service: this.label };
    const first = [this.start(), say({ type: "config", config }), this.snapshot({ config })];
    return this.seal([...first, ...items], options);
  }

  /** Another run: the next block must begin with `start` and `snapshot`. */
  newRun(): void {
    this.#runs += 1;
    this.runId = fixedBytes(`run ${this.label} ${this.#runs}`, 16);
    this.#state = { ...this.#state, mono: 0 };
  }

  /** Seals the first block of another run. */
  restart(items: readonly Item[] = [], options: SealOptions = {}): BuiltBlock {
    this.newRun();
    return this.seal([this.start(), this.snapshot(), ...items], options);
  }

  stop(options: SealOptions = {}): BuiltBlock {
    return this.seal([say({ type: "stop", reason: "sigterm" })], options);
  }

  /** Seals a block with exactly these items. */
  seal(items: readonly Item[], options: SealOptions = {}): BuiltBlock {
    const { block, state } = this.#make(items, options);
    this.blocks.push(block);
    this.#state = state;
    this.roots.push(state.frontier.root());
    return block;
  }

  /** A second block for the height of the next one; the chain doesn't move. */
  twin(items: readonly Item[], options: SealOptions = {}): BuiltBlock {
    return this.#make(items, options).block;
  }

  /** The vault's receipt over the first `size` blocks; by default a second after the newest. */
  receipt(size: number = this.length, time?: number): string {
    const newest = this.blocks[size - 1]?.header.time ?? this.time;
    const when = time ?? Math.floor(newest / second) + 1;
    return this.vault.receipt(this.id, size, this.roots[size] as Uint8Array, when);
  }

  #firstState(own: Signer, time: number): State {
    const grantHash = suite.sha256(this.grant);
    return {
      blockNo: 0,
      seq: 0,
      prevHash: new Uint8Array(32),
      lastHash: firstPrev(suite, grantHash, this.runId),
      frontier: new Frontier(suite),
      sources: new SourceTable(suite),
      config: {},
      configHash: new Uint8Array(32),
      receiptHash: new Uint8Array(32),
      receiptSize: 0,
      signer: own,
      keyState: fixedBytes(`state ${this.label}`),
      time: time - second,
      mono: 0,
    };
  }

  #make(items: readonly Item[], options: SealOptions): { block: BuiltBlock; state: State } {
    const before = this.#state;
    const facts = factsAfter(before, items);
    const time = options.time ?? before.time + second;
    const seed = fixedBytes(`seed ${this.label} ${before.blockNo}`);
    const honest = encodeItems(seed, items, before, time);
    const bent = (options.payload ?? same)(honest.slice());
    // Where nothing can be derived from what was bent, the header tells of what was meant.
    const count = envelopesIn(bent);
    const derived = derive(count === undefined ? honest : bent, before.lastHash, before.seq);
    const raw = (options.lines ?? same)(bent.slice());
    const codec = options.codec ?? this.#codec;
    const packed = codec === "zstd" && options.stored === undefined ? compress(raw) : raw;
    const stored = options.stored?.(packed, raw) ?? packed;
    const next = signerOfSeed(evolve(before.keyState, "sign"));
    const kind = options.kind ?? (before.blockNo === 0 ? "genesis" : "normal");
    const header: Header = {
      kind,
      codec,
      chainId: this.id,
      blockNo: before.blockNo,
      firstSeq: before.seq,
      count: count ?? envelopesIn(honest) ?? 1,
      rawLength: raw.length,
      storedLength: stored.length,
      maxSilenceMs: kind === "final" ? 0 : this.maxSilenceMs,
      prevHash: before.prevHash,
      chainRoot: before.frontier.root(),
      ...{ lastHash: derived.lastHash, envelopeRoot: derived.envelopeRoot },
      storedHash: suite.sha256(stored),
      nextPub: kind === "final" ? new Uint8Array(32) : next.publicKey,
      configHash: facts.configHash,
      receiptHash: before.blockNo === 0 ? suite.sha256(this.grant) : facts.receiptHash,
      receiptSize: facts.receiptSize,
      runId: this.runId,
      time,
      mono: options.mono ?? before.mono + second,
      firstTime: derived.firstTime,
    };
    const block = this.#sign({ ...header, ...options.header?.(header) }, stored, options);
    const frontier = before.frontier.copy();
    frontier.append(block.hash);
    const state: State = {
      ...facts,
      blockNo: before.blockNo + 1,
      seq: before.seq + header.count,
      prevHash: block.hash,
      lastHash: derived.lastHash,
      frontier,
      receiptHash: facts.receiptHash,
      signer: next,
      keyState: evolve(before.keyState, "next"),
      time: block.header.time,
      mono: block.header.mono,
    };
    return { block, state };
  }

  #sign(header: Header, stored: Uint8Array, options: SealOptions): BuiltBlock {
    const bytes = (options.headerBytes ?? same)(encodeHeader(header));
    const by = options.signer ?? this.#state.signer;
    const head = concat(bytes, by.sign(signedBytes(bytes)));
    return { bytes: concat(head, stored), head, header, hash: blockHash(suite, head) };
  }
}

function same<T>(value: T): T {
  return value;
}
