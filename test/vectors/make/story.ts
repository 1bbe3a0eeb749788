// What a vector is made of: chains in a store, the keys to verify it with, and what must be found.

import type { FindingCode } from "../../../src/core/fault.ts";
import { formatVerifierKey } from "../../../src/core/note.ts";
import type { Verdict } from "../../../src/verify/finding.ts";
import {
  ChainBuilder,
  type ChainSetup,
  type SealOptions,
  testRoot,
  testVault,
} from "../../fakes/chain-builder.ts";
import { type Item, lines, say } from "../../fakes/chain-items.ts";
import { type StoreFiles, type StoreOptions, storeChain } from "../../fakes/chain-store.ts";

/** Code, block and seq; and what else must be said of it. */
export type Expected = readonly [
  code: FindingCode,
  block?: number | undefined,
  seq?: number | undefined,
  more?: { readonly blocks?: number; readonly chain?: string },
];

export interface ExpectedFinding {
  readonly chain?: string;
  readonly code: string;
  readonly block?: number;
  readonly blocks?: number;
  readonly seq?: number;
}

/** A vector's description, as it is stored beside its bytes. */
export interface Description {
  readonly spec: string;
  readonly story: string;
  readonly roots: readonly string[];
  readonly vaults: readonly string[];
  readonly at?: number;
  readonly verdict: Verdict;
  readonly chains: Readonly<Record<string, Verdict>>;
  readonly findings: readonly ExpectedFinding[];
}

export interface Vector {
  readonly spec: string;
  readonly story: string;
  /** Its bytes come from a compressor, whose versions differ: kept, and not made again. */
  readonly kept: boolean;
  readonly make: () => Story;
}

export type Vectors = Readonly<Record<string, Vector>>;

/** `spec` is page and section; `story` says in a sentence what is there, or what was bent. */
export function vector(spec: string, story: string, tell: (story: Story) => void): Vector {
  return { spec, story, kept: false, make: () => told(tell) };
}

export function keptVector(spec: string, story: string, tell: (story: Story) => void): Vector {
  return { ...vector(spec, story, tell), kept: true };
}

function told(tell: (story: Story) => void): Story {
  const story = new Story();
  tell(story);
  return story;
}

export interface StorySetup extends ChainSetup {
  readonly label?: string;
  /** Path of the source. */
  readonly path?: string;
  /** How the genesis is sealed. */
  readonly genesis?: SealOptions;
}

/** A chain with one source, and the items that most stories need. */
export class StoryChain extends ChainBuilder {
  readonly app: string;

  constructor(setup: StorySetup, more: readonly Item[]) {
    super(setup.label ?? "app", setup);
    const { id, record } = this.source(setup.path ?? "/var/log/app.log");
    this.app = id;
    this.begin([say(record), ...more], setup.genesis);
  }

  /** Seals `count` blocks of one line each. */
  go(count = 1): void {
    for (let n = 0; n < count; n++) this.seal([this.line()]);
  }

  /** A line of the source. */
  line(text: string | Uint8Array = `line ${this.length}\n`, offset?: number): Item {
    return lines(this.app, text, offset);
  }
}

export class Story {
  readonly files: StoreFiles = new Map();
  roots: readonly string[] = [formatVerifierKey(testRoot.key)];
  vaults: readonly string[] = [testVault.receiptKey, testVault.timeKey].map(({ key }) =>
    formatVerifierKey(key),
  );
  /** Unix microseconds at which heads are judged. */
  at: number | undefined;
  verdict: Verdict = "INDETERMINATE";
  readonly chains: Record<string, Verdict> = {};
  findings: ExpectedFinding[] = [];
  #first: string | undefined;

  /** A chain whose genesis declares one source. */
  chain(setup: StorySetup = {}, more: readonly Item[] = []): StoryChain {
    return new StoryChain(setup, more);
  }

  /** A chain that has not begun. */
  bare(setup: ChainSetup = {}): ChainBuilder {
    return new ChainBuilder("app", setup);
  }

  /** Stores a chain as it is, or as `options` say. The first one is what findings are about. */
  store(chain: ChainBuilder, options: StoreOptions = {}): void {
    this.#first ??= options.name ?? chain.name;
    storeChain(this.files, chain, options);
  }

  /** Name of a stored object of a chain. */
  place(chain: ChainBuilder, name: string): string {
    return `chains/${chain.name}/${name}`;
  }

  /** The verdict on all, on every chain unless set apart, and all findings. */
  expect(verdict: Verdict, ...findings: readonly Expected[]): void {
    this.verdict = verdict;
    this.findings = findings.map(([code, block, seq, more = {}]) => ({
      chain: this.#first as string,
      code,
      ...(block === undefined ? {} : { block }),
      ...(seq === undefined ? {} : { seq }),
      ...more,
    }));
    for (const name of this.files.keys()) this.chains[name.split("/")[1] as string] ??= verdict;
  }

  describe(vector: Vector): Description {
    const { roots, vaults, at, verdict, chains, findings } = this;
    const { spec, story } = vector;
    const time = at === undefined ? {} : { at };
    return { spec, story, roots, vaults, ...time, verdict, chains, findings: sorted(findings) };
  }
}

/** The order in which findings are listed and compared. */
export function sorted(findings: readonly ExpectedFinding[]): ExpectedFinding[] {
  const key = (each: ExpectedFinding): string =>
    [each.chain ?? "", each.block ?? -1, each.seq ?? -1]
      .map((part) => String(part).padStart(17, "0"))
      .concat(each.code)
      .join(" ");
  return [...findings].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
