// Hands out the envelopes of a chain as JSON, one a line, in order, for those who want to look.
//
// - What is handed out is judged once more as it is read: signatures, links, payload hashes and
//   records, from the nearest snapshot that the vault keeps. The head before that snapshot is taken
//   as it is stored; whoever reads to the chain's end finds out if it is another one. Still it
//   proves nothing to a stranger. Whoever needs proof takes the blocks, or the proof of a line.
// - One block is held; its envelopes are read as fast as they are taken, and no faster.
//
// Reference: docs/reference/http.md, "Lines".

import { equalBytes, utf8 } from "../core/bytes.ts";
import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { blockHash } from "../core/header.ts";
import { wholeBlocks } from "../core/whole-blocks.ts";
import { nextTurn } from "../host/turn.ts";
import type { ChainReader } from "../store/store.ts";
import { contradicts } from "../verify/finding.ts";
import type { LineFilter } from "../verify/line-filter.ts";
import { lineJson } from "../verify/line-json.ts";
import { LineReader, type ShownBlock } from "../verify/lines.ts";
import type { JudgedPayload } from "../verify/payload.ts";
import { Damage } from "./damage.ts";
import { beginWalk } from "./look-back.ts";
import { blockOfSeq } from "./stored-heads.ts";

export interface ReadLinesOptions {
  readonly suite: Suite;
  readonly keys: VaultKeys;
  readonly chain: ChainReader;
  /** So many blocks are looked at, at most. */
  readonly size: number;
  /** Hash of the last of them, as the vault checked it; undefined where it is not known now. */
  readonly newest: Uint8Array | undefined;
  readonly filter: LineFilter;
  /** Lines at most. */
  readonly limit: number;
}

const chunkBytes = 65_536;

/** The lines as NDJSON. Throws Damage where a block is not what was stored. */
export async function* readLines(
  options: ReadLinesOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { suite, chain, size, filter, limit } = options;
  const from = filter.fromSeq === 0 ? 0 : await blockOfSeq(chain, size, filter.fromSeq);
  if (from >= size) return;
  const reader = new LineReader(suite, filter);
  let [rows, length, left]: [string[], number, number] = [[], 0, limit];
  for await (const block of judgedBlocks(options, from)) {
    for (const line of reader.read(block)) {
      if (left === 0) break;
      left -= 1;
      const row = `${lineJson(chain.id, line)}\n`;
      rows.push(row);
      length += row.length;
      if (length < chunkBytes) continue;
      yield utf8(rows.join(""));
      [rows, length] = [[], 0];
    }
    if (block.header.codec === "zstd") suite.discard(block.raw);
    const { firstSeq, count } = block.header;
    if (left === 0 || firstSeq + count > filter.toSeq) break;
    await nextTurn();
  }
  if (rows.length > 0) yield utf8(rows.join(""));
}

async function* judgedBlocks(
  { suite, keys, chain, size, newest }: ReadLinesOptions,
  from: number,
): AsyncGenerator<ShownBlock, void, undefined> {
  const held: { payload: JudgedPayload | undefined } = { payload: undefined };
  let refused: string | undefined;
  const { walk, first } = await beginWalk(chain, from + 1, {
    ...{ suite, keys },
    report: ({ code }) => {
      if (contradicts(code)) refused ??= code;
    },
    onPayload: (payload) => {
      held.payload = payload;
    },
  });
  for await (const { head, payload } of wholeBlocks(chain.wholeBlocks(first, size))) {
    held.payload = undefined;
    const header = walk.block(head, payload);
    if (header === undefined || held.payload === undefined || refused !== undefined) {
      throw new Damage(`stored block fails as it is read: ${refused ?? "it can't be used"}`);
    }
    const isNewest = header.blockNo === size - 1 && newest !== undefined;
    if (isNewest && !equalBytes(blockHash(suite, head), newest)) {
      throw new Damage("stored blocks, as they are read, do not lead to the chain's newest one");
    }
    yield { header, ...(held.payload as JudgedPayload) };
  }
}
