// Judges the proof of one line: from the root key down to the line's bytes.
//
//     root ─signs▶ grant ─key▶ genesis ─next_pub▶ … ─next_pub▶ block b    where all heads are there
//     root ─signs▶ grant ─key▶ genesis … receipt's tree ∋ block b - 1 ─next_pub▶ block b    else
//     block b ─envelope_root▶ group ∋ envelope ─source id▶ source record, in the grant's scope
//     receipt ◀─sign─ vault and time key of the grant's audience; its tree ∋ block b
//
// - Where heads are missing, everything between the genesis and block b is the vault's word, and so
//   is the line. Where all are there, no vault is asked.
// - Heads are judged as a walk judges them, up to the first that fails: one counts only if the key
//   that the one before it named has signed it. A silence that was too long is no fault of a line.
// - Any fault makes the proof worthless. Faults come in the order of the page.
//
// Spec: docs/spec/proof.md, "Checking".

import {
  type Authority,
  judgeGrant,
  readReceipt,
  shownVault,
  type TrustedKeys,
} from "../core/authority.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { decodeEnvelope, type Envelope, firstPrev } from "../core/envelope.ts";
import { groupSize, verifyEnvelope } from "../core/envelope-tree.ts";
import { Fault, type FindingCode } from "../core/fault.ts";
import { type Grant, inScope } from "../core/grant.ts";
import { blockHash, decodeHeader, type Header } from "../core/header.ts";
import type { VerifierKey } from "../core/note.ts";
import type { LineProof, ProofKind } from "../core/proof.ts";
import { decodeRecord, type SourceRecord, sourceIdOf } from "../core/record.ts";
import { verifyInclusion } from "../core/tree.ts";
import { isRefusal } from "./finding.ts";
import { ChainWalk } from "./walk.ts";

/** What a proof says. */
export interface ProofReport {
  readonly kind: ProofKind;
  readonly faults: readonly Fault[];
  /**
   * Whether it proves its line to whoever trusts the keys given: no fault, a root key was given,
   * and for a short proof its vault's keys.
   */
  readonly holds: boolean;
  /** Whose word stands for heads that the proof lacks; undefined: nobody's is needed. */
  readonly word: VaultsWord | undefined;
  /** What this proof leaves open. */
  readonly unchecked: readonly string[];
  /** In hex. */
  readonly chain: string | undefined;
  readonly grant: Grant | undefined;
  /** The given key that signed the grant. */
  readonly root: VerifierKey | undefined;
  readonly header: Header | undefined;
  readonly envelope: Envelope | undefined;
  readonly source: SourceRecord | undefined;
  /** `time` in Unix seconds; undefined where the vault's keys were not given. */
  readonly receipt: ReceiptClaim | undefined;
}

/** Blocks `from` to `to` are as this vault says. */
export interface VaultsWord {
  readonly vault: string;
  readonly from: number;
  readonly to: number;
}

interface ReceiptClaim {
  readonly vault: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly time: number | undefined;
}

interface ProvedHead {
  readonly header: Header;
  readonly hash: Uint8Array;
}

/** Block b, and the one before it. */
interface Place {
  readonly own: ProvedHead;
  readonly before: ProvedHead | undefined;
}

/** Judges a proof that was parsed. Never throws on its content. */
export function verifyProof(suite: Suite, proof: LineProof, keys: TrustedKeys): ProofReport {
  return new ProofCheck(suite, proof, keys).run();
}

class ProofCheck {
  readonly #suite: Suite;
  readonly #proof: LineProof;
  readonly #keys: TrustedKeys;
  readonly #authority: Authority;
  /** All that the proof has, in order. */
  readonly #heads: readonly Uint8Array[];
  /** The genesis' hash. */
  readonly #chain: Uint8Array;
  readonly #faults: Fault[] = [];

  constructor(suite: Suite, proof: LineProof, keys: TrustedKeys) {
    this.#suite = suite;
    this.#proof = proof;
    this.#keys = keys;
    this.#authority = judgeGrant(suite, keys, proof.grant);
    this.#heads = headsOf(proof);
    this.#chain = blockHash(suite, this.#heads[0] as Uint8Array);
  }

  run(): ProofReport {
    const { kind, receipt: note } = this.#proof;
    const { grant, roots, fault } = this.#authority;
    const [root] = roots;
    if (fault !== undefined) this.#faults.push(fault);
    const trail = this.#walk();
    const genesis = this.#try(() => this.#genesis(trail));
    const receipt = note && this.#try(() => this.#openReceipt(note));
    if (grant !== undefined && receipt !== undefined) this.#judgeDates(grant, receipt);
    const place = genesis && this.#try(() => this.#place(trail, genesis));
    if (place && receipt) this.#try(() => this.#judgeInclusions(place, receipt));
    const envelope = this.#try(() => decodeEnvelope(this.#proof.envelope));
    if (grant && place && envelope) this.#try(() => this.#judgeEnvelope(grant, place, envelope));
    const source = envelope && this.#try(() => this.#content(grant, envelope));
    const [faults, word] = [this.#faults, this.#word(grant)];
    const judged = this.#keys.roots !== undefined && (kind === "full" || this.#hasVaults());
    return {
      ...{ kind, faults, holds: judged && faults.length === 0, word },
      ...{ unchecked: [...this.#unchecked(word, receipt)], chain: hex(this.#chain), grant, root },
      ...{ header: place?.own.header, envelope, source, receipt },
    };
  }

  #try<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught;
      this.#faults.push(caught);
      return undefined;
    }
  }

  #walk(before?: Uint8Array): ChainWalk {
    const [suite, authority, chain] = [this.#suite, this.#authority, hex(this.#chain)];
    return ChainWalk.behind(before, { suite, authority, chain, report: () => {} });
  }

  #hasVaults(): boolean {
    return this.#keys.vaults !== undefined;
  }

  #genesis(trail: ChainWalk): ProvedHead {
    const { grant } = this.#authority;
    const head = this.#heads[0] as Uint8Array;
    expect("WRONG_CHAIN", decodeHeader(head).kind === "genesis", "genesis is no genesis block");
    const genesis = takeHead(trail, head);
    const bound = grant === undefined || equalBytes(genesis.header.receiptHash, grant.hash);
    expect("RECEIPT_MISMATCH", bound, "genesis does not name this grant");
    return genesis;
  }

  #openReceipt(bytes: Uint8Array): ReceiptClaim {
    const chain = hex(this.#chain);
    const { claim, genuine } = readReceipt(this.#suite, this.#authority, chain, bytes);
    if (genuine !== undefined) return genuine;
    if (!this.#hasVaults()) return { ...claim, time: undefined };
    const message = `receipt is of vault ${shownVault(claim.vault)}, whose keys are not given`;
    throw new Fault("RECEIPT_BAD_SIGNATURE", message);
  }

  // The chain's first receipt would decide, which is no later than this one.
  #judgeDates(grant: Grant, { time }: ReceiptClaim): void {
    if (time === undefined || time >= grant.notBefore) return;
    const message = "the chain began before its grant's not-before";
    this.#faults.push(new Fault("GRANT_NOT_YET_VALID", message));
  }

  #place(trail: ChainWalk, genesis: ProvedHead): Place {
    const [, ...heads] = this.#heads;
    if (hasAllHeads(this.#proof)) {
      let place: Place = { own: genesis, before: undefined };
      for (const head of heads) place = { own: takeHead(trail, head), before: place.own };
      return place;
    }
    const [previous, block] = heads as [Uint8Array, Uint8Array];
    const before = { header: decodeHeader(previous), hash: blockHash(this.#suite, previous) };
    const number = this.#proof.index - 1;
    const named = equalBytes(before.header.chainId, this.#chain);
    expect("WRONG_CHAIN", named, `block ${number} belongs to another chain`);
    const message = `block is number ${before.header.blockNo}, want ${number}`;
    expect("BLOCK_ORDER", before.header.blockNo === number, message);
    return { own: takeHead(this.#walk(previous), block), before };
  }

  #judgeInclusions({ own, before }: Place, receipt: ReceiptClaim): void {
    const { index, blockPath } = this.#proof;
    const path = this.#proof.kind === "short" ? this.#proof.previous?.path : undefined;
    if (before && path) this.#judgeInclusion(before, index - 1, path, receipt);
    this.#judgeInclusion(own, index, blockPath, receipt);
  }

  #judgeInclusion(
    { hash }: ProvedHead,
    index: number,
    path: readonly Uint8Array[],
    { size, root }: ReceiptClaim,
  ): void {
    const inside = verifyInclusion(this.#suite, { index, size, leaf: hash, path, root });
    expect("PROOF_INVALID", inside, `path does not lead from block ${index} to the receipt's root`);
  }

  #judgeEnvelope(grant: Grant, { own: { header }, before }: Place, envelope: Envelope): void {
    const { group, path } = this.#proof;
    const index = envelope.seq - header.firstSeq;
    const hash = this.#suite.sha256(this.#proof.envelope);
    const inBlock = index >= 0 && index < header.count;
    expect("SEQ_MISMATCH", inBlock, `envelope ${envelope.seq} is none of the block's`);
    const { count, envelopeRoot: root } = header;
    const inside = verifyEnvelope(this.#suite, { index, count, hash, group, path, root });
    expect("PROOF_INVALID", inside, "path does not lead from the envelope to envelope_root");
    const first = before?.header.lastHash ?? firstPrev(this.#suite, grant.hash, header.runId);
    const prev = index === 0 ? first : group[(index % groupSize) - 1];
    const linked = prev === undefined || equalBytes(envelope.prev, prev);
    expect("LINK_MISMATCH", linked, "envelope does not follow the one before");
    const last = index < count - 1 || equalBytes(hash, header.lastHash);
    expect("LINK_MISMATCH", last, "last_hash is not the hash of the last envelope");
  }

  /** What the envelope is about: a line's source, which it returns, or the record that it is. */
  #content(grant: Grant | undefined, envelope: Envelope): SourceRecord | undefined {
    const bytes = this.#proof.source;
    const needed = envelope.source !== undefined;
    const message = needed ? "proof lacks the source record" : "proof has a source too many";
    expect("PROOF_INVALID", needed === (bytes !== undefined), message);
    const { type, value, problem } = decodeRecord(bytes ?? envelope.bytes);
    if (problem !== undefined && isRefusal(problem.code)) throw problem;
    if (bytes === undefined) return undefined;
    const same = hex(sourceIdOf(this.#suite, bytes)) === envelope.source;
    expect("PROOF_INVALID", same, "source record is not that of the envelope's source");
    expect("PROOF_INVALID", type === "source", "source record is of another type");
    const source = value as SourceRecord;
    const covered = grant === undefined || inScope(grant, source.path);
    expect("SOURCE_OUT_OF_SCOPE", covered, "source lies outside the grant's globs");
    return source;
  }

  #word(grant: Grant | undefined): VaultsWord | undefined {
    if (grant === undefined || hasAllHeads(this.#proof)) return undefined;
    return { vault: grant.audience, from: 1, to: this.#proof.index - 1 };
  }

  *#unchecked(
    word: VaultsWord | undefined,
    receipt: ReceiptClaim | undefined,
  ): Generator<string, void, undefined> {
    if (this.#keys.roots === undefined) yield "the grant's root: no root key was given";
    if (this.#proof.receipt === undefined)
      yield "that a vault stores it, and since when: no receipt";
    else if (!this.#hasVaults()) yield "the receipt: no vault keys were given";
    if (word !== undefined) {
      yield `blocks ${word.from} to ${word.to}: ${word.vault} vouches for them, nobody else`;
    }
    if (receipt?.time === undefined) yield "the grant's first day: no receipt that counts tells";
    yield "the grant's last day: only the chain's first receipt tells";
    yield "revocations: this version reads no list of them";
  }
}

function headsOf(proof: LineProof): readonly Uint8Array[] {
  if (proof.kind === "full") return proof.heads;
  const { genesis, previous, block } = proof;
  return [genesis, previous?.head, block].filter((head) => head !== undefined);
}

/** From the genesis to block b: a short proof of one of the first three blocks has them, too. */
function hasAllHeads({ kind, index }: LineProof): boolean {
  return kind === "full" || index < 3;
}

function expect(code: FindingCode, holds: boolean, message: string): void {
  if (!holds) throw new Fault(code, message);
}

/** Takes the next head as a walk does. Throws the first Fault that the walk finds in it. */
function takeHead(walk: ChainWalk, head: Uint8Array): ProvedHead {
  const { blockNo } = walk.thread;
  const judged = walk.judge(head);
  const { faults, header, hash, place, authenticated } = judged;
  const fault = faults.find(({ code }) => isRefusal(code));
  if (fault !== undefined) throw new Fault(fault.code, `block ${blockNo}: ${fault.message}`);
  if (header === undefined || place !== "next") {
    throw new Fault("BLOCK_ORDER", `block ${blockNo} is not the one that follows`);
  }
  // Without a grant that binds no key is known; the grant's own fault says so.
  if (!authenticated && walk.authority.terms !== undefined) {
    throw new Fault("BAD_KEY", `no key that could sign block ${blockNo} is named before it`);
  }
  walk.block(head, "not-read", {}, judged);
  return { header, hash };
}
