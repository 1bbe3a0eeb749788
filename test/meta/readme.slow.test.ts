// The README's commands, copied as they stand and run: on real processes, in an empty directory.
//
// - Only the directory, the ports and the place of npm's package are exchanged.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { projectRoot } from "./source-text.ts";
import { sectionOf } from "./spec-pages.ts";

const readme = await readFile(join(projectRoot, "README.md"), "utf8");
let dir = "";

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "sealtail-readme-"));
});

after(() => rm(dir, { recursive: true, force: true }));

/** The blocks of shell of a section, in order. */
function shellOf(heading: string): string {
  const blocks = sectionOf(readme, heading).matchAll(/^```sh\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, block]) => block).join("");
}

async function bash(script: string): Promise<{ code: number | null; output: string }> {
  const file = join(dir, "script");
  // Job control: `kill %1` then reaches the whole group, as it does where a person types it.
  await writeFile(file, `set -m\n${script}`);
  const child = spawn("bash", [file], {
    cwd: dir,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
      SEALTAIL_PASSPHRASE: "correct horse",
      NO_COLOR: "1",
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, output };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : assert.fail();
}

test("what the README says of cheating comes true", async () => {
  // Lines that hardly compress: the middle of what is stored is then in a payload.
  const lines = Array.from({ length: 5000 }, () => `${randomUUID()}\n`);
  await writeFile(join(dir, "app.log"), lines.join(""));
  const npm = `npm --prefix '${projectRoot}'`;
  const script = shellOf("## Try to cheat").replaceAll("npm run", `${npm} run`);
  const { output } = await bash(
    `${npm} -s start -- app.log --once && echo sealed\n${script}\necho "exit $?"\n` +
      `cat kept.blocks > "$f" && ${npm} run -s sealtail -- verify --data sealtail-data\n`,
  );
  assert.match(output, /^VALID\n[\s\S]*^sealed$/m);
  assert.match(output, /^INVALID\n[\s\S]*PAYLOAD_HASH_MISMATCH block \d+:[\s\S]*^exit 5$/m);
  assert.match(output, /exit 5\nVALID\n/);
});

test("the README's way to a real deployment ends in VALID", async () => {
  let script = shellOf("## For real");
  for (const port of ["8481", "9474", "9475"]) {
    script = script.replaceAll(port, String(await freePort()));
  }
  script = script
    .replaceAll("/tmp/sealtail-for-real", join(dir, "real"))
    .replace("clone=$PWD", `clone='${projectRoot}'`);
  const end = "code=$?; kill %2; wait %2; kill %1; wait %1; exit $code\n";
  const { code, output } = await bash(`trap 'kill %2 %1' EXIT\n${script}\n${end}`);
  assert.match(output, /^VALID\n1 chain, /m);
  assert.equal(code, 0, output);
});
