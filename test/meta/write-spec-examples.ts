// Writes the examples into the pages of docs/spec, and the example store: `npm run spec`.

import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exampleFiles } from "../spec-examples.ts";
import { projectRoot } from "./source-text.ts";
import { specPages, withExamples } from "./spec-pages.ts";

for (const { path, text } of await specPages()) {
  await writeFile(join(projectRoot, path), withExamples(text));
}
const folder = join(projectRoot, "docs/spec/example");
await rm(folder, { recursive: true, force: true });
for (const [name, bytes] of exampleFiles()) {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), bytes);
}
