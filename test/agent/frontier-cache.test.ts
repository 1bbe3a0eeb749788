import assert from "node:assert/strict";
import { test } from "node:test";
import { FrontierCache } from "../../src/agent/frontier-cache.ts";
import { utf8 } from "../../src/core/bytes.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "../tail/auto-clock.ts";
import { Reader } from "../tail/reader.ts";

const [log, path] = ["/log/a.log", "/log/frontiers"];

/** A cache over a log that was read to its end, a minute after it was opened. */
async function opened(text = "one\n") {
  const files = new FakeFiles();
  const clock = new AutoClock();
  files.put(log, text);
  const reader = await Reader.start({ files, clock, include: ["/log/*.log"] });
  const cache = await FrontierCache.open(files, clock, path, new RecordingDiag());
  await reader.pullFor(61_000);
  const [id = ""] = reader.records.keys();
  return { files, clock, reader, cache, id };
}

/** What the next start would be told. */
async function markIn(files: FakeFiles, id: string, offset = 0) {
  const cache = await FrontierCache.open(files, new AutoClock(), path, new RecordingDiag());
  return cache.markFor(suite, id, offset, undefined);
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
}

test("nothing is kept of a file before the chain is sealed that far", async () => {
  const { files, reader, cache, id } = await opened();
  cache.keep(reader.tail, 10, 4);
  await settled();
  assert.equal(await markIn(files, id), undefined);
  // What is read meanwhile is not in it.
  files.append(log, "two\n");
  await reader.pullFor(2000);
  cache.keep(reader.tail, 11, 9);
  await settled();
  assert.equal(await markIn(files, id), undefined);
  cache.keep(reader.tail, 12, 10);
  await settled();
  assert.equal((await markIn(files, id))?.offset, 4);
});

test("what was known at the start is kept of a file that was not looked at since", async () => {
  const { clock, files, reader, cache, id } = await opened();
  await cache.save(reader.tail);
  const known = await markIn(files, id);
  assert.ok(known !== undefined);
  await reader.tail.close();
  await files.rename(log, "/log/a.away");
  const again = await FrontierCache.open(files, clock, path, new RecordingDiag());
  await reader.open({ resume: reader.resume(new Map([[id, known]])) });
  await again.save(reader.tail);
  assert.deepEqual(await markIn(files, id), known);
});

const hash = "0".repeat(64);

test("that a file was read outside of its pattern is known only up to where it was", async () => {
  const files = new FakeFiles();
  const mark = { offset: 4, length: 4, sha256: hash, outside: true, skipNuls: 9 };
  files.put(path, JSON.stringify({ id: mark }));
  const cache = await FrontierCache.open(files, new AutoClock(), path, new RecordingDiag());
  const at = (offset: number) => cache.markFor(suite, "id", offset, { offset, bytes: utf8("x\n") });
  assert.equal(at(4)?.outside, true);
  assert.equal(at(6)?.outside, undefined);
  assert.equal(at(6)?.skipNuls, 9);
});

for (const garbled of [
  ...[0, false, "", null, 7, []].map((head) => ({ head })),
  ...[-1, 5000, 1.5, "3"].map((length) => ({
    head: { fingerprint_len: length, fingerprint: hash },
  })),
  ...["x", 7, null].map((fingerprint) => ({ head: { fingerprint_len: 3, fingerprint } })),
  ...[{ length: 513 }, { length: -1 }, { offset: "4" }, { sha256: 7 }],
  ...[{ outside: false }, { outside: 1 }, { skipNuls: -1 }, { skipNuls: "9" }],
]) {
  test(`a mark with ${JSON.stringify(garbled)} is none`, async () => {
    const files = new FakeFiles();
    const mark = { offset: 4, length: 4, sha256: hash };
    const head = { fingerprint_len: 3, fingerprint: hash };
    const good = { ...mark, head, outside: true, skipNuls: 9 };
    const marks = { plain: mark, good, bad: { ...good, ...garbled } };
    files.put(path, JSON.stringify(marks));
    assert.deepEqual(await markIn(files, "plain", 4), mark);
    assert.deepEqual(await markIn(files, "good", 4), good);
    assert.equal(await markIn(files, "bad", 4), undefined);
  });
}
