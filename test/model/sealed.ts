// What the vault's store holds in the end, in the verifier's own reading: spans and statements in
// the order of the chains, without what a later chain took over.

import { hex } from "../../src/core/bytes.ts";
import type { VaultKeys } from "../../src/core/checkpoint.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { VerifierKey } from "../../src/core/note.ts";
import {
  decodeRecord,
  encodeRecord,
  type GapRecord,
  type SourceRecord,
  sourceIdOf,
} from "../../src/core/record.ts";
import { positionsIn } from "../../src/core/sources.ts";
import type { Files } from "../../src/host/files.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { type SourceReport, verifySource } from "../../src/verify/all.ts";
import { verifyChain } from "../../src/verify/verify.ts";

export interface Sealed {
  readonly kind: "span" | "source" | "gap" | "end" | "rewritten" | "position";
  /** Source id in hex, and its declaration. */
  readonly source: string;
  readonly record: SourceRecord;
  /** Unix microseconds. */
  readonly time: number;
  /** Of a span: where, and which bytes. Of a gap: from; of an end: its size. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly to: number | undefined;
  readonly cause: string;
  /** For people. */
  readonly place: string;
}

export interface Chains {
  readonly report: SourceReport;
  /** Without what a later chain sealed again. */
  readonly items: Sealed[];
  /** Bytes of files that chains say they leave out, as outside their grant: by path. */
  readonly leftOut: ReadonlyMap<string, number>;
  /** Every byte that each chain holds of each source: by chain and source id. */
  readonly bytes: ReadonlyMap<string, ReadonlyMap<string, readonly Uint8Array[]>>;
}

const nothing = new Uint8Array(0);

export async function readSealed(
  files: Files,
  dir: string,
  trust: { readonly root: VerifierKey; readonly vault: VaultKeys },
): Promise<Chains> {
  const store = readDirStore(files, dir);
  const options = { suite, roots: [trust.root], vaults: [trust.vault] };
  const source = store;
  const report = await verifySource(source, options);
  const items: Sealed[] = [];
  // From the first chain to the newest; of each only what its successor did not seal again.
  const quoted = new Map(
    report.chains.flatMap(({ predecessor }) =>
      predecessor === undefined ? [] : [[predecessor.record.chain, predecessor.record.size]],
    ),
  );
  const bytes = new Map<string, Map<string, Uint8Array[]>>();
  const inOrder = [...report.chains].sort(
    (a, b) => depth(report, a.chain) - depth(report, b.chain),
  );
  for (const { chain } of inOrder) {
    const limit = quoted.get(chain) ?? Number.POSITIVE_INFINITY;
    const found = new Reading(items, chain.slice(0, 6));
    bytes.set(chain, found.bytes);
    await verifyChain(store.reader(chain), {
      ...options,
      report: () => undefined,
      onItem: (item, raw) => found.take(item, raw),
      onAccepted: ({ blockNo }) => found.block(blockNo < limit, blockNo),
    });
  }
  return { report, items, leftOut: leftOutOf(report), bytes };
}

// The statement is part of the reason why a chain goes on for another: "PATH (N bytes)", listed.
function leftOutOf(report: SourceReport): Map<string, number> {
  const leftOut = new Map<string, number>();
  for (const { predecessor } of report.chains) {
    const [, listed = ""] = predecessor?.record.reason.split("left out") ?? [];
    for (const [, path = "", bytes] of listed.matchAll(/(\/\S*) \((\d+) bytes\)/g)) {
      leftOut.set(path, (leftOut.get(path) ?? 0) + Number(bytes));
    }
  }
  return leftOut;
}

function depth(report: SourceReport, chain: string): number {
  const before = report.chains.find((each) => each.chain === chain)?.predecessor?.record.chain;
  return before === undefined ? 0 : depth(report, before) + 1;
}

type Item = Parameters<NonNullable<Parameters<typeof verifyChain>[1]["onItem"]>>[0];

class Reading {
  readonly #items: Sealed[];
  readonly #chain: string;
  readonly #records = new Map<string, SourceRecord>();
  #block: Sealed[] = [];
  readonly bytes: Map<string, Uint8Array[]> = new Map();

  constructor(items: Sealed[], chain: string) {
    this.#items = items;
    this.#chain = chain;
  }

  /** The items so far are those of one block. */
  block(counts: boolean, blockNo: number): void {
    const place = `${this.#chain}/${blockNo}`;
    if (counts) this.#items.push(...this.#block.map((item) => ({ ...item, place })));
    this.#block = [];
  }

  #put(item: Pick<Sealed, "kind" | "source" | "time"> & Partial<Sealed>): void {
    const record = this.#records.get(item.source);
    if (record === undefined) throw new RangeError(`source ${item.source} is not known`);
    this.#block.push({
      ...{ record, offset: 0, bytes: nothing, to: undefined, cause: "", place: "" },
      ...item,
    });
  }

  #declare(record: JsonObject): string {
    const id = hex(sourceIdOf(suite, encodeRecord(record)));
    this.#records.set(id, record as unknown as SourceRecord);
    return id;
  }

  take(item: Item, raw: Uint8Array): void {
    const content = raw.slice(item.start, item.end);
    const { time } = item;
    if (item.kind === "span") {
      const { source, offset } = item;
      this.bytes.set(source, [...(this.bytes.get(source) ?? []), content]);
      this.#put({ kind: "span", source, time, offset, bytes: content });
      return;
    }
    const { type, value } = decodeRecord(content);
    if (type === "source") this.#put({ kind: "source", source: this.#declare(value), time });
    for (const { record, offset } of positionsIn(value["positions"])) {
      this.#put({ kind: "position", source: this.#declare(record), time, offset });
    }
    if (type === "gap") {
      const { source, from: offset, to, cause } = value as unknown as GapRecord;
      this.#put({ kind: "gap", source, time, offset, to, cause });
    }
    if (type === "end" || type === "rewritten") {
      const {
        source,
        size,
        from,
        to,
        cause = "",
      } = value as unknown as {
        source: string;
        size?: number;
        from?: number;
        to?: number;
        cause?: string;
      };
      this.#put({ kind: type, source, time, offset: size ?? from ?? 0, to, cause });
    }
  }
}
