// Include and exclude patterns: what they match and where they make us look.

import assert from "node:assert/strict";
import { test } from "node:test";
import { excludePattern, includePattern } from "../../src/tail/glob-base.ts";

const bases: [string, string][] = [
  ["/var/log/app.log", "/var/log"],
  ["/var/log/*.log", "/var/log"],
  ["/var/*/app/*.log", "/var"],
  ["/*.log", "/"],
  ["/srv/c++/a@b/*.log", "/srv/c++/a@b"],
  ["/var//log/x.log", "/var/log"],
];

for (const [pattern, base] of bases) {
  test(`looking for ${pattern} begins in ${base}`, () => {
    assert.equal(includePattern(pattern).base, base);
  });
}

test("only directories that can hold matches are entered", () => {
  const plain = includePattern("/var/*/app/*.log");
  assert.ok(plain.enters("/var/a") && plain.enters("/var/a/app"));
  assert.ok(!plain.enters("/var/a/other") && !plain.enters("/var/a/app/deep"));
  assert.ok(!plain.enters("/etc"));
  const deep = includePattern("/var/**/*.log");
  assert.ok(deep.enters("/var/a/b/c") && !deep.enters("/var/.git") && !deep.enters("/etc"));
  assert.ok(includePattern("/var/{a,b/c}/*.log").enters("/var/b/c"));
});

test("stars match bytes of any kind but a slash and a leading dot", () => {
  const { matches } = includePattern("/log/*.log");
  assert.ok(matches("/log/a.log") && matches("/log/\xff\n.log"));
  assert.ok(!matches("/log/.a.log") && !matches("/log/a/b.log"));
});

test("an exclude pattern without a slash is about the last name", () => {
  assert.ok(excludePattern("*.gz")("/var/log/a.gz"));
  assert.ok(!excludePattern("*.gz")("/var/a.gz/b.log"));
  assert.ok(excludePattern("/var/old/**")("/var/old/a/b.log"));
});
