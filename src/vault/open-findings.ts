// What was found in stored chains and nobody has acknowledged yet.
//
// - The store is the truth: the file in the state directory only spares walking every chain again
//   at each start. What was stored beyond it, or without it, is looked at again in the background.
// - A finding stays open until an acknowledgement covers its block, whatever happens meanwhile: a
//   restart of the vault closes none.
// - One block counts once per kind, however often it holds it.
// - The index may be older or newer than the store: blocks that come again replace what it says.

import { fromUtf8, utf8 } from "../core/bytes.ts";
import type { FindingCode } from "../core/fault.ts";
import type { Diag } from "../host/diag.ts";
import { readWhole, writeFileDurably } from "../host/durable.ts";
import type { Files } from "../host/files.ts";
import type { Finding } from "../verify/finding.ts";

/** A finding's code; of a gap, with its cause. */
export interface FindingKind {
  readonly code: FindingCode;
  readonly reason: string;
}

const gap = (reason: string): FindingKind => ({ code: "GAP_DECLARED", reason });
const plain = (code: FindingCode): FindingKind => ({ code, reason: "" });

/**
 * What waits for an acknowledgement. Not a gap that the configuration asked for (start_at: end),
 * nor what says nothing about evidence.
 */
export const watchedKinds: readonly FindingKind[] = [
  ...["truncated", "rotated-away", "unreadable"].map(gap),
  ...(["SOURCE_REWRITTEN", "SILENCE_EXCEEDED", "RESTART_UNCLEAN", "DOWNTIME"] as const).map(plain),
  ...(["CLOCK_STEP_DECLARED", "TIME_SKEW", "CHAIN_REPLACED", "FORK"] as const).map(plain),
];

const labelOf = ({ code, reason }: FindingKind): string => `${code} ${reason}`.trim();
const watched = new Map(watchedKinds.map((kind) => [labelOf(kind), kind]));

interface ChainFindings {
  /** Blocks looked at. */
  looked: number;
  /** Whether the newest of them states its agent's stop. */
  stopped: boolean;
  /** By kind. */
  readonly open: Map<string, OpenBlocks>;
  /** By code: acknowledged below this block. Not of forks. */
  readonly below: Map<string, number>;
  /** Acknowledgements of forks: `time` in Unix seconds. */
  readonly forks: { readonly below: number; readonly time: number }[];
}

export interface OpenFindingsOptions {
  readonly files: Files;
  readonly diag: Diag;
  /** The index file. */
  readonly path: string;
}

export interface OpenFinding extends FindingKind {
  /** The newest ones. */
  readonly blocks: readonly number[];
  /** How many blocks there are before these; undefined for none. */
  readonly earlier?: number;
}

/** Blocks [from, to) of a chain and what was seen in them. */
export interface LookedAt {
  readonly from: number;
  readonly to: number;
  readonly findings: readonly Finding[];
  /** Whether the last of them states its agent's stop. */
  readonly stopped: boolean;
}

/** How far an acknowledgement's time may be from the vault's, in seconds. */
export const skewMax = 300;
const indexBytesMax = 256 * 1024 * 1024;

export class OpenFindings {
  readonly #options: OpenFindingsOptions;
  readonly #chains = new Map<string, ChainFindings>();
  #stale = false;
  #unsaved = 0;

  constructor(options: OpenFindingsOptions) {
    this.#options = options;
  }

  /** Takes over what the index file says of the chains for which `isStored` holds. */
  async load(isStored: (chain: string) => boolean): Promise<void> {
    const { files, path, diag } = this.#options;
    try {
      const bytes = await readWhole(files, path, indexBytesMax);
      const lines = bytes === undefined ? [] : fromUtf8(bytes).split("\n");
      for (const line of lines) if (line !== "") this.#restore(line, isStored);
    } catch (error) {
      diag.warn("index of findings can't be read, it is made anew", { error: error as Error });
      this.#chains.clear();
    }
  }

  /** Blocks that were looked at since the index file was written. */
  get unsaved(): number {
    return this.#unsaved;
  }

  /** Writes the index file, if it would say anything new. */
  async save(): Promise<void> {
    if (!this.#stale) return;
    this.#stale = false;
    this.#unsaved = 0;
    const rows = [...this.#chains].map(([chain, { looked, stopped, open }]) => {
      const kinds = [...open].map(([kind, { listed, earlier }]) => [kind, { listed, earlier }]);
      return `${JSON.stringify({ chain, looked, stopped, open: Object.fromEntries(kinds) })}\n`;
    });
    try {
      await writeFileDurably(this.#options.files, this.#options.path, utf8(rows.join("")));
    } catch (error) {
      this.#stale = true;
      throw error;
    }
  }

  /** How many of a chain's blocks were looked at. */
  looked(chain: string): number {
    return this.#chains.get(chain)?.looked ?? 0;
  }

  /** Whether a chain of `size` blocks is known to end in its agent's stop. */
  isStopped(chain: string, size: number): boolean {
    const state = this.#chains.get(chain);
    return state?.looked === size && state.stopped;
  }

  /**
   * Blocks of a chain were looked at. Ignored if blocks before them were not: the background comes
   * by. If some of them were looked at before, this is what holds.
   */
  note(chain: string, { from, to, findings, stopped }: LookedAt): void {
    this.cut(chain, from);
    const state = this.#of(chain);
    if (from > state.looked) return;
    for (const finding of findings) this.#open(state, kindOf(finding), finding.block ?? from);
    state.looked = to;
    state.stopped = stopped;
    this.#stale = true;
    this.#unsaved += to - from;
  }

  /** What is known of the blocks of a chain from `size` on holds no more: they are not stored. */
  cut(chain: string, size: number): void {
    const state = this.#of(chain);
    if (size >= state.looked) return;
    state.looked = size;
    state.stopped = false;
    this.#stale = true;
    for (const blocks of state.open.values()) if (!blocks.cut(size)) state.looked = 0;
    if (state.looked === 0) state.open.clear();
    else for (const [kind, { count }] of state.open) if (count === 0) state.open.delete(kind);
  }

  /**
   * A fork of a chain is proven, at `block`, since this Unix second; Infinity: just now. It may lie
   * below blocks of which an earlier one is acknowledged: that one was meant, not this.
   */
  fork(chain: string, block: number, since: number): void {
    const state = this.#of(chain);
    const meant = state.forks.some(({ below, time }) => block < below && since <= time + skewMax);
    if (!meant) this.#open(state, "FORK", block);
    this.#stale = true;
  }

  /** Closes what an acknowledgement covers, now and whenever it is met again. */
  acknowledge(chain: string, code: FindingCode, below: number, time: number): void {
    const state = this.#of(chain);
    if (code === "FORK") state.forks.push({ below, time });
    else state.below.set(code, Math.max(below, state.below.get(code) ?? 0));
    for (const [kind, blocks] of state.open) {
      if (watched.get(kind)?.code !== code) continue;
      blocks.closeBelow(below);
      if (blocks.count === 0) state.open.delete(kind);
    }
    this.#stale = true;
  }

  /** Whether findings of `code` in blocks up to `size` are acknowledged: also of the chain's end. */
  isAcknowledged(chain: string, code: FindingCode, size: number): boolean {
    return (this.#chains.get(chain)?.below.get(code) ?? 0) >= size;
  }

  /** What is open in a chain. */
  of(chain: string): OpenFinding[] {
    return [...(this.#chains.get(chain)?.open ?? [])].map(([kind, { listed, earlier }]) => {
      const found = { ...(watched.get(kind) as FindingKind), blocks: listed };
      return earlier === 0 ? found : { ...found, earlier };
    });
  }

  /** How many are open, by kind; every kind is there. */
  counts(): { kind: FindingKind; count: number }[] {
    const counts = new Map([...watched.keys()].map((kind) => [kind, 0]));
    for (const { open } of this.#chains.values()) {
      for (const [kind, blocks] of open) counts.set(kind, (counts.get(kind) ?? 0) + blocks.count);
    }
    return [...watched].map(([label, kind]) => ({ kind, count: counts.get(label) ?? 0 }));
  }

  #of(chain: string): ChainFindings {
    const known = this.#chains.get(chain);
    if (known !== undefined) return known;
    const made: ChainFindings = {
      looked: 0,
      stopped: false,
      open: new Map(),
      below: new Map(),
      forks: [],
    };
    this.#chains.set(chain, made);
    return made;
  }

  #open(state: ChainFindings, kind: string, block: number): void {
    const code = watched.get(kind)?.code;
    if (code === undefined || block < (state.below.get(code) ?? 0)) return;
    const blocks = state.open.get(kind) ?? new OpenBlocks();
    blocks.add(block);
    state.open.set(kind, blocks);
  }

  #restore(line: string, isStored: (chain: string) => boolean): void {
    const { chain, looked, stopped, open } = JSON.parse(line) as {
      chain: string;
      looked: number;
      stopped: boolean;
      open: Record<string, { listed: number[]; earlier: number }>;
    };
    if (!isStored(chain)) return;
    if (!Number.isSafeInteger(looked) || typeof stopped !== "boolean") {
      throw new RangeError("a row is of another kind");
    }
    const kinds = Object.entries(open).filter(([kind]) => watched.has(kind));
    const blocks = kinds.map(([kind, { listed, earlier }]) => {
      return [kind, new OpenBlocks(listed, earlier)] as const;
    });
    const state = { looked, stopped, open: new Map(blocks), below: new Map(), forks: [] };
    this.#chains.set(chain, state);
  }
}

/** How many blocks are listed of each kind. */
export const listedMax = 100;

/**
 * Numbers of the blocks that hold a finding. What an agent makes the vault remember has a limit:
 * the newest are listed, the ones before them only counted. Nothing is closed that may be meant to
 * stay open: those counted stay until a block behind all of them is covered.
 */
class OpenBlocks {
  /** Rising. */
  listed: readonly number[];
  /** How many there are before the first that is listed. */
  earlier: number;

  constructor(listed: readonly number[] = [], earlier = 0) {
    this.listed = listed;
    this.earlier = earlier;
  }

  get count(): number {
    return this.earlier + this.listed.length;
  }

  /** One number counts once, as long as it is listed. */
  add(block: number): void {
    if (this.listed.includes(block)) return;
    const at = this.listed.findLastIndex((each) => each < block) + 1;
    const more = this.listed.toSpliced(at, 0, block);
    this.listed = more.slice(-listedMax);
    this.earlier += more.length - this.listed.length;
  }

  /** Takes out the numbers below `limit`. */
  closeBelow(limit: number): void {
    if (limit > (this.listed[0] ?? 0)) this.earlier = 0;
    this.listed = this.listed.filter((block) => block >= limit);
  }

  /** Takes out `from` and all above it. False, and nothing done, if it is not known which those are. */
  cut(from: number): boolean {
    const left = this.listed.filter((block) => block < from);
    if (this.earlier > 0 && left.length === 0) return false;
    this.listed = left;
    return true;
  }
}

/** The kinds of finding to be acknowledged: each once for each block that holds it. */
export function kindsIn(findings: readonly Finding[]): FindingKind[] {
  const seen = new Map(findings.map((each) => [`${each.block} ${kindOf(each)}`, kindOf(each)]));
  return [...seen.values()].flatMap((label) => watched.get(label) ?? []);
}

function kindOf({ code, reason = "" }: Finding): string {
  return labelOf({ code, reason });
}
