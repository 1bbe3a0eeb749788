// The command line as a second judge: `verify` and `lines --raw` over the stored chains, in this
// process, must say and print what the library read.
//
// - The store is copied from the world's disk to a real directory, and read from there.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { main } from "../../src/cli/main.ts";
import type { VaultKeys } from "../../src/core/checkpoint.ts";
import { formatVerifierKey, type VerifierKey } from "../../src/core/note.ts";
import type { Verdict } from "../../src/verify/finding.ts";
import type { FakeFiles } from "../fakes/files.ts";
import type { Chains } from "./sealed.ts";

interface Said {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const exitCodes: Partial<Record<Verdict, number>> = {
  VALID: 0,
  VALID_WITH_FINDINGS: 3,
  INCOMPLETE: 4,
  INVALID: 5,
  INDETERMINATE: 6,
};

/** What the command line says otherwise than the library did. */
export async function commandLineComplaints(
  disk: FakeFiles,
  store: string,
  { root, vault }: { readonly root: VerifierKey; readonly vault: VaultKeys },
  chains: Chains,
): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), "sealtail-model-"));
  const keys = [root, vault.receipt, vault.time].flatMap((key) => [
    key === root ? "--root" : "--vault-key",
    formatVerifierKey(key),
  ]);
  try {
    copy(disk, store, dir);
    return [...(await verified(dir, keys, chains)), ...(await printed(dir, keys, chains))];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function copy(disk: FakeFiles, from: string, to: string): void {
  for (const [name, node] of disk.node(from)?.names ?? []) {
    const [path, target] = [`${from}/${name}`, join(to, name)];
    mkdirSync(dirname(target), { recursive: true });
    if (node.kind === "dir") {
      mkdirSync(target, { recursive: true });
      copy(disk, path, target);
    } else writeFileSync(target, node.bytes.content);
  }
}

async function run(...words: string[]): Promise<Said> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const said = Promise.all([buffer(stdout), buffer(stderr)]);
  const exitCode = await main(words, { stdin, stdout, stderr, env: {}, cwd: tmpdir() });
  stdout.end();
  stderr.end();
  const [out, notes] = await said;
  return { exitCode, stdout: out, stderr: notes.toString() };
}

async function verified(dir: string, keys: string[], { report }: Chains): Promise<string[]> {
  const said = await run("verify", dir, ...keys, "--json");
  const parsed = JSON.parse(said.stdout.toString()) as Record<string, unknown>;
  const expected = { verdict: report.verdict, counts: report.counts };
  const theirs = { verdict: parsed["verdict"], counts: parsed["counts"] };
  const complaints: string[] = [];
  if (JSON.stringify(theirs) !== JSON.stringify(expected)) {
    complaints.push(`verify says ${JSON.stringify(theirs)}, not ${JSON.stringify(expected)}`);
  }
  if (said.exitCode !== exitCodes[report.verdict]) {
    complaints.push(`verify ends with ${said.exitCode} where the verdict is ${report.verdict}`);
  }
  return complaints;
}

/** Every source of every chain, as exact bytes. */
async function printed(dir: string, keys: string[], { bytes }: Chains): Promise<string[]> {
  const complaints: string[] = [];
  for (const [chain, sources] of bytes) {
    for (const [source, parts] of sources) {
      const words = ["lines", dir, chain, "--raw", "--source", `id:${source}`, ...keys];
      const { exitCode, stdout, stderr } = await run(...words);
      const wanted = Buffer.concat(parts);
      const place = `lines of ${source} in ${chain.slice(0, 6)}`;
      if (!stdout.equals(wanted)) {
        complaints.push(`${place}: ${stdout.length} bytes, not the ${wanted.length} that it holds`);
      }
      // A gap, or a beginning that another chain holds, is said and ends in 1.
      if (exitCode !== 0 && (exitCode !== 1 || stderr === "")) {
        complaints.push(`${place}: ends with ${exitCode}: ${stderr}`);
      }
    }
  }
  return complaints;
}
