// Trees of very many directories: what is found is followed, and what was not seen is said.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Path } from "../../src/host/files.ts";
import type { HintSource } from "../../src/tail/hints.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const include = ["/log/**/*.log"];

test("followed files are looked at in time, however many directories there are", async () => {
  const files = new FakeFiles();
  for (let n = 0; n < 3_000; n += 1) files.put(`/log/d${n}/.keep`, "");
  files.put("/log/d7/deep/a.log", "one\n");
  const clock = new AutoClock();
  const reader = await Reader.start({ files, clock, include });
  await reader.pullFor(30_000);
  assert.deepEqual(reader.lines(), ["one"]);
  // The next sweep is 15 s away at least.
  files.append("/log/d7/deep/a.log", "two\n");
  await reader.pullFor(5_000);
  assert.deepEqual(reader.lines(), ["one", "two"]);
  assert.equal(reader.tail.search().directories, 3_002);
  assert.equal(reader.tail.search().missing, undefined);
});

test("quiet files are looked at by sweeps alone where they are all there is", async () => {
  let looks = 0;
  const files = new (class extends FakeFiles {
    override stat(path: Path): ReturnType<FakeFiles["stat"]> {
      looks += 1;
      return super.stat(path);
    }
  })();
  const count = 1_000;
  for (let n = 0; n < count; n += 1) files.put(`/log/f${n}.log`, "one\n");
  const hints: HintSource = () => ({
    watch: () => undefined,
    resting: false,
    complete: true,
    close: async () => undefined,
  });
  const reader = await Reader.start({ files, clock: new AutoClock(), include, hints });
  await reader.pullFor(60_000);
  assert.equal(reader.lines().length, count);
  looks = 0;
  await reader.pullFor(120_000);
  // A sweep of a thousand files is 10.4 s away from the next.
  assert.ok(looks >= 11 * count && looks < 15 * count, `${looks} looks`);
});

test("a directory that cannot be listed is said, and what is beside it is followed", async () => {
  const files = new FakeFiles();
  files.put("/log/open/a.log", "one\n");
  files.put("/log/closed/b.log", "two\n");
  const faulty = new FaultyFiles(files);
  faulty.arm({
    call: "list",
    nth: 1,
    variant: "failed",
    errno: "EACCES",
    path: "closed",
    times: 50,
  });
  const reader = await Reader.start({ files: faulty, clock: new AutoClock(), include });
  await reader.pullFor(10_000);
  assert.deepEqual(reader.lines(), ["one"]);
  assert.match(reader.tail.search().missing ?? "", /cannot be listed/);
  faulty.disarm();
  await reader.pullFor(10_000);
  assert.deepEqual(reader.lines(), ["one", "two"]);
  assert.equal(reader.tail.search().missing, undefined);
});

test("a rotated file is searched for until every directory could be listed", async () => {
  const files = new FakeFiles();
  files.put("/log/a.log", "one\n");
  const faulty = new FaultyFiles(files);
  const fault = { nth: 1, variant: "failed", errno: "EMFILE", times: 1000 } as const;
  faulty.arm({ call: "open", ...fault });
  const reader = await Reader.start({ files: faulty, clock: new AutoClock(), include });
  await reader.pullFor(3_000);
  await files.rename("/log/a.log", "/log/a.log.1");
  faulty.arm({ call: "list", ...fault });
  await reader.pullFor(20_000);
  faulty.disarm();
  await reader.pullFor(20_000);
  assert.deepEqual(reader.said(), ["source"]);
  assert.deepEqual(reader.lines(), ["one"]);
});

test("the directories of what links lead to are watched, and a word from there is about the link", async () => {
  const files = new FakeFiles();
  files.put("/log/.keep", "");
  files.put("/pods/p/0.log", "one\n");
  files.symlink("/pods/p/0.log", "/log/c.log");
  const clock = new AutoClock();
  let watched: ReadonlyMap<string, string> = new Map();
  let word: Parameters<HintSource>[0]["onHint"] = () => undefined;
  const hints: HintSource = ({ onHint }) => {
    word = onHint;
    return {
      watch: (dirs) => {
        watched = dirs;
      },
      resting: false,
      complete: true,
      close: async () => undefined,
    };
  };
  const reader = await Reader.start({ files, clock, include: ["/log/*.log"], hints });
  await reader.pullFor(30_000);
  assert.deepEqual([...watched.keys()], ["/log", "/pods/p"]);
  // Rotated at once, with last words in the old file and first ones in the new one.
  files.append("/pods/p/0.log", "last words\n");
  files.move("/pods/p/0.log", "/pods/p/0.log.1");
  word("/pods/p/0.log.1", true);
  files.put("/pods/p/0.log", "first words\n");
  word("/pods/p/0.log", true);
  await reader.pullFor(100);
  files.remove("/pods/p/0.log.1");
  await reader.pullFor(60_000);
  assert.deepEqual(reader.lines().toSorted(), ["first words", "last words", "one"]);
  assert.equal(reader.said().filter((each) => each.startsWith("gap")).length, 0);
});
