// Two slots in one file: the old value or the new one, whatever fails or is torn.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { readSlots, SlotFile, type SlotFileOptions } from "../../src/host/slot-file.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";

const path = "/state/value";
const slotBytes = 8192;

async function setup(): Promise<{ files: FakeFiles; options: SlotFileOptions }> {
  const files = new FakeFiles();
  await files.mkdir("/state", 0o700);
  await files.syncDir("/");
  return { files, options: { files, suite, path, slotBytes } };
}

const read = async (options: SlotFileOptions): Promise<Uint8Array | undefined> =>
  (await readSlots(options)).content;
const value = (n: number): Uint8Array => Buffer.from(`value ${n} ${"x".repeat(n * 900)}`);
const shown = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? "none" : Buffer.from(bytes).toString().slice(0, 7);

test("the newest value is read, over restarts, and takes no new room", async () => {
  const { files, options } = await setup();
  assert.equal(await read(options), undefined);
  await new SlotFile(options).prepare();
  assert.equal(await read(options), undefined);
  files.capacity = files.used();
  for (let n = 1; n < 8; n += 1) {
    await new SlotFile(options).write(value(n));
    assert.equal(shown(await read(options)), `value ${n}`);
  }
});

test("a bare value of an older version is read, and stands until the next one is whole", async () => {
  const { files, options } = await setup();
  files.put(path, value(1));
  assert.equal(shown(await read(options)), "value 1");
  const slots = new SlotFile(options);
  await slots.prepare();
  assert.deepEqual(Buffer.from((await read(options)) ?? []), value(1));
  await slots.write(value(2));
  await slots.write(value(3));
  assert.equal(shown(await read(options)), "value 3");
});

test("after a power cut at any write, the old value or the new one is there", async () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const { files, options } = await setup();
    if (seed % 3 === 0) files.put(path, value(0));
    files.syncAll();
    let done = 0;
    let calls = 0;
    files.hook = () => {
      calls += 1;
      if (calls === 4 + (seed % 17)) files.crash(seed);
    };
    const slots = new SlotFile(options);
    try {
      for (; done < 4; done += 1) await slots.write(value(done + 1));
    } catch {
      files.hook = undefined;
      const first = seed % 3 === 0 ? "value 0" : "none";
      const old = done === 0 ? first : `value ${done}`;
      const found = shown(await read(options));
      assert.ok([old, `value ${done + 1}`].includes(found), `seed ${seed}: ${found}, ${done} done`);
    }
  }
});

for (const variant of ["failed", "partly", "persisted"] as const) {
  for (const nth of [1, 2, 3]) {
    test(`write ${nth} ${variant}: a whole value is there, and the next write succeeds`, async () => {
      const { files, options } = await setup();
      const faulty = new FaultyFiles(files);
      const slots = new SlotFile({ ...options, files: faulty });
      await slots.prepare();
      faulty.arm({ call: "write", nth, variant, errno: "ENOSPC", path });
      let failed = 0;
      for (let n = 1; n <= 4; n += 1) {
        await slots.write(value(n)).catch(() => {
          failed = n;
        });
        const found = shown(await read(options));
        const allowed = failed === n ? [`value ${n - 1}`, `value ${n}`, "none"] : [`value ${n}`];
        assert.ok(allowed.includes(found), found);
        if (n > 1) assert.notEqual(found, "none");
      }
      assert.equal(failed, nth);
    });
  }
}

test("a file cut short, garbled, or far too long is made anew", async () => {
  for (const bytes of ["", "\0".repeat(100), "\0SEALSLT1".repeat(8_000)]) {
    const { files, options } = await setup();
    files.put(path, bytes);
    const slots = new SlotFile(options);
    await slots.write(value(1));
    await slots.write(value(2));
    assert.equal(shown(await read(options)), "value 2");
    assert.equal((await files.stat(path))?.size, 2 * slotBytes);
  }
});
