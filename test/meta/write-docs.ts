// Writes the parts of the documents that are made from the code: `npm run docs`.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { docPages, withParts } from "./doc-parts.ts";
import { madeParts } from "./made-parts.ts";
import { projectRoot } from "./source-text.ts";

const parts = await madeParts();
for (const { path, text } of await docPages()) {
  const made = withParts(text, parts);
  if (made !== text) await writeFile(join(projectRoot, path), made);
}
