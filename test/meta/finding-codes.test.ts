import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { errorTable } from "../../src/core/errors.ts";
import { findingClasses } from "../../src/core/fault.ts";

const root = new URL("../../src/", import.meta.url).pathname;

/** Codes that stand in no source file but their table. */
function unmade(table: string, codes: object): string[] {
  const sources = globSync("**/*.ts", { cwd: root })
    .filter((path) => path !== table)
    .map((path) => readFileSync(`${root}${path}`, "utf8"));
  return Object.keys(codes).filter((code) => !sources.some((text) => text.includes(`"${code}"`)));
}

test("every error code is thrown by some source file", () => {
  assert.deepEqual(unmade("core/errors.ts", errorTable), []);
});

test("every finding code is made by some source file, and none only listed", () => {
  assert.deepEqual(unmade("core/fault.ts", findingClasses), []);
});
