// Opens a chain's buffer, tells what is damaged in it, and keeps no live signature of that.

import { headLength } from "../core/block.ts";
import { hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { blockHash, decodeHeader, headerLength, magic } from "../core/header.ts";
import { makeDirDurably } from "../host/durable.ts";
import { Wal } from "../wal/wal.ts";
import type { ChainContext } from "./chain.ts";
import type { ChainDir } from "./state-dir.ts";

const maxSegment = 16 * 1024 * 1024;

export async function openWal(context: ChainContext, dir: ChainDir): Promise<Wal> {
  await makeDirDurably(context.files, dir.wal, 0o700);
  const { files, diag, clock, meter } = context;
  const wal = await Wal.open({
    files,
    diag,
    clock,
    onSync: (micros) => meter.synced(micros),
    onFailure: (code) => meter.walFailed(code),
    dir: dir.wal,
    // Small enough that freeing whole segments gives space back long before the buffer is full.
    segmentBytes: Math.min(maxSegment, Math.floor(context.bufferBytes / 16)),
    scrub: scrubSignatures,
  });
  for (const { segment, offset, reason } of wal.damage) {
    diag.error("buffer segment is damaged, its bytes are set aside", { segment, offset, reason });
  }
  if (wal.damage.length > 0) context.onDamage(wal.damage.length);
  return wal;
}

/** Id of the chain whose blocks a buffer holds; undefined where its oldest block does not say. */
export async function chainIn(suite: Suite, wal: Wal): Promise<string | undefined> {
  const [oldest] = await wal.read(wal.first, 1);
  if (oldest === undefined) return undefined;
  try {
    const { blockNo, chainId } = decodeHeader(oldest.bytes);
    return hex(blockNo === 0 ? blockHash(suite, oldest.bytes) : chainId);
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return undefined;
  }
}

/** What is kept aside of a broken log must not hold live signatures. */
function scrubSignatures(bytes: Uint8Array): void {
  const first = magic.charCodeAt(0);
  for (let at = bytes.indexOf(first); at !== -1; at = bytes.indexOf(first, at + 1)) {
    const found = String.fromCharCode(...bytes.subarray(at, at + magic.length));
    if (found === magic) bytes.fill(0, at + headerLength, at + headLength);
  }
}
