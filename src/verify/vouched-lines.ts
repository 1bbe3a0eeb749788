// The lines of a stored chain that someone vouches for, by the rule that verify judges by.
//
// - First a look at all but the lines says whose word counts and how far: a grant that no given
//   root signed, or that fails otherwise, vouches for no line. One look serves any number of
//   readings: each hands out the lines of a block after it was judged again, now as a whole.
// - Grant and receipt are read once, for all; what a reading finds is compared with the first look:
//   a place that changes its mind between the two is caught.
// - One block is held at a time, and none is read before the lines before it were taken.
// - Whatever is left out is said, with its finding; and, to who asks, what the chain itself says
//   that it does not hold.

import { hex } from "../core/bytes.ts";
import type { ChainSource } from "../core/chain-source.ts";
import type { Suite } from "../core/digest.ts";
import { Fault, type FindingClass, type FindingCode } from "../core/fault.ts";
import type { PayloadItem } from "../core/payload.ts";
import { decodeRecord, encodeRecord, type GapRecord, sourceIdOf } from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";
import type { Finding } from "./finding.ts";
import { isInRange, type LineFilter } from "./line-filter.ts";
import { type FoundLine, LineReader } from "./lines.ts";
import type { Kept } from "./links.ts";
import type { JudgedPayload } from "./payload.ts";
import type { ChainReport } from "./report.ts";
import { type JudgedBy, verifyChain, walkChain } from "./verify.ts";

export interface VouchOptions extends JudgedBy {
  /** Hand out what nobody vouches for, too. */
  readonly unauthenticated: boolean;
}

/** A chain, and how far someone vouches for it. */
export interface VouchedChain {
  readonly options: VouchOptions;
  readonly chain: ChainSource;
  /** Number of the first block that nobody vouches for. */
  readonly to: number;
  /** No receipt was needed for that: each block's key is named by the one before it. */
  readonly byKeys: boolean;
  /** Why nobody vouches for anything. */
  readonly refused: string | undefined;
  /** What the look found; undefined where nobody asked who vouches. */
  readonly report: ChainReport | undefined;
}

/**
 * Bytes of a file that a chain does not hold, by what its own records say. They may lie before the
 * first line or behind the last, where lines alone show nothing.
 */
export interface Absent {
  /** Id in hex. */
  readonly source: string;
  readonly from: number;
  /** Undefined: how many there are is not known. */
  readonly to: number | undefined;
  /** For people, with the code of the finding. */
  readonly why: string;
}

export interface VouchedLinesOptions {
  readonly filter: LineFilter;
  /** Called with what records in the asked range say of bytes that the chain does not hold. */
  readonly onAbsent?: (bytes: Absent) => void;
}

export interface LinesOutcome {
  /** Why lines in the asked range may be missing: what it is about, and the finding's code. */
  readonly leftOut: readonly string[];
  /** The place said other things when it was read again: what was handed out counts for nothing. */
  readonly changed: string | undefined;
}

/** A list of what is left out ends here: more of it says nothing more. */
const leftOutMax = 20;

/** Findings after which lines are missing, or cannot be taken for what the agent wrote. */
const hidingClasses: ReadonlySet<FindingClass> = new Set([
  ...(["encoding", "structure", "crypto", "authority", "sink", "cannot-judge"] as const),
]);
const hidingCodes: ReadonlySet<FindingCode> = new Set([
  ...(["BLOCK_MISSING", "PAYLOAD_MISSING", "TAIL_TRUNCATED", "GAP_UNDECLARED"] as const),
]);

/**
 * The lines in order, a block's at a time: all must be taken. What the place throws is for it to
 * tell; the walk then ends.
 */
export async function* vouchedLines(
  vouched: VouchedChain,
  { filter, onAbsent = () => {} }: VouchedLinesOptions,
): AsyncGenerator<Iterable<FoundLine>, LinesOutcome, undefined> {
  const { suite, roots, unauthenticated } = vouched.options;
  if (vouched.refused !== undefined) return { leftOut: [vouched.refused], changed: undefined };
  const said = new Said(roots.length > 0);
  const lines = new LineReader(suite, filter);
  const held: { payload: JudgedPayload | undefined } = { payload: undefined };
  const absent: Absent[] = [];
  const blocks = walkChain(vouched.chain, {
    ...keysOf(vouched.options),
    report: (finding) => said.note(finding),
    onItem: (item, raw, seq) => {
      if (isInRange(filter, seq, item)) absent.push(...absentBytes(suite, item, raw));
    },
    onPayload: (payload) => {
      held.payload = payload;
    },
  });
  let given = -1;
  try {
    for (;;) {
      const next = await blocks.next();
      if (next.done === true) {
        const { vouchedTo, unread } = next.value;
        const changed = unauthenticated || vouchedTo > given ? undefined : notTheSame(vouchedTo);
        return { leftOut: [...said.list, ...unread], changed };
      }
      const { header, walk } = next.value;
      const { blockNo, firstSeq, count } = header;
      const { payload } = held;
      held.payload = undefined;
      const stated = absent.splice(0);
      if (vouched.byKeys && blockNo < vouched.to && walk.unauthenticatedFrom !== undefined) {
        return { leftOut: said.list, changed: notTheSame(blockNo) };
      }
      if (blockNo >= vouched.to) {
        said.add(`nobody vouches for block ${blockNo} and those behind it [UNAUTHENTICATED]`);
        return { leftOut: said.list, changed: undefined };
      }
      if (payload !== undefined) {
        if (!unauthenticated) given = blockNo;
        stated.forEach(onAbsent);
        yield lines.read({ header, ...payload });
        if (header.codec === "zstd") suite.discard(payload.raw);
        if (payload.hashes !== undefined) suite.discard(payload.hashes);
      }
      // Where only a later receipt vouches for the block, the walk must reach it.
      const sure = unauthenticated || walk.unauthenticatedFrom === undefined;
      if (firstSeq + count > filter.toSeq && sure) {
        walk.end();
        return { leftOut: said.list, changed: undefined };
      }
    }
  } finally {
    // Who takes no more lines lets the place close what it opened.
    await blocks.return(undefined as never);
  }
}

/**
 * Looks at a chain, but not at its lines, and keeps what the chains that go on for it are compared
 * with. What the place throws is for it to tell.
 */
export async function vouchFor(
  place: ChainSource,
  options: VouchOptions,
  kept: Kept = {},
): Promise<VouchedChain> {
  const chain = await withNotesRead(place);
  const vouched = options.unauthenticated ? everything : await vouchedFor(chain, options, kept);
  return { options, chain, ...vouched };
}

// The receipt first: the blocks, read later, cover it.
async function withNotesRead(chain: ChainSource): Promise<ChainSource> {
  const [receipt, grant] = [await chain.receipt(), await chain.grant()];
  const { id, blocks, headers, forks, unread } = chain;
  const notes = { receipt: async () => receipt, grant: async () => grant };
  return { id, ...notes, blocks, headers, forks, unread };
}

function keysOf({ suite, roots, vaults }: VouchOptions): JudgedBy {
  return { suite, roots, vaults };
}

type Vouched = Pick<VouchedChain, "to" | "byKeys" | "refused" | "report">;

const everything: Vouched = {
  to: Number.POSITIVE_INFINITY,
  byKeys: false,
  refused: undefined,
  report: undefined,
};

async function vouchedFor(chain: ChainSource, options: VouchOptions, kept: Kept): Promise<Vouched> {
  let about: Finding | undefined;
  const report = await verifyChain(chain, {
    ...keysOf(options),
    ...kept,
    itemsOnly: true,
    report: (finding) => {
      if (finding.object === "grant") about ??= finding;
    },
  });
  if (report.standing === "refused") {
    const why = about === undefined ? "the grant counts for nothing" : text(about);
    return { to: 0, byKeys: false, refused: why, report };
  }
  if (report.genesis !== chain.id) {
    const why = `what is stored here is chain ${report.genesis}, not ${chain.id} [WRONG_CHAIN]`;
    return { to: 0, byKeys: false, refused: why, report };
  }
  // What a living chain grows by between the two walks is vouched for like the rest.
  const to = report.vouchedTo >= report.length ? Number.POSITIVE_INFINITY : report.vouchedTo;
  const byKeys = report.findings.REANCHORED === undefined;
  return { to, byKeys, refused: undefined, report };
}

function notTheSame(block: number): string {
  return `block ${block} is not the one that was judged before`;
}

// What was said of lines that are left out, once each.
class Said {
  readonly list: string[] = [];
  readonly #judged: boolean;

  /** `judged`: by a root key. */
  constructor(judged: boolean) {
    this.#judged = judged;
  }

  note(finding: Finding): void {
    // Both are said in other words.
    if (finding.code === "UNAUTHENTICATED") return;
    if (finding.code === "UNKNOWN_ROOT" && !this.#judged) return;
    if (hidingCodes.has(finding.code) || hidingClasses.has(finding.class)) this.add(text(finding));
  }

  add(what: string): void {
    if (this.list.length < leftOutMax) this.list.push(what);
  }
}

function text({ message, code }: { message: string; code: string }): string {
  return `${message} [${code}]`;
}

/** What an item, if it is a record, says of bytes that are not in its chain. */
function* absentBytes(
  suite: Suite,
  { kind, start, end }: PayloadItem,
  raw: Uint8Array,
): Generator<Absent, void, undefined> {
  if (kind === "span") return;
  try {
    const { type, value, problem } = decodeRecord(raw.subarray(start, end));
    if (problem?.code === "MALFORMED") return;
    if (type === "gap") {
      const { source, from, to, cause } = value as GapRecord;
      yield { source, from, to, why: `${cause} [GAP_DECLARED]` };
    } else if (type === "predecessor") {
      for (const { record, offset } of positionsIn(value["positions"])) {
        if (offset === 0) continue;
        const source = hex(sourceIdOf(suite, encodeRecord(record)));
        yield { source, from: 0, to: offset, why: "an earlier chain has them [CHAIN_REPLACED]" };
      }
    }
  } catch (caught) {
    // Whoever judges the block says what is wrong with it.
    if (!(caught instanceof Fault)) throw caught;
  }
}
