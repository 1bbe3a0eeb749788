import assert from "node:assert/strict";
import { test } from "node:test";
import { LastBytesCache } from "../../src/agent/last-bytes-cache.ts";
import { utf8 } from "../../src/core/bytes.ts";
import { writeChecked } from "../../src/host/checked-file.ts";
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
  const cache = await LastBytesCache.open({ files, suite, clock, diag: new RecordingDiag() }, path);
  await reader.pullFor(61_000);
  const [id = ""] = reader.records.keys();
  return { files, clock, reader, cache, id };
}

/** What the next start would be told. */
async function markIn(files: FakeFiles, id: string, offset = 0) {
  const cache = await LastBytesCache.open(
    { files, suite, clock: new AutoClock(), diag: new RecordingDiag() },
    path,
  );
  return cache.markFor(id, offset, undefined);
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
  const again = await LastBytesCache.open({ files, suite, clock, diag: new RecordingDiag() }, path);
  await reader.open({ resume: reader.resume(new Map([[id, known]])) });
  await again.save(reader.tail);
  assert.deepEqual(await markIn(files, id), known);
});

const hash = "0".repeat(64);

test("that a file was read outside of its pattern is known only up to where it was", async () => {
  const files = new FakeFiles();
  const mark = { offset: 4, length: 4, sha256: hash, outside: true, skipNuls: 9 };
  files.put("/log/.keep", "");
  await writeChecked(files, suite, path, utf8(JSON.stringify({ id: mark })));
  const cache = await LastBytesCache.open(
    { files, suite, clock: new AutoClock(), diag: new RecordingDiag() },
    path,
  );
  const at = (offset: number) => cache.markFor("id", offset, { offset, bytes: utf8("x\n") });
  assert.equal(at(4)?.outside, true);
  assert.equal(at(6)?.outside, undefined);
  assert.equal(at(6)?.skipNuls, 9);
});
