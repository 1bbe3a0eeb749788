// Pure. Which files are a vault's store or an agent's state, told by how their paths end.
//
// - Tailed, they would feed themselves: what is sealed is stored, and what is stored is tailed.
//   Worse, an agent's keys would leave its machine.
// - Only names that nothing else has are taken for theirs: a log that lies in a folder of the same
//   name is a log.
//
// Spec: docs/spec/store.md, docs/spec/wal.md; docs/architecture.md, "State directory".

import type { BytePath } from "./byte-path.ts";

const number16 = "[0-9a-f]{16}";
const hash = "[0-9a-f]{64}";

const storeFile = new RegExp(
  `^(.*/chains)/${hash}/(?:${number16}\\.blocks|grant|receipt|headers/${number16}|forks/${number16}-${hash})$`,
  "s",
);
const stateFile = new RegExp(
  `^(.*/chains)/[0-9]{4,}/(?:wal/${number16}\\.wal|aside/[^/]+|keys|grant|receipt|replaced|succeeded|origin|unsent)$`,
  "s",
);

/** The folder `chains` of the store or state directory that the file belongs to, if it does. */
export function sealedPlaceOf(path: BytePath): BytePath | undefined {
  if (!path.includes("/chains/")) return undefined;
  return (storeFile.exec(path) ?? stateFile.exec(path))?.[1];
}
