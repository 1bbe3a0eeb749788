import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { schemaFiles } from "./schema-files.ts";

test("the JSON Schemas in config/ are current: otherwise `npm run schema` writes them", async () => {
  for (const { url, text } of schemaFiles()) {
    assert.equal(await readFile(url, "utf8"), text, `${url.pathname} is out of date`);
  }
});
