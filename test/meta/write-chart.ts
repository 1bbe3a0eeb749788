// Writes what the chart and the kustomize component have from elsewhere: `npm run chart`.

import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { chartFiles, strayChartFiles } from "./chart-files.ts";
import { projectRoot } from "./source-text.ts";

const made = await chartFiles();
for (const [path, text] of made) {
  await mkdir(dirname(join(projectRoot, path)), { recursive: true });
  await writeFile(join(projectRoot, path), text);
}
for (const path of await strayChartFiles(made)) await rm(join(projectRoot, path));
