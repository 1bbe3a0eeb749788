// What must hold however often things died: everything written is sealed exactly once.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { findingClasses } from "../../src/core/fault.ts";
import { formatVerifierKey } from "../../src/core/note.ts";
import type { Rig } from "./rig.ts";

/** All bytes of these files are sealed once, in order, in one chain without a worse finding. */
export async function assertWhole(rig: Rig, names: readonly string[]): Promise<void> {
  const { reports, findings, bytes } = await rig.verify();
  const bad = findings.filter(({ code }) => findingClasses[code] !== "finding");
  assert.deepEqual(bad, [], rig.said.slice(-3000));
  assert.equal(reports.length, 1);
  // By inode: a rotated file is declared under the name that it had when it was found.
  const sealed = new Map(
    [...bytes].map(([key, parts]) => [key.split("#")[1], Buffer.concat(parts)]),
  );
  for (const name of names) {
    const { ino } = statSync(join(rig.logs, name));
    const whole = sealed.get(`${ino}.0`)?.equals(rig.log(name)) === true;
    assert.ok(whole, `${name} is not sealed once and whole\n${rig.said.slice(-3000)}`);
  }
  assert.equal(sealed.size, names.length);
}

/** What an auditor would see: `verify` has nothing worse to say, and `lines --raw` is the file. */
export function assertByCommand(rig: Rig, name: string): void {
  const vault = rig.vaultKeys.flatMap((key) => ["--vault-key", formatVerifierKey(key)]);
  const keys = ["--root", formatVerifierKey(rig.root), ...vault];
  const run = (...words: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [rig.bin, ...words, ...keys], { maxBuffer: 1e8 });
  const verdict = run("verify", rig.storeDir);
  assert.ok(verdict.status === 0 || verdict.status === 3, String(verdict.stdout));
  const lines = run("lines", rig.storeDir, "--raw");
  assert.equal(lines.status, 0, String(lines.stderr));
  assert.ok((lines.stdout as Buffer).equals(rig.log(name)), "lines --raw is not the file");
}
