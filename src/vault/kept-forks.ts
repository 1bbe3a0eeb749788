// Which of a chain's kept fork proofs prove a fork: whoever can write into the store may have put
// one there, and an operator must not be told of a fork that nobody made.
//
// - What proves nothing takes no room from what does.

import { headLength } from "../core/block.ts";
import { fromHex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { parseGrant } from "../core/grant.ts";
import { decodeHeader } from "../core/header.ts";
import type { ChainReader, ForkProof, KeptFork, Store } from "../store/store.ts";
import { judgeForks, readForks } from "../verify/forks.ts";

/** Fork proofs kept per chain: more of them prove nothing more. */
const forksMax = 16;

/** Keeps the proof of a fork. False if it is kept already, or if there are enough. */
export async function keepFork(
  suite: Suite,
  store: Pick<Store, "forksKept" | "writeFork" | "reader">,
  chain: string,
  fork: ForkProof,
): Promise<boolean> {
  const crowded = (await store.forksKept(chain)).length >= forksMax;
  const { proven } = crowded ? await keptForks(suite, store, store.reader(chain)) : { proven: [] };
  return proven.length < forksMax && (await store.writeFork(chain, fork));
}

/** `not`: the objects that prove nothing. */
export async function keptForks(
  suite: Suite,
  store: Pick<Store, "forksKept">,
  reader: ChainReader,
): Promise<{ proven: KeptFork[]; not: string[] }> {
  const kept = await store.forksKept(reader.id);
  if (kept.length === 0) return { proven: [], not: [] };
  const chainId = fromHex(reader.id, 32);
  const { size } = await reader.newest();
  const not = new Set<string>();
  const there = new Set<string>();
  for (const [block, proofs] of await readForks(reader, () => {})) {
    const key = await keyOf(suite, reader, size, block);
    const walked = await headAt(reader, size, block);
    judgeForks(proofs, { suite, chainId, block, key, walked }, (code, _why, object) =>
      (code === "FORK" ? there : not).add(object),
    );
  }
  return { proven: kept.filter(({ object }) => there.has(object)), not: [...not] };
}

async function keyOf(
  suite: Suite,
  reader: ChainReader,
  size: number,
  block: number,
): Promise<Uint8Array | undefined> {
  if (block === 0) {
    const grant = await reader.grant();
    return grant && parseGrant(suite, grant).key;
  }
  const before = await headAt(reader, size, block - 1);
  return before && decodeHeader(before).nextPub;
}

async function headAt(
  reader: ChainReader,
  size: number,
  block: number,
): Promise<Uint8Array | undefined> {
  if (block >= size) return undefined;
  const head = await reader.heads(block, 1);
  return head.length === headLength ? head : undefined;
}
