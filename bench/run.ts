// `npm run bench`: measures the built program against the limit loop of the same run.
//
//     npm run bench                          5 million lines, about 3 GB below the temporary folder
//     npm run bench -- --lines 500000        fewer
//     npm run bench -- --out FILE            elsewhere than bench/results.md
//
// - Asserts nothing about times. Fails only where a part does not do its work.
// - The program is compiled into the run's own folder: whatever is in dist/ stays as it is.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeAuditLog } from "./audit-log.ts";
import { Deployment } from "./deployment.ts";
import {
  agentPart,
  type LogFile,
  limitPart,
  type Measured,
  vaultPart,
  verifyPart,
} from "./parts.ts";
import { type Compared, resultsText } from "./results.ts";

const root = join(import.meta.dirname, "..");
const seed = 20_260_101;

function build(dir: string): string {
  const compiler = join(root, "node_modules", ".bin", "tsc");
  const args = ["-p", join(root, "tsconfig.build.json"), "--outDir", join(dir, "dist")];
  const { status, stdout } = spawnSync(compiler, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the program does not compile:\n${stdout}`);
  cpSync(join(root, "src/cli/node-version.mjs"), join(dir, "dist/cli/node-version.mjs"));
  cpSync(join(root, "package.json"), join(dir, "package.json"));
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  return join(dir, "dist/cli/bin.js");
}

async function run(lines: number, out: string): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "sealtail-bench-"));
  try {
    const program = build(dir);
    const path = join(dir, "audit.log");
    console.log(`writing ${lines} lines`);
    const log: LogFile = { path, lines, bytes: writeAuditLog(path, lines, seed) };
    const setup = new Deployment(join(dir, "setup"), program);
    const limits = [await limitPart(log)];
    const parts: Compared[] = [];
    for (const measure of [agentPart, vaultPart, verifyPart]) {
      const part = await measure(setup, log);
      const before = limits.at(-1) as Measured;
      const after = await limitPart(log);
      limits.push(after);
      parts.push({ part, around: [before, after] });
      console.log(`${part.part}: ${part.seconds.toFixed(1)} s`);
    }
    const command = `npm run bench -- --lines ${lines}`;
    const text = resultsText(command, log, limits, parts);
    writeFileSync(out, text);
    console.log(`\n${text}`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    lines: { type: "string", default: "5000000" },
    out: { type: "string", default: join(import.meta.dirname, "results.md") },
  },
});
const lines = Number(values.lines);
if (!Number.isSafeInteger(lines) || lines < 1) throw new Error(`--lines is ${values.lines}`);
await run(lines, values.out);
