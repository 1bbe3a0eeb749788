import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

const root = join(import.meta.dirname, "../..");

function node(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
}

function pretend(version: string): string {
  const code = `Object.defineProperty(process, "versions", { value: { node: "${version}" } })`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

test("an old node is told what to do before anything else is loaded", () => {
  for (const version of ["18.20.4", "22.18.0", "23.11.1"]) {
    const early = ["--import", pretend(version), "--import", "./src/cli/node-version.mjs"];
    for (const args of [early, early.slice(0, 2)]) {
      const { status, stdout, stderr } = node(...args, "src/cli/bin.ts", "--version");
      assert.equal(status, 1);
      assert.equal(stdout, "");
      assert.match(stderr, new RegExp(`^sealtail: error: node is ${version}, want 24 or newer\n`));
      assert.match(stderr, /npm ci.*--ignore-scripts/);
    }
  }
});

test("a node that is new enough runs the command", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  for (const args of [[], ["--import", pretend("25.0.0")], ["--import", pretend("100.1.0")]]) {
    const { status, stdout, stderr } = node(...args, "src/cli/bin.ts", "--version");
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: `${version}\n`, stderr: "" });
  }
});

test("npm scripts check the node first and are replaced by it, so that signals arrive", async () => {
  const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const start = "exec node --import ./src/cli/node-version.mjs src/cli/bin.ts";
  assert.equal(scripts.sealtail, start);
  assert.equal(scripts.start, `${start} up`);
});

test("a command that reads no configuration loads neither yaml nor zod", () => {
  const names = [
    "main",
    "up",
    "verify",
    "lines",
    "prove",
    "verify-proof",
    "export",
    "key",
    "grant",
  ];
  const code = `
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(name, context, next) {
        if (/^(?:yaml|zod)$/.test(name)) throw new Error(context.parentURL + " loads " + name);
        return next(name, context);
      },
    });
    for (const name of ${JSON.stringify([...names, "status", "ack", "health"])}) {
      await import("./src/cli/" + name + ".ts");
    }`;
  const { status, stderr } = node("--input-type=module", "--eval", code);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
});
