// Writes all vectors anew: node test/vectors/make/write.ts [--kept]
//
// - Vectors whose bytes come from a compressor are written only with --kept.

import { mkdirSync, writeFileSync } from "node:fs";
import { folders } from "./all.ts";
import { proofs } from "./proof.ts";
import { packTar } from "./tar.ts";

for (const [folder, vectors] of Object.entries(folders)) {
  mkdirSync(new URL(`../${folder}/`, import.meta.url), { recursive: true });
  for (const [name, vector] of Object.entries(vectors)) {
    if (vector.kept && !process.argv.includes("--kept")) continue;
    const story = vector.make();
    const description = `${JSON.stringify(story.describe(vector), undefined, 2)}\n`;
    writeFileSync(new URL(`../${folder}/${name}.json`, import.meta.url), description);
    writeFileSync(new URL(`../${folder}/${name}.tar`, import.meta.url), packTar(story.files));
  }
}

mkdirSync(new URL("../proof/", import.meta.url), { recursive: true });
for (const [name, make] of Object.entries(proofs)) {
  const { bytes, description } = make();
  const text = `${JSON.stringify(description, undefined, 2)}\n`;
  writeFileSync(new URL(`../proof/${name}.json`, import.meta.url), text);
  writeFileSync(new URL(`../proof/${name}.proof`, import.meta.url), bytes);
}
