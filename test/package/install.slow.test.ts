// What users get: the tarball, installed by npm into an empty folder.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, constants, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { projectRoot } from "../meta/source-text.ts";

const run = promisify(execFile);

// The command starts with "#!/usr/bin/env node": the node of this test has to be the first.
const env = {
  ...process.env,
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
};

let dir = "";
let packed: readonly string[] = [];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "sealtail-package-"));
  const pack = ["pack", "--json", "--pack-destination", dir];
  const { stdout } = await run("npm", pack, { cwd: projectRoot, env, maxBuffer: 2 ** 26 });
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf("[")));
  packed = files.map((file: { path: string }) => file.path);
  await writeFile(join(dir, "package.json"), '{ "private": true }\n');
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", `./${filename}`];
  await run("npm", install, { cwd: dir, env });
});

after(() => rm(dir, { recursive: true, force: true }));

function sealtail(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(join(dir, "node_modules/.bin/sealtail"), args, { cwd: dir, env });
}

test("the tarball holds the built program and no source, test or secret", () => {
  for (const path of ["dist/cli/bin.js", "dist/cli/main.js", "dist/cli/node-version.mjs"]) {
    assert.ok(packed.includes(path), path);
  }
  const tops = new Set(packed.map((path) => path.split("/")[0]));
  for (const top of ["src", "test", "bench", "node_modules", ".ci"]) assert.ok(!tops.has(top), top);
  assert.deepEqual(
    packed
      .filter((path) => !path.startsWith("docs/spec/example/"))
      .filter((path) => /\.(?:key|pem|tgz|wal|blocks)$|(?<!\.d)\.ts$/.test(path)),
    [],
  );
});

test("the installed command runs and says its version", async () => {
  const { version } = JSON.parse(await readFile(join(projectRoot, "package.json"), "utf8"));
  const { stdout, stderr } = await sealtail("--version");
  assert.equal(stdout, `${version}\n`);
  assert.equal(stderr, "");
});

test("the installed command has no need of what only developers have", async () => {
  const installed = await readdir(join(dir, "node_modules"));
  for (const name of ["typescript", "@biomejs", "fast-check", "node"]) {
    assert.ok(!installed.includes(name), name);
  }
  await access(join(dir, "node_modules/sealtail/dist/cli/bin.js"), constants.X_OK);
});

test("the installed command seals a file, verifies it and gives the verdict", async () => {
  await writeFile(join(dir, "app.log"), "one\ntwo\n");
  const { stdout, stderr } = await sealtail("up", "--once", "app.log", "--data", "data");
  assert.match(stdout, /^VALID\n1 chain, /);
  assert.equal(stderr, "");
  const lines = await sealtail("lines", "--data", "data", "--raw");
  assert.equal(lines.stdout, "one\ntwo\n");
});
