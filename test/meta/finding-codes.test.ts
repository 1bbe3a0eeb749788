import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { findingClasses } from "../../src/core/fault.ts";

test("every finding code is made by some source file, and none only listed", () => {
  const root = new URL("../../src/", import.meta.url).pathname;
  const sources = globSync("**/*.ts", { cwd: root })
    .filter((path) => path !== "core/fault.ts")
    .map((path) => readFileSync(`${root}${path}`, "utf8"));
  const made = (code: string): boolean => sources.some((text) => text.includes(`"${code}"`));
  assert.deepEqual(
    Object.keys(findingClasses).filter((code) => !made(code)),
    [],
  );
});
