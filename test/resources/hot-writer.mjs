// Appends audit-like lines to a file as fast as it can, until a time or a size: `hot-writer.mjs FILE
// SECONDS MAX_BYTES [ROTATE_EVERY_BYTES]`. Prints how many bytes it wrote.
//
// - Rotates by renaming, to FILE.1, FILE.2 and so on, as a rotator does that never deletes.

import { closeSync, openSync, renameSync, writeSync } from "node:fs";

const [file, seconds, maxBytes, rotateBytes = "Infinity"] = process.argv.slice(2);
const end = Date.now() + Number(seconds) * 1000;

let line = 0;
function piece() {
  let text = "";
  for (let i = 0; i < 4000; i++) {
    line += 1;
    const id = (Math.imul(line, 2_654_435_761) >>> 0).toString(16);
    text += `{"n":${line},"act":"document.read","actor":"u-${id}","object":"acct/${id}","res":"ok"}\n`;
  }
  return Buffer.from(text);
}

let [descriptor, inFile, total, rotated] = [openSync(file, "a"), 0, 0, 0];
while (Date.now() < end && total < Number(maxBytes)) {
  const bytes = piece();
  writeSync(descriptor, bytes);
  total += bytes.length;
  inFile += bytes.length;
  if (inFile < Number(rotateBytes)) continue;
  closeSync(descriptor);
  rotated += 1;
  renameSync(file, `${file}.${rotated}`);
  descriptor = openSync(file, "a");
  inFile = 0;
}
closeSync(descriptor);
console.log(total);
