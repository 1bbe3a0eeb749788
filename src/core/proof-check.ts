// Judges the proof of one line: from the root key and the vault's keys down to the line's bytes.
//
//     root ─signs▶ grant ─key▶ genesis ─hash▶ chain id ◀─names─ receipt ◀─sign─ vault and time key
//     receipt's tree ∋ block b - 1 ─next_pub▶ signs block b ∈ receipt's tree
//     block b ─envelope_root▶ group ∋ envelope ─source id▶ source record, in the grant's scope
//
// - It trusts the vault for the blocks between the genesis and b - 1; a full walk trusts nobody.
// - Any fault makes the proof worthless. Faults come in the order above.
//
// Spec: docs/spec/proof.md, "Checking".

import {
  type Authority,
  judgeGrant,
  readReceipt,
  shownVault,
  type TrustedKeys,
} from "./authority.ts";
import { equalBytes, hex, isZero } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { decodeEnvelope, type Envelope, firstPrev } from "./envelope.ts";
import { groupSize, verifyEnvelope } from "./envelope-tree.ts";
import { Fault, type FindingCode } from "./fault.ts";
import { type Grant, inScope } from "./grant.ts";
import { blockHash, decodeHeader, type Header, headerLength, signedBytes } from "./header.ts";
import type { LineProof } from "./proof.ts";
import { decodeRecord, type SourceRecord, sourceIdOf } from "./record.ts";
import { rootOf, verifyInclusion } from "./tree.ts";

/** What a proof says. It holds only if `faults` is empty and both kinds of keys were given. */
export interface ProofReport {
  readonly faults: readonly Fault[];
  /** What this proof leaves open. */
  readonly unchecked: readonly string[];
  /** In hex. */
  readonly chain: string | undefined;
  readonly grant: Grant | undefined;
  readonly header: Header | undefined;
  readonly envelope: Envelope | undefined;
  readonly source: SourceRecord | undefined;
  /** `time` in Unix seconds; undefined where the vault's keys were not given. */
  readonly receipt: ReceiptClaim | undefined;
}

interface ReceiptClaim {
  readonly vault: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly time: number | undefined;
}

interface Block {
  readonly header: Header;
  readonly hash: Uint8Array;
}

/** Judges a proof that was parsed. Never throws on its content. */
export function verifyProof(suite: Suite, proof: LineProof, keys: TrustedKeys): ProofReport {
  return new ProofCheck(suite, proof, keys).run();
}

class ProofCheck {
  readonly #suite: Suite;
  readonly #proof: LineProof;
  readonly #keys: TrustedKeys;
  readonly #faults: Fault[] = [];
  readonly #unchecked: string[] = [];

  constructor(suite: Suite, proof: LineProof, keys: TrustedKeys) {
    this.#suite = suite;
    this.#proof = proof;
    this.#keys = keys;
  }

  run(): ProofReport {
    const authority = judgeGrant(this.#suite, this.#keys, this.#proof.grant);
    const { grant, fault } = authority;
    if (fault !== undefined) this.#faults.push(fault);
    const genesis = this.#try(() => this.#blockOf(this.#proof.genesis));
    if (grant !== undefined && genesis !== undefined) {
      this.#try(() => this.#judgeGenesis(grant, genesis));
    }
    const chain = genesis === undefined ? undefined : hex(genesis.hash);
    const receipt = this.#try(() => this.#openReceipt(authority, chain));
    if (grant !== undefined && receipt !== undefined) this.#judgeDates(grant, receipt);
    const block = genesis && receipt && this.#try(() => this.#block(genesis, receipt));
    const envelope = this.#try(() => decodeEnvelope(this.#proof.envelope));
    if (grant && block && envelope) {
      this.#try(() => this.#judgeEnvelope(grant, block.header, envelope));
    }
    const source = envelope && this.#try(() => this.#source(grant, envelope));
    this.#noteUnchecked();
    const { header } = block ?? { header: undefined };
    const [faults, unchecked] = [this.#faults, this.#unchecked];
    return { faults, unchecked, chain, grant, header, envelope, source, receipt };
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

  #blockOf(head: Uint8Array): Block {
    return { header: decodeHeader(head), hash: blockHash(this.#suite, head) };
  }

  #judgeGenesis(grant: Grant, { header }: Block): void {
    const head = this.#proof.genesis;
    expect("WRONG_CHAIN", header.kind === "genesis", "genesis is no genesis block");
    expect("WRONG_CHAIN", isZero(header.chainId), "genesis names a chain");
    this.#judgeSignature(grant.key, head, "genesis is not signed by the grant's key");
    expect("BAD_PREV", isZero(header.prevHash), "genesis names a block before it");
    expect("SEQ_MISMATCH", header.firstSeq === 0, "genesis does not begin with envelope 0");
    const bound = equalBytes(header.receiptHash, grant.hash);
    expect("RECEIPT_MISMATCH", bound, "genesis does not name this grant");
  }

  #judgeSignature(key: Uint8Array, head: Uint8Array, message: string): void {
    const signature = head.subarray(headerLength);
    const good = this.#suite.verifyEd25519(key, signedBytes(head), signature);
    expect("BAD_SIGNATURE", good, message);
  }

  #openReceipt(authority: Authority, chain: string | undefined): ReceiptClaim {
    const { claim, genuine } = readReceipt(this.#suite, authority, chain, this.#proof.receipt);
    if (genuine !== undefined) return genuine;
    if (authority.keys.vaults === undefined) return { ...claim, time: undefined };
    const message = `receipt is of vault ${shownVault(claim.vault)}, whose keys are not given`;
    throw new Fault("RECEIPT_BAD_SIGNATURE", message);
  }

  // The chain's first receipt would decide, which is no later than this one.
  #judgeDates(grant: Grant, { time }: ReceiptClaim): void {
    if (time === undefined || time >= grant.notBefore) return;
    const message = "the chain began before its grant's not-before";
    this.#faults.push(new Fault("GRANT_NOT_YET_VALID", message));
  }

  #block(genesis: Block, receipt: ReceiptClaim): Block {
    const { index, previous, block: head, blockPath } = this.#proof;
    const own = head === undefined ? genesis : this.#blockOf(head);
    if (head !== undefined) {
      const before = previous === undefined ? genesis : this.#blockOf(previous.head);
      if (previous !== undefined) {
        this.#judgePlace(before, genesis, index - 1);
        this.#judgeInclusion(before, index - 1, previous.path, receipt);
      }
      this.#judgePlace(own, genesis, index);
      expect("BAD_KEY", before.header.kind !== "final", "block follows a final one");
      const message = `block ${index} is not signed by the key that block ${index - 1} named`;
      this.#judgeSignature(before.header.nextPub, head, message);
      const linked = equalBytes(own.header.prevHash, before.hash);
      expect("BAD_PREV", linked, `block ${index} does not follow the one before`);
    }
    this.#judgeChainRoot(own.header, genesis);
    this.#judgeInclusion(own, index, blockPath, receipt);
    return own;
  }

  #judgePlace({ header }: Block, genesis: Block, index: number): void {
    const named = equalBytes(header.chainId, genesis.hash);
    expect("WRONG_CHAIN", named, `block ${index} belongs to another chain`);
    const message = `block is number ${header.blockNo}, want ${index}`;
    expect("BLOCK_ORDER", header.blockNo === index, message);
  }

  // Known here for the first two blocks only; for the others the receipt's tree stands in.
  #judgeChainRoot(header: Header, genesis: Block): void {
    if (header.blockNo > 1) return;
    const root = rootOf(this.#suite, header.blockNo === 0 ? [] : [genesis.hash]);
    const same = equalBytes(header.chainRoot, root);
    expect("CHAIN_ROOT_MISMATCH", same, "chain_root is not that of the blocks before");
  }

  #judgeInclusion(
    { hash }: Block,
    index: number,
    path: readonly Uint8Array[],
    { size, root }: ReceiptClaim,
  ): void {
    const inside = verifyInclusion(this.#suite, { index, size, leaf: hash, path, root });
    expect("PROOF_INVALID", inside, `path does not lead from block ${index} to the receipt's root`);
  }

  #judgeEnvelope(grant: Grant, header: Header, envelope: Envelope): void {
    const { group, path } = this.#proof;
    const index = envelope.seq - header.firstSeq;
    const hash = this.#suite.sha256(this.#proof.envelope);
    const inBlock = index >= 0 && index < header.count;
    expect("SEQ_MISMATCH", inBlock, `envelope ${envelope.seq} is none of the block's`);
    const { count, envelopeRoot: root } = header;
    const inside = verifyEnvelope(this.#suite, { index, count, hash, group, path, root });
    expect("PROOF_INVALID", inside, "path does not lead from the envelope to envelope_root");
    const place = index % groupSize;
    const before =
      envelope.seq === 0 ? firstPrev(this.#suite, grant.hash, header.runId) : group[place - 1];
    const linked = before === undefined || equalBytes(envelope.prev, before);
    expect("LINK_MISMATCH", linked, "envelope does not follow the one before");
    const last = index < count - 1 || equalBytes(hash, header.lastHash);
    expect("LINK_MISMATCH", last, "last_hash is not the hash of the last envelope");
  }

  #source(grant: Grant | undefined, envelope: Envelope): SourceRecord | undefined {
    const bytes = this.#proof.source;
    const needed = envelope.source !== undefined;
    const message = needed ? "proof lacks the source record" : "proof has a source too many";
    expect("PROOF_INVALID", needed === (bytes !== undefined), message);
    if (bytes === undefined) return undefined;
    const same = hex(sourceIdOf(this.#suite, bytes)) === envelope.source;
    expect("PROOF_INVALID", same, "source record is not that of the envelope's source");
    const { type, value, problem } = decodeRecord(bytes);
    if (problem?.code === "MALFORMED") throw problem;
    expect("PROOF_INVALID", type === "source", "source record is of another type");
    const source = value as SourceRecord;
    const covered = grant === undefined || inScope(grant, source.path);
    expect("SOURCE_OUT_OF_SCOPE", covered, "source lies outside the grant's globs");
    return source;
  }

  #noteUnchecked(): void {
    const { roots, vaults } = this.#keys;
    const { index } = this.#proof;
    if (roots === undefined) this.#unchecked.push("the grant's root: no root key was given");
    if (vaults === undefined) this.#unchecked.push("the receipt: no vault keys were given");
    if (index > 2) {
      this.#unchecked.push(`blocks 1 to ${index - 2}: the vault vouches for them`);
    }
    this.#unchecked.push("the grant's last day: only the chain's first receipt tells");
    this.#unchecked.push("revocations: no list was given");
  }
}

function expect(code: FindingCode, holds: boolean, message: string): void {
  if (!holds) throw new Fault(code, message);
}
