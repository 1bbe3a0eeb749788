// Writes the JSON Schemas of both configurations into config/: `npm run schema`.

import { writeFile } from "node:fs/promises";
import { schemaFiles } from "./schema-files.ts";

for (const { url, text } of schemaFiles()) await writeFile(url, text);
