// The command, built to JavaScript once per test process: a life that is killed after a fifth of a
// second must not spend it on type stripping.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../meta/source-text.ts";

let made: string | undefined;

/** Path of the built `sealtail`; what was built goes when this process ends. */
export function builtBin(): string {
  made ??= build();
  return made;
}

function build(): string {
  const dir = mkdtempSync(join(tmpdir(), "sealtail-built-"));
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  for (const name of ["node_modules", "package.json"]) {
    symlinkSync(join(projectRoot, name), join(dir, name));
  }
  const tsc = join(projectRoot, "node_modules/.bin/tsc");
  const config = join(projectRoot, "tsconfig.build.json");
  execFileSync(tsc, ["-p", config, "--outDir", join(dir, "dist")], { stdio: "inherit" });
  // Plain JavaScript, so tsc passes it over.
  const check = "cli/node-version.mjs";
  copyFileSync(join(projectRoot, "src", check), join(dir, "dist", check));
  return join(dir, "dist/cli/bin.js");
}
