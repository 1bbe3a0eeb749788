// Files that are renamed, deleted, made again, compressed: nothing that was seen gets away.

import assert from "node:assert/strict";
import fs from "node:fs";
import { systemClock } from "../../../src/host/clock.ts";
import type { HintSource } from "../../../src/tail/hints.ts";
import { conform, lines } from "./place.ts";

conform("a writer that keeps its renamed file is read on beside the new file", async (place) => {
  place.put("a.log", "one\n");
  const reader = await place.follow(["*.log"]);
  place.rename("a.log", "a.log.1");
  place.append("a.log.1", "late\n");
  place.put("a.log", "new\n");
  await place.pass();
  place.append("a.log.1", "very late\n");
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["late", "new", "one", "very late"]);
  assert.deepEqual(reader.said(), ["source", "source"]);
});

conform("a line written long after the rotation is read", async (place) => {
  place.put("a.log", "one\n");
  const reader = await place.follow(["*.log"]);
  place.rename("a.log", "a.log.1");
  await place.pass(20 * 60_000);
  place.append("a.log.1", "later\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one", "later"]);
});

conform("a chain of renames is followed to its end", async (place) => {
  place.put("a.log", "0\n");
  const reader = await place.follow(["*.log"]);
  for (let turn = 1; turn <= 5; turn += 1) {
    place.append("a.log", `last of ${turn}\n`);
    place.do(() => {
      for (let n = turn - 1; n >= 1; n -= 1) {
        fs.renameSync(place.path(`a.log.${n}`), place.path(`a.log.${n + 1}`));
      }
      fs.renameSync(place.path("a.log"), place.path("a.log.1"));
    });
    place.append("a.log.1", `late of ${turn}\n`);
    place.put("a.log", `${turn}\n`);
    if (turn % 2 === 0) await place.pass();
    else await place.stall();
  }
  await place.pass();
  assert.equal(reader.lines().length, 16);
  assert.deepEqual(new Set(reader.said()), new Set(["source"]));
});

conform("many files that rotate at once mix nothing up", async (place) => {
  const names = Array.from({ length: 30 }, (_, n) => `f${n}.log`);
  for (const name of names) place.put(name, `${name} first\n`);
  const reader = await place.follow(["*.log"]);
  for (let turn = 0; turn < 3; turn += 1) {
    place.do(() => {
      for (const name of names) {
        fs.appendFileSync(place.path(name), `${name} end of ${turn}\n`);
        fs.renameSync(place.path(name), place.path(`${name}.${turn}`));
        fs.appendFileSync(place.path(`${name}.${turn}`), `${name} late ${turn}\n`);
        fs.writeFileSync(place.path(name), `${name} begin of ${turn}\n`);
      }
    });
    await place.pass();
  }
  assert.equal(reader.lines().length, 30 * 10);
});

conform(
  "a file is read to its end though it lived only from one hint to the next",
  async (place) => {
    const reader = await place.follow(["*.log"], { clock: systemClock, rescanMs: 600_000 });
    await reader.tail.wait(300);
    for (let turn = 0; turn < 5; turn += 1) {
      place.put("a.log", `begin ${turn}\n`);
      await reader.until(() => reader.tail.status().some(({ state }) => state !== "rotated"));
      await reader.until(() => reader.lines().includes(`begin ${turn}`));
      place.append("a.log", `end ${turn}\n`);
      place.rename("a.log", `a.log.${turn}`);
    }
    await reader.until(() => reader.lines().length === 10);
  },
);

conform(
  "a busy name is looked at often: who lives shorter than a rescan is read as well",
  async (place) => {
    place.put("a.log", "begin 0\n");
    const reader = await place.follow(["*.log"], { hints: "none", rescanMs: 60_000 });
    for (let turn = 1; turn < 8; turn += 1) {
      await place.pass(400);
      place.append("a.log", `end ${turn}\n`);
      place.rename("a.log", `a.log.${turn}`);
      place.append(`a.log.${turn}`, `late ${turn}\n`);
      place.put("a.log", `begin ${turn}\n`);
    }
    await place.pass();
    assert.equal(reader.lines().length, 22);
  },
);

conform("while hints rest in a flood, new names are looked for more often", async (place) => {
  const resting: HintSource = () => ({
    watch() {},
    resting: true,
    complete: false,
    close: () => Promise.resolve(),
  });
  place.put("busy.log", "one\n");
  const reader = await place.follow(["*.log"], { hints: resting });
  for (let turn = 0; turn < 5; turn += 1) {
    place.append("busy.log", "more\n");
    place.put(`new${turn}.log`, `new ${turn}\n`);
    await place.pass(900);
    place.rename(`new${turn}.log`, `old${turn}`);
  }
  await place.pass();
  assert.equal(reader.lines().length, 11);
});

conform("a followed name that becomes a link into our own state is let alone", async (place) => {
  place.unfollowed(/state/);
  place.mkdir("state");
  place.put("state/own", "secret\n");
  place.put("a.log", "one\n");
  const reader = await place.follow(["*.log"], { refuse: [place.path("state")] });
  place.sh("rm a.log; ln -s state/own a.log");
  await place.pass(30_000);
  assert.deepEqual(reader.lines(), ["one"]);
});

conform("a file moved out of the pattern with an unread end is read to it", async (place) => {
  place.put("a.log", "one\n");
  const reader = await place.follow(["*.log"]);
  place.append("a.log", "unread\n");
  await place.stall();
  place.rename("a.log", "old");
  await place.stall(20_000);
  place.append("old", "more\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one", "unread", "more"]);
});

conform("a file moved to a directory that nobody walks is read on", async (place) => {
  place.mkdir("in");
  place.mkdir("archive/deep");
  place.put("in/a.log", "one\n");
  const reader = await place.follow(["in/*.log"]);
  // Long idle: its descriptor would have been given back.
  await place.pass(3_600_000);
  place.rename("in/a.log", "archive/deep/a.log.1");
  place.append("archive/deep/a.log.1", "late\n");
  place.put("in/a.log", "new\n");
  await place.pass(30_000);
  place.append("archive/deep/a.log.1", "very late\n");
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["late", "new", "one", "very late"]);
});

conform("files rotated while we are down are found by what they are", async (place) => {
  place.put("a.log", "0\n");
  const reader = await place.follow(["*.log"]);
  await place.down(() => {
    fs.appendFileSync(place.path("a.log"), "unread\n");
    fs.renameSync(place.path("a.log"), place.path("a.log.1"));
    fs.renameSync(place.path("a.log.1"), place.path("a.log.2"));
    fs.appendFileSync(place.path("a.log.2"), "late\n");
    fs.writeFileSync(place.path("a.log"), "new\n");
  });
  place.append("a.log.2", "later\n");
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["0", "late", "later", "new", "unread"]);
  await place.down(() => fs.appendFileSync(place.path("a.log.2"), "after another start\n"));
  await place.pass();
  assert.ok(reader.lines().includes("after another start"));
  assert.deepEqual(reader.said(), ["source", "source"]);
});

conform("a file rotated into a directory below while we are down is found", async (place) => {
  place.put("a.log", "0\n");
  const reader = await place.follow(["*.log"]);
  await place.down(() => {
    fs.mkdirSync(place.path("old"));
    fs.appendFileSync(place.path("a.log"), "unread\n");
    fs.renameSync(place.path("a.log"), place.path("old/a.log-1"));
    fs.writeFileSync(place.path("a.log"), "new\n");
  });
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["0", "new", "unread"]);
  assert.deepEqual(reader.said(), ["source", "source"]);
});

conform("a name deleted and made again at once is another file", async (place) => {
  place.put("a.log", "same\n");
  const reader = await place.follow(["*.log"]);
  for (let turn = 0; turn < 3; turn += 1) {
    place.do(() => {
      fs.unlinkSync(place.path("a.log"));
      fs.writeFileSync(place.path("a.log"), "same\n");
    });
    await place.pass();
  }
  assert.deepEqual(reader.lines(), ["same", "same", "same", "same"]);
  assert.equal(reader.records.size, 4);
});

conform("the rest of a deleted file is read before its end is stated", async (place) => {
  place.put("a.log", "one\n");
  const reader = await place.follow(["*.log"]);
  place.append("a.log", "two\n");
  await place.stall();
  place.unlink("a.log");
  place.put("a.log", "new\n");
  await place.stall(60_000);
  await place.pass(3_600_000);
  assert.deepEqual(reader.lines().sort(), ["new", "one", "two"]);
  assert.deepEqual(reader.said(), ["source", "source", "end deleted"]);
  // Its descriptor is free, and so is the disk.
  assert.equal(reader.tail.stats().get("app")?.pinnedBytes, 0);
  assert.equal(reader.tail.status().length, 1);
});

conform(
  "a writer that goes on writing to its deleted file now and then is read on",
  async (place) => {
    place.put("a.log", "one\n");
    const reader = await place.follow(["*.log"]);
    const fd = fs.openSync(place.path("a.log"), "a");
    try {
      await place.pass(45_000);
      place.append("a.log", "two\n");
      await place.pass();
      fs.unlinkSync(place.path("a.log"));
      for (let n = 0; n < 5; n += 1) {
        await place.pass(45_000);
        fs.writeSync(fd, `after deletion ${n}\n`);
      }
      await place.pass();
      assert.equal(reader.lines().length, 7);
      assert.equal(reader.tail.status()[0]?.state, "deleted");
    } finally {
      fs.closeSync(fd);
    }
    const [id] = reader.records.keys();
    await place.pass(3_600_000);
    assert.equal(reader.ends.get(id ?? "")?.size, 8 + 5 * 17);
    // What came after the last name was gone is in no directory: the judge cannot know it.
    place.forget();
  },
);

conform("a file moved away and back is the same one, however long it was away", async (place) => {
  place.mkdir("else/where");
  place.put("a.log", "one\n");
  const limits = { maxOpenFiles: 1, idleCloseMs: 0 };
  const reader = await place.follow(["*.log"], limits);
  place.put("b.log", "b\n");
  await place.pass(30_000);
  place.rename("a.log", "else/where/a.log");
  await place.pass(600_000);
  place.append("else/where/a.log", "meanwhile\n");
  place.rename("else/where/a.log", "a.log");
  place.append("a.log", "back\n");
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["b", "back", "meanwhile", "one"]);
});

conform("a file that comes back with another content is read from its start", async (place) => {
  place.mkdir("else/where");
  place.put("a.log", lines(0, 10));
  const limits = { maxOpenFiles: 1, idleCloseMs: 0 };
  const reader = await place.follow(["*.log"], limits);
  place.put("b.log", "b\n");
  await place.pass(30_000);
  place.rename("a.log", "else/where/a.log");
  await place.pass(60_000);
  place.put("else/where/a.log", lines(100, 120));
  place.rename("else/where/a.log", "a.log");
  await place.pass();
  assert.equal(reader.lines().length, 31);
});

conform("a directory renamed away and back loses and doubles nothing", async (place) => {
  place.mkdir("in");
  for (let n = 0; n < 5; n += 1) place.put(`in/${n}.log`, `${n}\n`);
  const reader = await place.follow(["in/*.log"], { maxOpenFiles: 2 });
  place.rename("in", "out");
  await place.pass(600_000);
  for (let n = 0; n < 5; n += 1) place.append(`out/${n}.log`, `${n} away\n`);
  place.rename("out", "in");
  await place.pass();
  for (let n = 0; n < 5; n += 1) place.append(`in/${n}.log`, `${n} back\n`);
  await place.pass();
  assert.equal(reader.lines().length, 15);
});

conform(
  "a directory that is missing at the start and comes later doubles nothing",
  async (place) => {
    place.mkdir("in");
    place.put("in/a.log", "one\n");
    const reader = await place.follow(["in/*.log"]);
    await place.down(() => fs.renameSync(place.path("in"), place.path("not-mounted-yet")));
    await place.pass(600_000);
    place.rename("not-mounted-yet", "in");
    place.append("in/a.log", "two\n");
    await place.pass();
    assert.deepEqual(reader.lines(), ["one", "two"]);
  },
);

conform(
  "an unread end is read though the file is compressed and deleted at once",
  async (place) => {
    place.unfollowed(/\.gz$/);
    place.put("a.log", "one\n");
    const reader = await place.follow(["*.log"]);
    place.append("a.log", "unread\n");
    await place.stall();
    place.sh("mv a.log a.log.1; echo late >> a.log.1");
    await place.stall();
    place.sh("gzip a.log.1");
    place.put("a.log", "new\n");
    await place.pass(60_000);
    assert.deepEqual(reader.lines().sort(), ["late", "new", "one", "unread"]);
  },
);

conform(
  "a compressed copy that the pattern means is sealed as the bytes that it is",
  async (place) => {
    place.put("a.log", lines(0, 100));
    const reader = await place.follow(["a.log*"]);
    place.sh("gzip a.log");
    place.put("a.log", "new\n");
    await place.pass(60_000);
    const bytes = fs.readFileSync(place.path("a.log.gz")).toString("latin1");
    await place.pass();
    assert.equal(reader.textAt(place.path("a.log.gz")), bytes);
    place.sh("echo second member | gzip >> a.log.gz");
    await place.pass();
  },
);

conform("a name that is a link is followed to each new target", async (place) => {
  place.put("v1", "one\n");
  place.put("v2", "two\n");
  fs.symlinkSync("v1", place.path("a.log"));
  const reader = await place.follow(["*.log"]);
  place.append("v1", "unread\n");
  place.sh("ln -s v2 tmp; mv -T tmp a.log; echo late >> v1");
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["late", "one", "two", "unread"]);
});

conform("a volume whose data directory is swapped by a link is followed", async (place) => {
  place.mkdir("..1");
  place.put("..1/a.log", "one\n");
  fs.symlinkSync("..1", place.path("..data"));
  fs.symlinkSync("..data/a.log", place.path("a.log"));
  const reader = await place.follow(["*.log"], { maxOpenFiles: 4 });
  for (let n = 2; n < 5; n += 1) {
    place.sh(`echo end >> ..data/a.log; mkdir ..${n}; echo begin ${n} > ..${n}/a.log`);
    place.sh(`ln -s ..${n} tmp; mv -T tmp ..data`);
    await place.pass();
    place.sh(`rm -r ..${n - 1}`);
    await place.pass();
  }
  assert.equal(reader.lines().length, 7);
});

conform("a directory behind a link that is pointed elsewhere is watched there", async (place) => {
  place.mkdir("v1");
  place.mkdir("v2");
  fs.symlinkSync("v1", place.path("current"));
  const options = { clock: systemClock, rescanMs: 700 };
  const reader = await place.follow(["current/*.log"], options);
  await reader.tail.wait(200);
  place.sh("echo one > v2/a.log; ln -s v2 tmp; mv -T tmp current");
  await reader.until(() => reader.lines().length === 1);
  await reader.tail.wait(100);
  const began = systemClock.mono();
  place.put("v2/b.log", "two\n");
  await reader.until(() => reader.lines().length === 2);
  assert.ok(systemClock.mono() - began < 500_000);
});

conform(
  "a container runtime's rotation by rename, new file and compression is followed",
  async (place) => {
    place.unfollowed(/\.gz$/, /\.tmp$/);
    place.mkdir("pod/app");
    place.put("pod/app/0.log", "t stdout F 0\n");
    const reader = await place.follow(["*/*/*.log"]);
    for (let n = 1; n < 4; n += 1) {
      place.append("pod/app/0.log", `t stdout P ${n}\n`);
      place.sh(`cd pod/app; mv 0.log 0.log.${n}; echo t stdout F late ${n} >> 0.log.${n}`);
      place.put("pod/app/0.log", `t stdout F ${n}\n`);
      await place.pass();
      place.sh(
        `cd pod/app; gzip -c 0.log.${n} > 0.log.${n}.tmp; mv 0.log.${n}.tmp 0.log.${n}.gz; rm 0.log.${n}`,
      );
      await place.pass();
    }
    // The container starts again: another file name.
    place.put("pod/app/1.log", "t stdout F restarted\n");
    await place.pass();
    assert.equal(reader.lines().length, 11);
  },
);
