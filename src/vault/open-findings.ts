// What was found in stored chains and nobody has acknowledged yet.
//
// - The store is the truth: the file in the state directory only spares walking every chain again
//   at each start. What was stored beyond it, or without it, is looked at again in the background.
// - A finding stays open until an acknowledgement covers its block, whatever happens meanwhile: a
//   restart of the vault closes none.
// - One block counts once per kind, however often it holds it.

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
  /** Block numbers by kind, rising. */
  readonly open: Map<string, number[]>;
  /** By code: acknowledged below this block. */
  readonly below: Map<string, number>;
}

export interface OpenFindingsOptions {
  readonly files: Files;
  readonly diag: Diag;
  /** The index file. */
  readonly path: string;
}

export interface OpenFinding extends FindingKind {
  readonly blocks: readonly number[];
}

const indexBytesMax = 256 * 1024 * 1024;

export class OpenFindings {
  readonly #options: OpenFindingsOptions;
  readonly #chains = new Map<string, ChainFindings>();
  #stale = false;

  constructor(options: OpenFindingsOptions) {
    this.#options = options;
  }

  /** Takes over what the index file says of the chains that are stored. */
  async load(): Promise<void> {
    const { files, path, diag } = this.#options;
    const bytes = await readWhole(files, path, indexBytesMax);
    if (bytes === undefined) return;
    try {
      for (const line of fromUtf8(bytes).split("\n")) if (line !== "") this.#restore(line);
    } catch (error) {
      diag.warn("index of findings is damaged, it is made anew", { error: error as Error });
      this.#chains.clear();
    }
  }

  /** Writes the index file, if it would say anything new. */
  async save(): Promise<void> {
    if (!this.#stale) return;
    this.#stale = false;
    const rows = [...this.#chains].map(([chain, { looked, open }]) => {
      return `${JSON.stringify({ chain, looked, open: Object.fromEntries(open) })}\n`;
    });
    await writeFileDurably(this.#options.files, this.#options.path, utf8(rows.join("")));
  }

  /** How many of a chain's blocks were looked at. */
  looked(chain: string): number {
    return this.#chains.get(chain)?.looked ?? 0;
  }

  /**
   * Blocks [from, to) of a chain were looked at and `findings` are what was seen. Ignored if blocks
   * before them were not: the background comes by.
   */
  note(chain: string, from: number, to: number, findings: readonly Finding[]): void {
    const state = this.#of(chain);
    if (from > state.looked || to <= state.looked) return;
    for (const finding of findings) {
      const block = finding.block ?? from;
      if (block >= state.looked) this.#open(state, kindOf(finding), block);
    }
    state.looked = to;
    this.#stale = true;
  }

  /** A fork of a chain is proven, at `block`. */
  fork(chain: string, block: number): void {
    this.#open(this.#of(chain), "FORK", block);
    this.#stale = true;
  }

  /** Closes what an acknowledgement covers, now and whenever it is met again. */
  acknowledge(chain: string, code: FindingCode, below: number): void {
    const state = this.#of(chain);
    state.below.set(code, Math.max(below, state.below.get(code) ?? 0));
    for (const [kind, blocks] of state.open) {
      if (watched.get(kind)?.code !== code) continue;
      const left = blocks.filter((block) => block >= below);
      if (left.length === 0) state.open.delete(kind);
      else state.open.set(kind, left);
    }
    this.#stale = true;
  }

  /** Whether findings of `code` in blocks up to `size` are acknowledged: also of the chain's end. */
  isAcknowledged(chain: string, code: FindingCode, size: number): boolean {
    return (this.#chains.get(chain)?.below.get(code) ?? 0) >= size;
  }

  /** What is open in a chain. */
  of(chain: string): OpenFinding[] {
    return [...(this.#chains.get(chain)?.open ?? [])].map(([kind, blocks]) => {
      return { ...(watched.get(kind) as FindingKind), blocks };
    });
  }

  /** How many are open, by kind; every kind is there. */
  counts(): { kind: FindingKind; count: number }[] {
    const counts = new Map([...watched.keys()].map((kind) => [kind, 0]));
    for (const { open } of this.#chains.values()) {
      for (const [kind, blocks] of open) counts.set(kind, (counts.get(kind) ?? 0) + blocks.length);
    }
    return [...watched].map(([label, kind]) => ({ kind, count: counts.get(label) ?? 0 }));
  }

  #of(chain: string): ChainFindings {
    const known = this.#chains.get(chain);
    if (known !== undefined) return known;
    const made: ChainFindings = { looked: 0, open: new Map(), below: new Map() };
    this.#chains.set(chain, made);
    return made;
  }

  #open(state: ChainFindings, kind: string, block: number): void {
    const code = watched.get(kind)?.code;
    if (code === undefined || block < (state.below.get(code) ?? 0)) return;
    const blocks = state.open.get(kind) ?? [];
    const newest = blocks.at(-1) ?? -1;
    if (block > newest) blocks.push(block);
    else if (!blocks.includes(block))
      blocks.splice(
        blocks.findIndex((each) => each > block),
        0,
        block,
      );
    state.open.set(kind, blocks);
  }

  #restore(line: string): void {
    const { chain, looked, open } = JSON.parse(line) as {
      chain: string;
      looked: number;
      open: Record<string, number[]>;
    };
    const kinds = Object.entries(open).filter(([kind]) => watched.has(kind));
    this.#chains.set(chain, { looked, open: new Map(kinds), below: new Map() });
  }
}

function kindOf({ code, reason = "" }: Finding): string {
  return labelOf({ code, reason });
}
