import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { SealtailError } from "../../src/core/errors.ts";
import { createDiag, type DiagLevel, silentDiag } from "../../src/host/diag.ts";

function recorded(level: DiagLevel): { diag: ReturnType<typeof createDiag>; lines: string[] } {
  const lines: string[] = [];
  return { diag: createDiag({ level, write: (line) => lines.push(line) }), lines };
}

test("a diagnostic is one JSON line with level, ISO time, phrase and fields", () => {
  const { diag, lines } = recorded("info");
  diag.child({ chain: "ab" }).warn("source truncated", { sizeBytes: 5, ino: 7n, path: undefined });
  assert.ok(lines[0]?.endsWith("\n"));
  const { time, ...rest } = JSON.parse(lines[0] ?? "");
  assert.equal(new Date(time).toISOString(), time);
  const want = { level: "warn", chain: "ab", sizeBytes: 5, ino: "7", msg: "source truncated" };
  assert.deepEqual(rest, want);
});

test("an error shows code, place and cause, and no stack", () => {
  const { diag, lines } = recorded("error");
  const cause = new Error("ENOSPC");
  const error = new SealtailError("disk-full", "couldn't write", { place: "/a", cause });
  diag.error("sealing stopped", { error });
  const shown = { code: "disk-full", message: "couldn't write", place: "/a", cause: "ENOSPC" };
  assert.deepEqual(JSON.parse(lines[0] ?? "").error, shown);
});

test("what lies below the level is not said", () => {
  const table: [DiagLevel, number][] = [
    ["error", 1],
    ["warn", 2],
    ["info", 3],
    ["debug", 4],
    ["silent", 0],
  ];
  for (const [level, count] of table) {
    const { diag, lines } = recorded(level);
    diag.error("a");
    diag.warn("b");
    diag.info("c");
    diag.debug("d");
    assert.equal(lines.length, count, level);
  }
  silentDiag.child({}).error("nothing");
});

test("the last words before a crash are on stderr, and stdout stays clean", () => {
  const module = new URL("../../src/host/diag.ts", import.meta.url).href;
  const script = `import { createDiag } from ${JSON.stringify(module)};
    createDiag({ level: "info" }).info("bye"); process.kill(process.pid, "SIGKILL");`;
  const ran = spawnSync(process.execPath, ["--input-type=module", "-e", script]);
  assert.equal(JSON.parse(ran.stderr.toString()).msg, "bye");
  assert.equal(ran.stdout.length, 0);
});
