// The proof of one line: a text file that anyone can check offline.
//
//     sealtail/1 line-proof
//     grant <base64>              the grant note
//     genesis <base64>            header ‖ signature; its hash is the chain id
//     previous <base64>           header ‖ signature of block b - 1, which names b's key
//     previous-path <base64>      its path in the receipt's tree, one hash a line; none if b < 2
//     block <base64>              header ‖ signature of block b; absent for b = 0
//     envelope <base64>           the preimage: 96 bytes and the line
//     group <base64>              the envelope hashes of its group, 1 to 16 lines
//     path <base64>               from the group to envelope_root, 0 or more lines
//     source <base64>             the source record; absent if the envelope is a record
//
//     c2sp.org/tlog-proof@v1      from here on a C2SP proof of block b, for standard tools
//     index <b>
//     <base64>                    b's path in the receipt's tree, 0 or more lines
//
//     <the receipt>
//
// - One text per proof: what parses is written again to the same bytes, or it is refused.
// - It reveals one line and nothing of its neighbours but hashes of salted envelopes.
//
// Spec: docs/spec/proof.md. What it proves is judged by core/proof-check.ts.

import { base64, equalBytes, fromBase64, fromDecimal, fromUtf8, utf8 } from "./bytes.ts";
import { maxReceiptLength } from "./checkpoint.ts";
import { envelopeHeadLength } from "./envelope.ts";
import { groupSize } from "./envelope-tree.ts";
import { Fault } from "./fault.ts";
import { maxGrantLength } from "./grant.ts";
import { headerLength, signatureLength } from "./header.ts";
import { maxRecordLength } from "./record.ts";

/** Room for the longest record, and for all that is around it. */
export const maxProofLength = 16_777_216;

export interface LineProof {
  /** The grant note. */
  readonly grant: Uint8Array;
  /** Heads are header ‖ signature. */
  readonly genesis: Uint8Array;
  /** Block b - 1 and its path in the receipt's tree; undefined for b = 0 and b = 1. */
  readonly previous:
    | { readonly head: Uint8Array; readonly path: readonly Uint8Array[] }
    | undefined;
  /** Undefined for b = 0: it is the genesis. */
  readonly block: Uint8Array | undefined;
  /** The preimage. */
  readonly envelope: Uint8Array;
  readonly group: readonly Uint8Array[];
  readonly path: readonly Uint8Array[];
  /** Bytes of the source record; undefined if the envelope is a record. */
  readonly source: Uint8Array | undefined;
  /** b, the number of the block. */
  readonly index: number;
  /** Its path in the receipt's tree, from the leaf upwards. */
  readonly blockPath: readonly Uint8Array[];
  /** The receipt's whole text. */
  readonly receipt: Uint8Array;
}

const header = "sealtail/1 line-proof";
const tlogHeader = "c2sp.org/tlog-proof@v1";
const headLength = headerLength + signatureLength;
/** A tree of 2^53 - 1 leaves has no longer path. */
const pathMax = 53;

export function formatProof(proof: LineProof): string {
  const { previous, block, source } = proof;
  const lines = [
    header,
    `grant ${base64(proof.grant)}`,
    `genesis ${base64(proof.genesis)}`,
    ...(previous === undefined ? [] : [`previous ${base64(previous.head)}`]),
    ...(previous?.path ?? []).map((hash) => `previous-path ${base64(hash)}`),
    ...(block === undefined ? [] : [`block ${base64(block)}`]),
    `envelope ${base64(proof.envelope)}`,
    ...proof.group.map((hash) => `group ${base64(hash)}`),
    ...proof.path.map((hash) => `path ${base64(hash)}`),
    ...(source === undefined ? [] : [`source ${base64(source)}`]),
    "",
    tlogHeader,
    `index ${proof.index}`,
    ...proof.blockPath.map(base64),
    "",
  ];
  return `${lines.join("\n")}\n${fromUtf8(proof.receipt)}`;
}

/** Reads a proof and judges its form only. Throws Fault PROOF_INVALID for any deviation. */
export function parseProof(bytes: Uint8Array): LineProof {
  if (bytes.length > maxProofLength) throw refusal(`is ${bytes.length} bytes, at most 16 MiB`);
  try {
    const proof = parse(fromUtf8(bytes));
    if (equalBytes(utf8(formatProof(proof)), bytes)) return proof;
  } catch (caught) {
    if (!(caught instanceof Fault) || caught.code === "PROOF_INVALID") throw caught;
    throw refusal(`has a part that is none: ${caught.message}`);
  }
  throw refusal("is not in the one form that it can have");
}

function parse(text: string): LineProof {
  const cut = text.indexOf("\n\n");
  const end = text.indexOf("\n\n", cut + 2);
  if (cut < 0 || end < 0) throw refusal("is cut short");
  const lines = new Lines(text.slice(0, cut));
  lines.exactly(header);
  const grant = bounded(lines.one("grant"), maxGrantLength);
  const genesis = head(lines.one("genesis"));
  const previous = lines.maybe("previous");
  const previousPath = hashes(lines.many("previous-path"), pathMax);
  const block = lines.maybe("block");
  const envelope = bounded(lines.one("envelope"), envelopeHeadLength + maxRecordLength);
  const group = hashes(lines.many("group"), groupSize);
  const path = hashes(lines.many("path"), pathMax);
  const source = lines.maybe("source");
  lines.finish();
  const tlog = new Lines(text.slice(cut + 2, end));
  tlog.exactly(tlogHeader);
  const index = fromDecimal(tlog.one("index"));
  const blockPath = hashes(tlog.rest(), pathMax);
  const receipt = utf8(text.slice(end + 2));
  if (receipt.length > maxReceiptLength) throw refusal("has a receipt that is too long");
  if ((block === undefined) !== (index === 0) || (previous === undefined) !== index < 2) {
    throw refusal(`has not the heads that block ${index} needs`);
  }
  return {
    ...{ grant, genesis, envelope, group, path, index, blockPath, receipt },
    previous: previous === undefined ? undefined : { head: head(previous), path: previousPath },
    block: block === undefined ? undefined : head(block),
    source: source === undefined ? undefined : bounded(source, maxRecordLength),
  };
}

// Reads `name value` lines in the order in which they are asked for.
class Lines {
  readonly #lines: string[];
  #at = 0;

  constructor(text: string) {
    this.#lines = text.split("\n");
  }

  exactly(line: string): void {
    if (this.#lines[this.#at++] !== line) throw refusal(`has no line "${line}" at its place`);
  }

  maybe(name: string): string | undefined {
    const line = this.#lines[this.#at];
    if (!line?.startsWith(`${name} `)) return undefined;
    this.#at += 1;
    return line.slice(name.length + 1);
  }

  one(name: string): string {
    const value = this.maybe(name);
    if (value === undefined) throw refusal(`has no line "${name}" at its place`);
    return value;
  }

  many(name: string): string[] {
    const values: string[] = [];
    for (let value = this.maybe(name); value !== undefined; value = this.maybe(name)) {
      values.push(value);
    }
    return values;
  }

  rest(): string[] {
    return this.#lines.slice(this.#at);
  }

  finish(): void {
    if (this.#at !== this.#lines.length) throw refusal("has a line too many");
  }
}

function refusal(why: string): Fault {
  return new Fault("PROOF_INVALID", `proof ${why}`);
}

function bounded(text: string, most: number): Uint8Array {
  const bytes = fromBase64(text);
  if (bytes.length > most) throw refusal(`has a part of ${bytes.length} bytes, at most ${most}`);
  return bytes;
}

function head(text: string): Uint8Array {
  const bytes = fromBase64(text);
  if (bytes.length !== headLength) {
    throw refusal(`has a head of ${bytes.length} bytes, want ${headLength}`);
  }
  return bytes;
}

function hashes(texts: readonly string[], most: number): Uint8Array[] {
  if (texts.length > most) throw refusal(`has a list of ${texts.length} hashes, at most ${most}`);
  return texts.map((text) => {
    const hash = fromBase64(text);
    if (hash.length !== 32) throw refusal(`has a hash of ${hash.length} bytes, want 32`);
    return hash;
  });
}
