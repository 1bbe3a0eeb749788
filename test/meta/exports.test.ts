// What src exports is used: a value by another file, a type at least by its own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importedPath, sourceFiles, withoutComments } from "./source-text.ts";

const exported =
  /^export (?:(type|interface)|(?:async )?(?:const|let|function\*?|class|abstract class)) (\w+)/gm;
const imported = /\b(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s*from\s*"(\.[^"]+)"/g;
const loaded = /\bimport\(\s*"(\.[^"]+)"/g;

/** What a file takes from others, as "path#name". Of a file that it loads later: any word in it. */
function takenBy(path: string, text: string): string[] {
  const named = (names: string, from = ""): string[] =>
    [...names.matchAll(/\w+/g)].map(([name]) => `${importedPath(path, from)}#${name}`);
  return [
    ...[...text.matchAll(imported)].flatMap(([, names = "", from]) => named(names, from)),
    ...[...text.matchAll(loaded)].flatMap(([, from]) => named(text, from)),
  ];
}

function unused(files: readonly { path: string; text: string }[]): string[] {
  const code = files.map(({ path, text }) => ({ path, text: withoutComments(text) }));
  const taken = new Set(code.flatMap(({ path, text }) => takenBy(path, text)));
  return code.flatMap(({ path, text }) =>
    [...text.matchAll(exported)]
      .filter(([, type, name = ""]) => {
        const own = [...text.matchAll(new RegExp(`\\b${name}\\b`, "g"))].length;
        return !taken.has(`${path}#${name}`) && (type === undefined || own === 1);
      })
      .map(([, , name]) => `${path}: ${name}`),
  );
}

test("nothing is exported that nobody uses", async () => {
  const files = await sourceFiles("src/**/*.ts", "test/**/*.ts", "bench/**/*.ts");
  assert.ok(files.length > 500);
  assert.deepEqual(
    unused(files).filter((each) => each.startsWith("src/")),
    [],
  );
});

test("an export is used by an import, under whatever name, at once or later", () => {
  const a = { path: "src/a.ts", text: "export const x = 1;\nexport interface T {}\n" };
  const uses = (text: string): string[] => unused([a, { path: "src/b.ts", text }]);
  assert.deepEqual(uses("// nothing"), ["src/a.ts: x", "src/a.ts: T"]);
  assert.deepEqual(uses('// import { x } from "./a.ts";\nconst x = 2;'), [
    "src/a.ts: x",
    "src/a.ts: T",
  ]);
  assert.deepEqual(uses('import { x as y, type T } from "./a.ts";'), []);
  assert.deepEqual(uses('const { x } = await import("./a.ts");'), ["src/a.ts: T"]);
  assert.deepEqual(unused([{ ...a, text: `${a.text}let t: T;` }]), ["src/a.ts: x"]);
});
