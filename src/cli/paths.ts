// Where things lie: paths on the command line, and the layout of a --data directory.

import { join, resolve } from "node:path";
import type { Ui } from "./ui.ts";

/**
 * The directory in which relative paths begin: under this package's own npm scripts, which run in
 * the package, that is where npm was called.
 */
export function startDir(env: Readonly<Record<string, string | undefined>>, cwd: string): string {
  const script = env["npm_package_name"] === "sealtail" ? env["npm_lifecycle_event"] : undefined;
  const ours = script === "sealtail" || script === "start";
  return (ours ? env["INIT_CWD"] : undefined) ?? cwd;
}

/** A path from the command line, absolute. */
export function pathOf(ui: Ui, text: string): string {
  return resolve(ui.terminal.cwd, text);
}

/** What lies where under a --data directory. */
export interface DataDir {
  readonly store: string;
  readonly root: string;
  readonly vaultKeys: readonly string[];
}

export function dataDir(dir: string): DataDir {
  const keys = join(dir, "keys");
  return {
    store: join(dir, "store"),
    root: join(keys, "root.pub"),
    vaultKeys: [join(keys, "vault.pub"), join(keys, "vault-time.pub")],
  };
}
