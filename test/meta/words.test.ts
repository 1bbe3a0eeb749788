import assert from "node:assert/strict";
import test from "node:test";
import { sourceFiles } from "./source-text.ts";
import { badName, falseClaims, strayWords } from "./word-rules.ts";

test("time, chance, timers and the environment come in through host only", async () => {
  const files = await sourceFiles("src/**/*.ts");
  assert.ok(files.length > 0);
  assert.deepEqual(files.flatMap(strayWords), []);
});

test("folders and files are named after what they hold", async () => {
  const files = await sourceFiles("{src,test,bench}/**/*.{ts,mjs}");
  assert.deepEqual(
    files.map(({ path }) => path).filter((path) => badName(path)),
    [],
  );
});

test("nothing calls itself more than tamper-evident", async () => {
  const files = await sourceFiles("*.md", "{src,docs,config,bench}/**/*.{ts,mjs,md,yaml,json}");
  const claims = files.flatMap(({ path, text }) =>
    falseClaims(text).map((one) => `${path}: ${one}`),
  );
  assert.deepEqual(claims, []);
});

const forbidden: readonly string[] = [
  "const a = Date.now();",
  "const a = Date\n  .now();",
  "const a = new Date();",
  "const a = new Date;",
  "const a = Date();",
  "Math.random()",
  "randomBytes(4)",
  "performance.now()",
  "process.hrtime.bigint()",
  "setTimeout(done, 5)",
  "setInterval(done, 5)",
  "AbortSignal.timeout(5)",
  "process.env.HOME",
  "process.exit(1)",
  "eval(text)",
  "enum Kind { a }",
];
for (const code of forbidden) {
  test(`${JSON.stringify(code)} is found in a stage and not in its comments`, () => {
    assert.equal(strayWords({ path: "src/wal/a.ts", text: code }).length, 1);
    const comment = `/* ${code} */\n`;
    assert.deepEqual(strayWords({ path: "src/wal/a.ts", text: comment }), []);
  });
}

test("code that only looks similar is left alone", () => {
  const text =
    "new Date(5); clock.setTimeout(1); updateDate(x); this.performance; renum = enumerate;";
  assert.deepEqual(strayWords({ path: "src/wal/a.ts", text }), []);
  assert.deepEqual(
    strayWords({ path: "src/host/a.ts", text: "Date.now(); setTimeout(a, 1);" }),
    [],
  );
  assert.deepEqual(strayWords({ path: "src/cli/a.ts", text: "process.env.HOME" }), []);
  assert.equal(strayWords({ path: "src/cli/a.ts", text: "Date.now()" }).length, 1);
});

test("names that say nothing are refused", () => {
  const bad = ["src/utils/a.ts", "src/core/types.ts", "src/core/index.ts", "src/core/aB.ts"];
  for (const path of [...bad, "src/common/a.ts", "test/helpers.ts", "src/core/a_b.ts"]) {
    assert.ok(badName(path), path);
  }
  for (const path of ["src/core/envelope-tree.ts", "test/wal/wal.slow.test.ts", "src/cli/a.mjs"]) {
    assert.ok(!badName(path), path);
  }
});

test("a claim is found however it is spelled, and its denial is not", () => {
  assert.equal(falseClaims("It is Tamper-Proof, tamperproof and tamper proof.").length, 3);
  assert.deepEqual(falseClaims('tamper-evident, never tamper-proof; never "tamper-proof"'), []);
});
