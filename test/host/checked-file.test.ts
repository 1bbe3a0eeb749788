import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/core/bytes.ts";
import { readChecked, writeChecked } from "../../src/host/checked-file.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { FakeFiles } from "../fakes/files.ts";

const path = "/state/origin";
const read = (files: FakeFiles): ReturnType<typeof readChecked> =>
  readChecked(files, suite, path, 10);

async function written(text: string): Promise<FakeFiles> {
  const files = new FakeFiles();
  files.put("/state/.keep", "");
  await writeChecked(files, suite, path, utf8(text));
  return files;
}

test("a checked file holds what was written", async () => {
  for (const text of ["", "offset 103"]) {
    const files = await written(text);
    assert.deepEqual(await read(files), utf8(text));
  }
  assert.equal(await readChecked(new FakeFiles(), suite, path, 10), undefined);
});

test("a checked file that was bent, cut or added to is damaged, whichever bit it is", async () => {
  const files = await written("offset 103");
  const whole = files.bytes(path).slice();
  for (let bit = 0; bit < 8 * whole.length; bit += 1) {
    const bent = whole.slice();
    bent[bit >> 3] = (bent[bit >> 3] as number) ^ (1 << (bit & 7));
    files.put(path, bent);
    assert.equal(await read(files), "damaged", `bit ${bit}`);
  }
  for (let length = 0; length < whole.length; length += 1) {
    files.put(path, whole.subarray(0, length));
    assert.equal(await read(files), "damaged", `${length} bytes`);
  }
  const more = await written("offset");
  more.append(path, "s");
  assert.equal(await read(more), "damaged");
});
