import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";

const here = import.meta.dirname;
const requirements = join(here, "requirements.txt");

function run(command: string, ...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  return { status, output: `${stdout ?? ""}${stderr ?? ""}${error ?? ""}` };
}

/** A Python with exactly what the second implementation needs, in a folder of its own; or why not. */
function python(dir: string): { readonly path: string } | { readonly missing: string } {
  const made = run("python3", "-m", "venv", dir);
  if (made.status !== 0) return { missing: `python3 -m venv: ${made.output}` };
  const path = join(dir, "bin", "python");
  const quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
  const installed = run(path, "-m", "pip", "install", ...quiet, "-r", requirements);
  if (installed.status !== 0) {
    return { missing: `pip install ${readFileSync(requirements, "utf8")}: ${installed.output}` };
  }
  return { path };
}

describe("a second implementation, written from the spec alone", () => {
  test("finds the same in every vector, every case of its own, and chains made by chance", (t) => {
    const dir = mkdtempSync(join(tmpdir(), "sealtail-second-"));
    try {
      const found = python(join(dir, "python"));
      if ("missing" in found) {
        assert.ok(process.env.CI === undefined, found.missing);
        t.skip(`there is no Python with its packages: ${found.missing.slice(0, 200)}`);
        return;
      }
      const seed = process.env["SEALTAIL_SEED"] ?? "1";
      const stores = ["--keep", join(dir, "stores")];
      const agree = join(here, "agree.py");
      const { status, output } = run(found.path, agree, "--quiet", "--seed", seed, ...stores);
      assert.equal(status, 0, `SEALTAIL_SEED=${seed}\n${output}`);
      // All of them were there to be compared.
      const [, all = "0"] = /^(\d+) stores/m.exec(output) ?? [];
      assert.ok(Number(all) > 1200, output);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
