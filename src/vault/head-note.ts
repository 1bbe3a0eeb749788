// Pure. What the vault notes about a chain that it checked, so that it need not read it again: the
// state that the next block is judged by, and what stood for the objects that were read.
//
// - Signed by the vault's receipt key, as a note. A receipt's text begins with the chain's origin,
//   which holds no space, and this one with words that do: no signature can serve for both.
// - Only the vault reads it, and only its own: a text that differs in anything is none, and the
//   chain is read again.
// - A walk that goes on from a note judges every next block as the walk did that the note is of.
//
// Spec: docs/spec/checked.md.

import { base64, concat, fromBase64, fromDecimal, hex, utf8 } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault, orUndefined } from "../core/fault.ts";
import { blockHash, decodeHeader } from "../core/header.ts";
import { decodeJson, encodeJson, type JsonObject } from "../core/json.ts";
import {
  checkSignature,
  formatNote,
  type NoteSignature,
  parseNote,
  type VerifierKey,
} from "../core/note.ts";
import { maxRecordLength, type SourcePosition } from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";
import { type StatementKind, StatementLines } from "../core/statement.ts";
import { Frontier } from "../core/tree.ts";
import type { KnownEnd } from "../store/store.ts";
import { ChainWalk, type WalkOptions } from "../verify/walk.ts";

/** What a note says; `size`, `base` and `print` are of the store's objects. */
export interface CheckedChain extends KnownEnd {
  /** In hex. */
  readonly chain: string;
  /** Hash of the grant's note, in hex. */
  readonly grant: string;
  /** Whether nothing of it need be read again. */
  readonly sure: boolean;
  /** header ‖ signature of the newest block. */
  readonly head: Uint8Array;
  /** Whether that block ended its run. */
  readonly stopped: boolean;
  /** Ids of all runs; undefined where they are not all known, or too many. */
  readonly runs: readonly Uint8Array[] | undefined;
  /** The frontier's hashes. */
  readonly tree: readonly Uint8Array[];
  readonly sources: readonly SourcePosition[];
}

const kind: StatementKind = { name: "checked", code: "MALFORMED" };
const maxRuns = 256;
/** Sources as a snapshot may list them, in base64, and all that stands around them. */
export const headNoteBytesMax: number = 2 * maxRecordLength + 65_536;

/** What a walk has come to; `head` is the newest block's. The walk must have taken it. */
export function checkedChain(
  walk: ChainWalk,
  head: Uint8Array,
  allRuns: boolean,
  end: Pick<CheckedChain, "grant" | "sure" | keyof KnownEnd>,
): CheckedChain {
  const { thread, sources, runs } = walk;
  if (thread.frontier === undefined || sources.loose || thread.blockNo !== end.size) {
    throw new RangeError("walk does not know what a note says");
  }
  return {
    ...{ chain: walk.chainId, grant: end.grant, size: end.size, head },
    ...{ base: end.base, print: end.print, content: end.content, sure: end.sure },
    stopped: thread.stopped === true,
    runs: allRuns && runs.size <= maxRuns ? runs.known : undefined,
    tree: thread.frontier.hashes(),
    sources: sources.positions(),
  };
}

/** The text that the vault signs. */
export function headNoteText(vault: string, checked: CheckedChain): string {
  const { chain, grant, size, head, stopped, base, print, content, sure } = checked;
  const { runs, tree, sources } = checked;
  const listed = sources.map(({ record, offset }): JsonObject => ({ record, offset }));
  const values = {
    ...{ vault, chain, grant, size: String(size), head: base64(head) },
    ...{ stopped: stopped ? "yes" : "no", base: String(base) },
    ...{ settled: print.settled, rest: print.rest },
    ...{ bytes: String(content.bytes), content: content.digest, sure: sure ? "yes" : "no" },
    runs: runs === undefined ? "-" : base64(concat(...runs)),
    tree: base64(concat(...tree)),
    sources: base64(encodeJson({ sources: listed })),
  };
  const lines = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  return ["sealtail/1 checked", ...lines, ""].join("\n");
}

/** The whole note. */
export function formatHeadNote(text: string, signature: NoteSignature): Uint8Array {
  return utf8(formatNote(text, [signature]));
}

/** Reads a note that `key` signed for the chain. Undefined for anything else. */
export function openHeadNote(
  suite: Suite,
  key: VerifierKey,
  chain: string,
  bytes: Uint8Array,
): CheckedChain | undefined {
  return orUndefined(() => {
    const note = parseNote(bytes, headNoteBytesMax);
    if (checkSignature(suite, note, key) !== "valid") return undefined;
    const checked = parse(note.text);
    const again = headNoteText(key.name, checked);
    return again === note.text && checked.chain === chain ? checked : undefined;
  });
}

function parse(text: string): CheckedChain {
  const lines = StatementLines.ofNote(kind, text);
  const isYes = (name: string): boolean => lines.one(name) === "yes";
  lines.one("vault");
  // In the order of the text.
  return {
    chain: lines.one("chain"),
    grant: lines.one("grant"),
    size: fromDecimal(lines.one("size")),
    head: fromBase64(lines.one("head")),
    stopped: isYes("stopped"),
    base: fromDecimal(lines.one("base")),
    print: { settled: lines.one("settled"), rest: lines.one("rest") },
    content: { bytes: fromDecimal(lines.one("bytes")), digest: lines.one("content") },
    sure: isYes("sure"),
    runs: runsIn(lines.one("runs")),
    tree: pieces(fromBase64(lines.one("tree")), 32),
    sources: positionsIn(decodeJson(fromBase64(lines.one("sources")))["sources"]),
  };
}

function runsIn(text: string): Uint8Array[] | undefined {
  return text === "-" ? undefined : pieces(fromBase64(text), 16);
}

function pieces(bytes: Uint8Array, length: number): Uint8Array[] {
  if (bytes.length % length !== 0) throw new Fault("MALFORMED", "note holds half a hash");
  return Array.from({ length: bytes.length / length }, (_, at) =>
    bytes.slice(at * length, (at + 1) * length),
  );
}

/** A walk that goes on where the one stood that the note is of. Throws Fault for what is none. */
export function walkFrom(options: WalkOptions, checked: CheckedChain): ChainWalk {
  const { suite } = options;
  const walk = ChainWalk.behind(checked.head, options);
  const { thread, recent, sources, runs } = walk;
  const { chainRoot, time, blockNo } = decodeHeader(checked.head);
  const frontier = Frontier.from(suite, checked.size, checked.tree);
  const leaf = blockHash(suite, checked.head);
  if (blockNo + 1 !== checked.size) throw new Fault("MALFORMED", "note is of another block");
  thread.frontier = frontier;
  thread.stopped = checked.stopped;
  sources.restore(checked.sources);
  runs.know((checked.runs ?? []).map(hex));
  if (blockNo > 0) {
    const before = { leaf: undefined, root: chainRoot, key: undefined };
    recent.add(blockNo - 1, { ...before, time });
  }
  recent.add(blockNo, { leaf, root: frontier.root(), key: undefined, time });
  walk.unchecked.clear();
  return walk;
}
