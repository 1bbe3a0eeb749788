import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodedGlob, globMatches } from "../../src/core/glob.ts";
import { encodePath } from "../../src/core/record.ts";

/** The definition, with exponential time. */
function naive(pattern: string, path: string): boolean {
  if (pattern === "") return path === "";
  const head = path[0];
  if (pattern.startsWith("**")) {
    return naive(pattern.slice(2), path) || (head !== undefined && naive(pattern, path.slice(1)));
  }
  if (pattern.startsWith("*")) {
    const more = head !== undefined && head !== "/";
    return naive(pattern.slice(1), path) || (more && naive(pattern, path.slice(1)));
  }
  if (head === undefined) return false;
  if (pattern.startsWith("?") ? head === "/" : head !== pattern[0]) return false;
  return naive(pattern.slice(1), path.slice(1));
}

for (const [pattern, path, want] of [
  ["/var/log/app.log", "/var/log/app.log", true],
  ["/var/log/app.log", "/var/log/app.logs", false],
  ["/var/log/app.log", "/var/log/appXlog", false],
  ["/var/log/*.log", "/var/log/app.log", true],
  ["/var/log/*.log", "/var/log/.log", true],
  ["/var/log/*.log", "/var/log/a/b.log", false],
  ["/var/log/**", "/var/log/a/b.log", true],
  ["/var/log/**", "/var/log/", true],
  ["/var/log/**", "/var/log", false],
  ["/var/log/**/x", "/var/log/x", false],
  ["/var/log/**x", "/var/log/x", true],
  ["**", "", true],
  ["**", "/any/thing", true],
  ["*", "", true],
  ["*", "a/b", false],
  ["?", "/", false],
  ["?", "a", true],
  ["?", "", false],
  ["???", "%20", true],
  ["?", "%20", false],
  ["??", "é", true],
  ["", "", true],
  ["", "a", false],
  ["a", "", false],
  ["[a-z].{log,txt}", "a.log", false],
  ["[a-z].{log,txt}", "[a-z].{log,txt}", true],
  ["\\*", "*", false],
  ["\\*", "\\anything", true],
  ["a+(b)$^|", "a+(b)$^|", true],
  ["!a", "b", false],
  ["***", "a/b", true],
  ["a***", "a/b", true],
  ["*?*/**/?", "ab/c/d", true],
  ["*/a*b", "xa/ab", true],
  ["**/*a*b", "x/y/zazb", true],
  ["A", "a", false],
] as const) {
  test(`glob ${JSON.stringify(pattern)} ${want ? "covers" : "leaves out"} ${path || "nothing"}`, () => {
    assert.equal(globMatches(pattern, path), want);
  });
}

test("the verdict equals the definition on random patterns and paths", () => {
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "/", "?", "*", "**"), maxLength: 8 });
  const path = fc.string({ unit: fc.constantFrom("a", "b", "/", "*"), maxLength: 9 });
  fc.assert(
    fc.property(pattern, path, (glob, text) => {
      assert.equal(globMatches(glob, text), naive(glob, text));
    }),
    { numRuns: 5_000 },
  );
});

test("a pattern made to backtrack is judged in the product of the lengths", () => {
  const stars = "*a".repeat(200);
  const path = "a".repeat(12_000);
  assert.equal(globMatches(`${stars}b`, path), false);
  assert.equal(globMatches(`${"**a".repeat(200)}b`, path), false);
  assert.equal(globMatches(`${stars}*`, path), true);
});

test("a glob with blanks and letters beyond ASCII covers the path that is written with %xx", () => {
  const glob = encodedGlob("/log/sp ace/ä*%41");
  assert.equal(glob, "/log/sp%20ace/%c3%a4*%41");
  assert.ok(globMatches(encodedGlob("/log/ä *"), encodePath(Buffer.from("/log/ä b"))));
});
