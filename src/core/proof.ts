// The proof of one line: a text file that anyone can check offline. There are two kinds.
//
//     sealtail/1 line-proof              short               sealtail/1 full-line-proof      full
//     grant <base64>                     the grant note      grant <base64>
//     genesis <base64>                   head of block 0     head <base64>    of 0 … b, a line each
//     previous <base64>                  of b - 1, if b ≥ 2
//     previous-path <base64>             its path in the receipt's tree, one hash a line
//     block <base64>                     of b, if b ≥ 1
//
//     envelope <base64>                  the preimage: 96 bytes and the line
//     group <base64>                     the envelope hashes of its group, 1 to 16 lines
//     path <base64>                      from the group to envelope_root, 0 or more lines
//     source <base64>                    the source record; absent if the envelope is a record
//
//     c2sp.org/tlog-proof@v1             from here on a C2SP proof of block b, for standard tools
//     index <b>
//     <base64>                           b's path in the receipt's tree, 0 or more lines
//
//     <the receipt>
//
// - One text per proof: what parses is written again to the same bytes, or it is refused.
// - A full proof may end before the C2SP proof: it needs no receipt. A short one has it always.
// - It reveals one line and nothing of its neighbours but hashes of salted envelopes.
//
// Spec: docs/spec/proof.md. What it proves is judged by verify/proof-check.ts.

import { headLength } from "./block.ts";
import { base64, fromBase64, fromDecimal, fromUtf8, utf8 } from "./bytes.ts";
import { maxReceiptLength } from "./checkpoint.ts";
import { envelopeHeadLength } from "./envelope.ts";
import { groupSize } from "./envelope-tree.ts";
import { Fault } from "./fault.ts";
import { maxGrantLength } from "./grant.ts";
import { maxRecordLength } from "./record.ts";
import { StatementLines } from "./statement.ts";

/** Room for the longest record, and for all that is around it. */
export const maxProofLength = 16_777_216;
/** Heads in a full proof: more than a day of a block a second. */
export const maxProofHeads = 100_000;
/** Room for so many heads, too. */
export const maxFullProofLength = 83_886_080;

/** Envelope, and block b's place in the receipt's tree. */
interface Proved {
  /** The grant note. */
  readonly grant: Uint8Array;
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
}

/** Names block b by the receipt's tree. Heads are header ‖ signature. */
export interface ShortProof extends Proved {
  readonly kind: "short";
  readonly genesis: Uint8Array;
  /** Block b - 1 and its path in the receipt's tree; undefined for b = 0 and b = 1. */
  readonly previous:
    | { readonly head: Uint8Array; readonly path: readonly Uint8Array[] }
    | undefined;
  /** Undefined for b = 0: it is the genesis. */
  readonly block: Uint8Array | undefined;
  /** The receipt's whole text. */
  readonly receipt: Uint8Array;
}

/** Leads to block b by the heads of all blocks before it. */
export interface FullProof extends Proved {
  readonly kind: "full";
  /** Of blocks 0 to b. */
  readonly heads: readonly Uint8Array[];
  /** Undefined where none covers block b: then there is no path either. */
  readonly receipt: Uint8Array | undefined;
}

export type LineProof = ShortProof | FullProof;
export type ProofKind = LineProof["kind"];

const headers: Readonly<Record<ProofKind, string>> = {
  short: "sealtail/1 line-proof",
  full: "sealtail/1 full-line-proof",
};
const tlogHeader = "c2sp.org/tlog-proof@v1";
/** A tree of 2^53 - 1 leaves has no longer path. */
const pathMax = 53;

export function formatProof(proof: LineProof): string {
  const { kind, grant, envelope, source, receipt } = proof;
  const lines = [
    headers[kind],
    `grant ${base64(grant)}`,
    ...(proof.kind === "full"
      ? proof.heads.map((head) => `head ${base64(head)}`)
      : shortHeads(proof)),
    `envelope ${base64(envelope)}`,
    ...proof.group.map((hash) => `group ${base64(hash)}`),
    ...proof.path.map((hash) => `path ${base64(hash)}`),
    ...(source === undefined ? [] : [`source ${base64(source)}`]),
    "",
  ];
  if (receipt === undefined) return lines.join("\n");
  lines.push(tlogHeader, `index ${proof.index}`, ...proof.blockPath.map(base64), "");
  return `${lines.join("\n")}\n${fromUtf8(receipt)}`;
}

function shortHeads({ genesis, previous, block }: ShortProof): string[] {
  return [
    `genesis ${base64(genesis)}`,
    ...(previous === undefined ? [] : [`previous ${base64(previous.head)}`]),
    ...(previous?.path ?? []).map((hash) => `previous-path ${base64(hash)}`),
    ...(block === undefined ? [] : [`block ${base64(block)}`]),
  ];
}

/**
 * Reads a proof and judges its form only. Throws Fault UNSUPPORTED for a version or kind that is
 * not known, PROOF_INVALID for any other deviation.
 */
export function parseProof(bytes: Uint8Array): LineProof {
  if (bytes.length > maxFullProofLength) {
    throw refusal(`is ${bytes.length} bytes, at most ${maxFullProofLength}`);
  }
  try {
    const text = fromUtf8(bytes);
    const kind = kindOf(text);
    if (kind === "short" && bytes.length > maxProofLength) {
      throw refusal(`is ${bytes.length} bytes, at most ${maxProofLength}`);
    }
    const proof = parse(kind, text);
    if (formatProof(proof) === text) return proof;
  } catch (caught) {
    if (!(caught instanceof Fault) || own.has(caught.code)) throw caught;
    throw refusal(`has a part that is none: ${caught.message}`);
  }
  throw refusal("is not in the one form that it can have");
}

const lineKind = { name: "proof", code: "PROOF_INVALID" } as const;
const own: ReadonlySet<string> = new Set(["PROOF_INVALID", "UNSUPPORTED"]);

function kindOf(text: string): ProofKind {
  const [line] = text.split("\n", 1) as [string];
  if (line === headers.short) return "short";
  if (line === headers.full) return "full";
  if (/^sealtail\/[1-9][0-9]* [a-z0-9-]+-proof$/.test(line)) {
    throw new Fault("UNSUPPORTED", "proof is of a version or kind that is not known", 0);
  }
  throw refusal("does not begin as one");
}

function parse(kind: ProofKind, text: string): LineProof {
  const [body, tlog, receipt] = partsOf(kind, text);
  const lines = new StatementLines(lineKind, body);
  lines.exactly(headers[kind]);
  const grant = bounded(lines.one("grant"), maxGrantLength);
  const heads = kind === "short" ? readShortHeads(lines) : readHeads(lines);
  const envelope = bounded(lines.one("envelope"), envelopeHeadLength + maxRecordLength);
  const group = hashes(lines.many("group"), groupSize);
  const path = hashes(lines.many("path"), pathMax);
  const source = lines.maybe("source");
  lines.finish();
  const proved = {
    ...{ grant, envelope, group, path },
    source: source === undefined ? undefined : bounded(source, maxRecordLength),
  };
  if (receipt !== undefined && receipt.length > maxReceiptLength) {
    throw refusal("has a receipt that is too long");
  }
  const place = tlog === undefined ? undefined : readPlace(new StatementLines(lineKind, tlog));
  if (heads.kind === "full") {
    const { index, blockPath } = place ?? { index: heads.heads.length - 1, blockPath: [] };
    if (index !== heads.heads.length - 1) throw refusal(`has not the heads of 0 to ${index}`);
    return { ...heads, ...proved, index, blockPath, receipt };
  }
  const { index, blockPath } = place as Place;
  const { block, previous } = heads;
  if ((block === undefined) !== (index === 0) || (previous === undefined) !== index < 2) {
    throw refusal(`has not the heads that block ${index} needs`);
  }
  return { ...heads, ...proved, index, blockPath, receipt: receipt as Uint8Array };
}

/** The own lines, those of the C2SP proof, and the receipt; a full proof may have the first only. */
function partsOf(
  kind: ProofKind,
  text: string,
): [own: string, tlog: string | undefined, receipt: Uint8Array | undefined] {
  const cut = text.indexOf("\n\n");
  if (cut < 0 && kind === "full") {
    if (!text.endsWith("\n")) throw refusal("is cut short");
    return [text.slice(0, -1), undefined, undefined];
  }
  const end = text.indexOf("\n\n", cut + 2);
  if (cut < 0 || end < 0) throw refusal("is cut short");
  return [text.slice(0, cut), text.slice(cut + 2, end), utf8(text.slice(end + 2))];
}

function readShortHeads(
  lines: StatementLines,
): Pick<ShortProof, "kind" | "genesis" | "previous" | "block"> {
  const genesis = head(lines.one("genesis"));
  const previous = lines.maybe("previous");
  const path = hashes(lines.many("previous-path"), pathMax);
  const block = lines.maybe("block");
  return {
    kind: "short",
    genesis,
    previous: previous === undefined ? undefined : { head: head(previous), path },
    block: block === undefined ? undefined : head(block),
  };
}

function readHeads(lines: StatementLines): Pick<FullProof, "kind" | "heads"> {
  const texts = lines.many("head");
  if (texts.length === 0) throw refusal("has no heads");
  if (texts.length > maxProofHeads) {
    throw refusal(`has ${texts.length} heads, at most ${maxProofHeads}`);
  }
  return { kind: "full", heads: texts.map(head) };
}

interface Place {
  readonly index: number;
  readonly blockPath: readonly Uint8Array[];
}

function readPlace(lines: StatementLines): Place {
  lines.exactly(tlogHeader);
  const index = fromDecimal(lines.one("index"));
  return { index, blockPath: hashes(lines.rest(), pathMax) };
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
