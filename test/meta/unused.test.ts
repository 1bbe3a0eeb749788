// Whatever a table of ours names, some other source file does something about: codes of errors and
// findings, keys of configurations.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { agentConfig } from "../../src/agent/config.ts";
import { errorTable } from "../../src/core/errors.ts";
import { findingClasses } from "../../src/core/fault.ts";
import { vaultConfig } from "../../src/vault/config.ts";
import { configRows } from "./config-rows.ts";

const root = new URL("../../src/", import.meta.url).pathname;

function sources(pattern: string, but: string): string[] {
  return globSync(pattern, { cwd: root })
    .filter((path) => path !== but)
    .map((path) => readFileSync(`${root}${path}`, "utf8"));
}

/** Codes that stand in no source file but their table. */
function unmade(table: string, codes: object): string[] {
  const texts = sources("**/*.ts", table);
  return Object.keys(codes).filter((code) => !texts.some((text) => text.includes(`"${code}"`)));
}

test("every error code is thrown by some source file", () => {
  assert.deepEqual(unmade("core/errors.ts", errorTable), []);
});

test("every finding code is made by some source file, and none only listed", () => {
  assert.deepEqual(unmade("core/fault.ts", findingClasses), []);
});

test("every configuration key is read by the program that takes it", () => {
  for (const [program, schema] of [
    ["agent", agentConfig],
    ["vault", vaultConfig],
  ] as const) {
    const texts = sources(`{${program},cli,host}/*.ts`, `${program}/config.ts`);
    const unread = configRows(schema)
      .map(({ key }) => key)
      .filter((key) => {
        const last = key.split(".").at(-1)?.replace("[]", "") ?? "";
        return !texts.some((text) => new RegExp(`\\b${last}\\b`).test(text));
      });
    // The only version and type that there are: the schema itself judges them.
    assert.deepEqual(
      unread.filter((key) => key !== "version" && key !== "store.type"),
      [],
      program,
    );
  }
});
