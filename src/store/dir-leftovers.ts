// What lies in a directory store of a chain that never began: its vault was cut off or had no room.
//
// - It is at most an empty folder, a grant and a part of the genesis. A whole block, a receipt, a
//   fork, a second object or anything that is not the vault's own makes it more than that.
// - The grant goes last, the folder behind it: what a crash leaves of the work is a leftover again.

import { headLength } from "../core/block.ts";
import { headerOf, limits, magic } from "../core/header.ts";
import { unlinkIfPresent } from "../host/durable.ts";
import { errnoOf, joinPath } from "../host/file-error.ts";
import type { Files } from "../host/files.ts";
import { blocksPath, chainPath, chainsFolder, grantPath } from "./layout.ts";
import { type DirShelf, readSmall } from "./shelf.ts";

/** Names in the chain's folder, in the order in which they go; undefined where there is more. */
export async function leftoversOf(
  files: Files,
  shelf: DirShelf,
  chain: string,
): Promise<readonly string[] | undefined> {
  const folder = chainPath(chain);
  const nameIn = (path: string): string => path.slice(folder.length + 1);
  const [genesis, grant] = [nameIn(blocksPath(chain, 0)), nameIn(grantPath(chain))];
  const order = [genesis, `${grant}.tmp`, grant];
  const found = (await files.list(shelf.path(folder))) ?? [];
  for (const { name, kind } of found) {
    if (kind !== "file" || typeof name !== "string" || !order.includes(name)) return undefined;
  }
  const names = order.filter((name) => found.some((item) => item.name === name));
  const begun = names.includes(genesis) && !(await isTorn(files, shelf, blocksPath(chain, 0)));
  return begun ? undefined : names;
}

/** Whether an object ends before its first block does, and holds no other one. */
async function isTorn(files: Files, shelf: DirShelf, path: string): Promise<boolean> {
  const { size } = (await files.stat(shelf.path(path))) ?? { size: 0 };
  if (size < headLength) return true;
  if (size >= headLength + limits.storedLength) return false;
  const bytes = (await readSmall(shelf, path, size)) ?? new Uint8Array(0);
  const header = headerOf(bytes.subarray(0, headLength));
  if (header?.blockNo !== 0 || size >= headLength + header.storedLength) return false;
  // A length that was bent could make a chain look like a part of its genesis.
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(magic, headLength) < 0;
}

/** Returns when all of it is gone for good. */
export async function removeLeftovers(
  files: Files,
  shelf: DirShelf,
  chain: string,
  names: readonly string[],
): Promise<void> {
  const folder = shelf.path(chainPath(chain));
  for (const name of names) await unlinkIfPresent(files, joinPath(folder, name));
  try {
    await files.rmdir(folder);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  await files.syncDir(shelf.path(chainsFolder));
}
