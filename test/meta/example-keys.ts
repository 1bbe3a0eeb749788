// Public lines of example keys, by the file names that the README uses.

import { formatVerifierKey } from "../../src/core/note.ts";
import { exampleKeys } from "../spec-examples.ts";

export function exampleKeyLines(): Readonly<Record<string, string>> {
  const [root] = exampleKeys.roots;
  const [vault] = exampleKeys.vaults;
  return {
    "root.key.pub": formatVerifierKey(root!),
    "vault.key.pub": formatVerifierKey(vault!.receipt),
    "vault-time.key.pub": formatVerifierKey(vault!.time),
  };
}
