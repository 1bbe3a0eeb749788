import assert from "node:assert/strict";
import test from "node:test";
import { layers, packages, strayReason } from "./layer-table.ts";
import { importsOf, sourceFiles, withoutComments } from "./source-text.ts";

test("every import in src points down the layers", async () => {
  const files = await sourceFiles("src/**/*.ts");
  assert.ok(files.length > 0);
  const stray = files.flatMap(({ path, text }) =>
    importsOf(text).flatMap((one) => {
      const reason = strayReason(path, one);
      return reason === undefined ? [] : [`${path}: "${one.from}" ${reason}`];
    }),
  );
  assert.deepEqual(stray, []);
});

test("pure files of the stages say so on their first line and import nothing of host", async () => {
  const pure = (await sourceFiles("src/*/**/*.ts")).filter(({ text }) =>
    text.startsWith("// Pure."),
  );
  const stray = pure.flatMap(({ path, text }) =>
    importsOf(text)
      .filter(({ from }) => /(?:^node:(?!path)|\/host\/)/.test(from))
      .map(({ from }) => `${path}: ${from}`),
  );
  assert.deepEqual(stray, []);
});

test("every folder of src is a layer, and every dependency has a home", async () => {
  const folders = new Set((await sourceFiles("src/**/*.*")).map(({ path }) => path.split("/")[1]));
  for (const folder of folders) assert.ok(Object.hasOwn(layers, folder ?? ""), folder);
  const [manifest] = await sourceFiles("package.json");
  const { dependencies } = JSON.parse(manifest?.text ?? "{}");
  assert.deepEqual(Object.keys(packages).sort(), Object.keys(dependencies).sort());
});

const found: readonly (readonly [text: string, kind: string, from: string])[] = [
  ['import { a } from "./a.ts";', "static", "./a.ts"],
  ["import type { A } from './a.ts';", "static", "./a.ts"],
  ['import {\n  a,\n  type B,\n} from "./a.ts";', "static", "./a.ts"],
  ['const x = 1;import*as a from "./a.ts"', "static", "./a.ts"],
  ['import a, { b } from "./a.ts" with { type: "json" };', "static", "./a.ts"],
  ['export * from "./a.ts";', "static", "./a.ts"],
  ['export type { A } from "./a.ts";', "static", "./a.ts"],
  ['import "./a.ts";', "side-effect", "./a.ts"],
  ['const a = await import("./a.ts");', "dynamic", "./a.ts"],
  ['let a: import("./a.ts").A;', "dynamic", "./a.ts"],
  ["await import(`./a.ts`);", "dynamic", "./a.ts"],
  ["await import(name);", "dynamic", "import(name"],
  ['const a = require("./a.ts");', "escape", "require("],
  ['process.getBuiltinModule("fs");', "escape", "getBuiltinModule"],
];
for (const [text, kind, from] of found) {
  test(`the parser sees ${JSON.stringify(text)}`, () => {
    for (const whole of [text, `// A head.\n\n${text}\n\nlet b = 2;\n`]) {
      assert.deepEqual(importsOf(whole)[0], { kind, from });
    }
  });
}

test("the parser sees no import in comments, nor in words that begin alike", () => {
  const text = '// import "./a.ts";\n/* import("./b.ts") */\nexport const important = "x";\n';
  assert.deepEqual(importsOf(text), []);
});

test("comments are blanked line by line, strings that look like comments are kept", () => {
  assert.equal(withoutComments('a /* b\nc */ "//d" // e'), 'a     \n     "//d"     ');
});

const verdicts: readonly (readonly [path: string, text: string, stray: boolean])[] = [
  ["src/core/a.ts", 'import { b } from "./b.ts";', false],
  ["src/core/a.ts", 'import { b } from "node:path";', true],
  ["src/core/a.ts", 'import type { b } from "../host/b.ts";', true],
  ["src/core/a.ts", 'import { b } from "../core-x/b.ts";', true],
  ["src/core/a.ts", 'import { sha256 } from "@noble/hashes/sha2.js";', false],
  ["src/core/a.ts", 'import { x } from "@noble/hashes-x";', true],
  ["src/core/a.ts", 'import { b } from "./b.js";', true],
  ["src/core/a.ts", 'import b from "../../package.json";', true],
  ["src/verify/a.ts", 'import { b } from "../core/b.ts";', false],
  ["src/verify/a.ts", 'import { b } from "../host/b.ts";', true],
  ["src/host/a.ts", 'import { b } from "node:fs";', false],
  ["src/host/a.ts", 'import { b } from "../verify/b.ts";', true],
  ["src/host/a.ts", 'import { parse } from "yaml";', true],
  ["src/wal/a.ts", 'import { b } from "../seal/b.ts";', true],
  ["src/wal/a.ts", 'import { join } from "node:path";', false],
  ["src/wal/a.ts", 'import { b } from "node:fs";', true],
  ["src/host/metrics.ts", 'import { Gauge } from "prom-client";', false],
  ["src/wal/metrics.ts", 'import { Gauge } from "prom-client";', true],
  ["src/agent/a.ts", 'import { b } from "../wal/b.ts";', false],
  ["src/agent/a.ts", 'import { b } from "../vault/b.ts";', true],
  ["src/vault/a.ts", 'import { b } from "../store/b.ts";', false],
  ["src/vault/a.ts", 'import { b } from "../ship/b.ts";', true],
  ["src/cli/a.ts", 'import { b } from "../vault/b.ts";', false],
  ["src/cli/a.ts", 'await import("../vault/b.ts");', false],
  ["src/agent/a.ts", 'await import("./b.ts");', true],
  ["src/core/a.ts", 'import "./b.ts";', true],
  ["src/core/a.ts", 'import { b } from "toString";', true],
  ["src/other/a.ts", 'import { b } from "../core/b.ts";', true],
];
test("the table allows what points down and nothing else", () => {
  for (const [path, text, stray] of verdicts) {
    const [one] = importsOf(text);
    assert.ok(one, text);
    assert.equal(strayReason(path, one) !== undefined, stray, `${path}: ${text}`);
  }
});
