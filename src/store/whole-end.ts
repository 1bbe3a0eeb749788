// Where the whole blocks of a chain's newest object end, whoever asks: recovery and every reader.
//
// - A power cut may leave a file with its new size and without some of its content. So a block
//   counts only with the payload that its header names, unless whoever asks knows that it was
//   durable: by a receipt, whose signatures nobody here can judge.
// - Who counts by heads alone would count blocks that recovery cuts off, and call them damage.

import { headLength } from "../core/block.ts";
import { hex } from "../core/bytes.ts";
import { RunningHash } from "../host/running-hash.ts";
import { type FramedHead, framedHeads } from "./head-scan.ts";
import { readAll, type ShelfObject } from "./shelf.ts";

/** The whole blocks of an object; the payloads of those below `durable` are not read. */
export async function* wholeHeads(
  object: Pick<ShelfObject, "read" | "size">,
  firstBlock: number,
  durable: number,
): AsyncGenerator<FramedHead, void, undefined> {
  for await (const found of framedHeads(object, firstBlock)) {
    if (found.number >= durable && !(await hasItsPayload(object, found))) return;
    yield found;
  }
}

async function hasItsPayload(
  object: Pick<ShelfObject, "read">,
  { header, start }: FramedHead,
): Promise<boolean> {
  const stored = new Uint8Array(header.storedLength);
  if ((await readAll(object, stored, start + headLength)) < stored.length) return false;
  const hash = new RunningHash();
  hash.add(stored);
  return hash.digest() === hex(header.storedHash);
}
