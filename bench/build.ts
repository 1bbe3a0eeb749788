// Compiles the program under measurement into a folder of its own: whatever is in dist/ stays.

import { spawnSync } from "node:child_process";
import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** Returns the path of the built bin.js. */
export function build(dir: string): string {
  const compiler = join(root, "node_modules", ".bin", "tsc");
  const args = ["-p", join(root, "tsconfig.build.json"), "--outDir", join(dir, "dist")];
  const { status, stdout } = spawnSync(compiler, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the program does not compile:\n${stdout}`);
  cpSync(join(root, "src/cli/node-version.mjs"), join(dir, "dist/cli/node-version.mjs"));
  cpSync(join(root, "package.json"), join(dir, "package.json"));
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  return join(dir, "dist/cli/bin.js");
}
