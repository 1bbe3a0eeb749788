// What makes a file the same one: never its name, and never its content alone.

import assert from "node:assert/strict";
import fs from "node:fs";
import type { Files } from "../../../src/host/files.ts";
import { systemFiles } from "../../../src/host/files.ts";
import { conform, lines, seenAs } from "./place.ts";

conform("two files of the same short content are two, and diverge", async (place) => {
  place.put("a.log", "same\n");
  place.put("b.log", "same\n");
  const reader = await place.follow(["*.log"]);
  place.append("a.log", "a\n");
  place.append("b.log", "b\n");
  await place.pass();
  assert.equal(reader.textAt(place.path("a.log")), "same\na\n");
  assert.equal(reader.textAt(place.path("b.log")), "same\nb\n");
});

conform("two files whose first kilobytes are the same are two", async (place) => {
  const head = lines(0, 500);
  place.put("a.log", head);
  place.put("b.log", head);
  const reader = await place.follow(["*.log"]);
  await place.down(() => {
    fs.appendFileSync(place.path("a.log"), "a\n");
    fs.appendFileSync(place.path("b.log"), "b\n");
  });
  assert.equal(reader.textAt(place.path("a.log")), `${head}a\n`);
  assert.equal(reader.textAt(place.path("b.log")), `${head}b\n`);
  assert.equal(reader.records.size, 2);
});

conform("a file declared by its first bytes is the same one when it has grown", async (place) => {
  place.put("a.log", "1");
  const reader = await place.follow(["*.log"], { partialAgeMs: 100 });
  await place.pass();
  for (let step = 0; step < 4; step += 1) {
    await place.down(() =>
      fs.appendFileSync(place.path("a.log"), lines(step * 100, 100 + step * 100)),
    );
  }
  assert.deepEqual(reader.said(), ["source"]);
});

conform("empty files are not one file, whatever they hold later", async (place) => {
  for (const name of ["a", "b", "c"]) place.put(`${name}.log`, "");
  const reader = await place.follow(["*.log"]);
  await place.down(() => {
    for (const name of ["a", "b", "c"]) fs.writeFileSync(place.path(`${name}.log`), "same\n");
  });
  assert.deepEqual(reader.lines(), ["same", "same", "same"]);
});

for (const [when, idle] of [
  ["while it is held open", 300_000],
  ["after its descriptor was given back", 0],
] as const) {
  conform(`an inode used again is another file, deleted ${when}`, async (place) => {
    place.put("a.log", lines(0, 10));
    const limits = { idleCloseMs: idle, maxOpenFiles: idle === 0 ? 1 : 100 };
    const reader = await place.follow(["*.log"], limits);
    await place.pass(10_000);
    place.do(() => {
      fs.unlinkSync(place.path("a.log"));
      fs.writeFileSync(place.path("a.log"), lines(0, 11));
    });
    await place.pass();
    assert.equal(reader.lines().length, 21);
  });
}

conform("an inode used again while we are down is another file", async (place) => {
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  const { ino } = fs.statSync(place.path("a.log"));
  await place.down(() => {
    fs.unlinkSync(place.path("a.log"));
    fs.writeFileSync(place.path("a.log"), lines(0, 11));
  });
  if (fs.statSync(place.path("a.log")).ino === ino) assert.equal(reader.records.size, 2);
  assert.deepEqual(reader.said(), ["source", "gap rotated-away", "source"]);
  assert.equal(reader.lines().length, 21);
});

conform("a copy is another file, also when it takes the name", async (place) => {
  place.unfollowed(/copy/);
  place.put("a.log", "one\n");
  const reader = await place.follow(["*.log"]);
  place.sh("cp -p a.log copy; mv copy a.log; echo two >> a.log");
  await place.pass(30_000);
  assert.deepEqual(reader.lines(), ["one", "one", "two"]);
  assert.deepEqual(reader.said(), ["source", "source", "end deleted"]);
});

conform("two files that swap their names stay what they are", async (place) => {
  place.put("a.log", "a\n");
  place.put("b.log", "b\n");
  const reader = await place.follow(["*.log"]);
  for (let turn = 0; turn < 3; turn += 1) {
    place.sh("mv a.log x; mv b.log a.log; mv x b.log; echo more >> a.log; echo more >> b.log");
    await place.pass();
  }
  assert.deepEqual(reader.said(), ["source", "source"]);
  assert.equal(reader.lines().length, 8);
});

conform("a file with three names is read while one is left", async (place) => {
  place.put("a.log", "1\n");
  place.sh("ln a.log b.log; ln a.log c.log");
  const reader = await place.follow(["*.log"]);
  place.sh("rm a.log; echo 2 >> c.log");
  await place.pass();
  place.sh("rm b.log; echo 3 >> c.log; ln c.log d.log; rm c.log; echo 4 >> d.log");
  await place.pass(30_000);
  assert.deepEqual(reader.lines(), ["1", "2", "3", "4"]);
  assert.deepEqual(reader.said(), ["source"]);
});

/** The real files, with something that happens just before a path is opened. */
function before(open: (path: string) => void): Files {
  return {
    ...systemFiles,
    open(path, mode, perm) {
      open(path.toString());
      return systemFiles.open(path, mode, perm);
    },
  };
}

conform("a file replaced between the look and the opening is not mixed up", async (place) => {
  place.put("a.log", "old\n");
  let armed = true;
  const files = before(() => {
    if (!armed) return;
    armed = false;
    place.sh("mv a.log a.log.1; echo new > a.log");
  });
  const reader = await place.follow(["*.log"], { files });
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["new", "old"]);
});

conform(
  "a file cut and written anew between the look and the opening is read as it is",
  async (place) => {
    place.put("a.log", "first\n");
    const reader = await place.follow(["*.log"]);
    let armed = true;
    const files = before(() => {
      if (!armed) return;
      armed = false;
      place.sh("echo a longer second > a.log");
    });
    await place.down(() => {}, { files });
    await place.pass();
    assert.deepEqual(reader.lines(), ["first", "a longer second"]);
  },
);

/** As the files look when their file system got another device number. */
const renumbered = (by: bigint): Files => seenAs((info) => ({ ...info, dev: info.dev + by }));

conform("a device that is numbered anew by a reboot changes no identity", async (place) => {
  place.put("a.log", lines(0, 10));
  place.put("b.log", lines(10, 20));
  const reader = await place.follow(["*.log"]);
  await place.down(
    () => {
      fs.renameSync(place.path("a.log"), place.path("a.log.1"));
      fs.appendFileSync(place.path("a.log.1"), "late\n");
      fs.writeFileSync(place.path("a.log"), "new\n");
    },
    { files: renumbered(7n) },
  );
  await place.pass();
  assert.deepEqual(reader.said(), ["source", "source", "source"]);
  await place.down(() => fs.appendFileSync(place.path("b.log"), "back\n"));
  await place.pass();
  assert.deepEqual(reader.said(), ["source", "source", "source"]);
});

conform("a device that is numbered anew while we run changes no identity", async (place) => {
  place.put("a.log", lines(0, 10));
  let by = 0n;
  const files = seenAs((info) => ({ ...info, dev: info.dev + by }));
  const reader = await place.follow(["*.log"], { files });
  for (by = 7n; by < 10n; by += 1n) {
    place.append("a.log", `under ${by}\n`);
    await place.pass();
  }
  assert.deepEqual(reader.said(), ["source"]);
  assert.equal(reader.lines().length, 13);
});

conform("another content on a renumbered device does not inherit a position", async (place) => {
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  await place.down(() => fs.writeFileSync(place.path("a.log"), lines(100, 120)), {
    files: renumbered(7n),
  });
  await place.pass();
  assert.equal(reader.lines().length, 30);
  assert.equal(reader.said().filter((each) => each.startsWith("gap")).length, 1);
});
