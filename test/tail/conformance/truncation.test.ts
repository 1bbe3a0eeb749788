// Files that are cut, written anew, or edited in place.

import assert from "node:assert/strict";
import fs from "node:fs";
import { systemClock } from "../../../src/host/clock.ts";
import { conform, lines, seenAs } from "./place.ts";

conform("a file cut to nothing and written again is another generation", async (place) => {
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  place.cut("a.log");
  await place.pass();
  place.append("a.log", "short\n");
  await place.pass();
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
});

conform(
  "a file seen empty is another generation, though the same bytes come again",
  async (place) => {
    place.put("a.log", "same\n");
    const reader = await place.follow(["*.log"]);
    for (let turn = 0; turn < 3; turn += 1) {
      place.cut("a.log");
      await place.pass();
      place.append("a.log", "same\n");
      await place.pass();
    }
    assert.deepEqual(reader.lines(), ["same", "same", "same", "same"]);
  },
);

conform(
  "a file seen empty is another generation, though it grows on from the same bytes",
  async (place) => {
    place.put("a.log", lines(0, 100));
    const reader = await place.follow(["*.log"]);
    place.cut("a.log");
    await place.stall();
    place.append("a.log", lines(0, 200));
    await place.pass();
    assert.equal(reader.lines().length, 300);
  },
);

for (const [what, text] of [
  ["to exactly its size", lines(500, 600)],
  ["beyond its size", lines(500, 700)],
] as const) {
  conform(`a file cut and grown ${what} between two looks is seen`, async (place) => {
    place.put("a.log", lines(200, 300));
    const reader = await place.follow(["*.log"]);
    place.cut("a.log");
    place.append("a.log", text);
    await place.pass();
    assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
  });
}

conform(
  "a file written anew within one tick of the clock is seen once it is quiet",
  async (place) => {
    place.put("a.log", lines(200, 300));
    const files = seenAs((info) => ({ ...info, mtimeNs: 1n, ctimeNs: 1n }));
    const reader = await place.follow(["*.log"], { files });
    await place.pass(1_000);
    place.put("a.log", lines(500, 600));
    await place.pass(60_000);
    assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
  },
);

conform("a quiet file written anew with its time set back is seen all the same", async (place) => {
  place.put("a.log", lines(200, 300));
  const reader = await place.follow(["*.log"]);
  await place.pass(60_000);
  const { atime, mtime } = fs.statSync(place.path("a.log"));
  fs.utimesSync(place.path("a.log"), atime, mtime);
  await place.pass(60_000);
  place.do(() => {
    fs.writeFileSync(place.path("a.log"), lines(500, 600));
    fs.utimesSync(place.path("a.log"), atime, mtime);
  });
  await place.pass();
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
});

conform("unread bytes that were cut off are a gap", async (place) => {
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  place.append("a.log", lines(10, 20));
  await place.stall();
  place.cut("a.log");
  place.append("a.log", "new\n");
  await place.pass();
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.equal(reader.tail.stats().get("app")?.gapBytes, 80);
});

conform("a file cut after it was read and grown while nobody reads lost nothing", async (place) => {
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  place.cut("a.log");
  await place.stall();
  place.append("a.log", lines(100, 105));
  await place.stall();
  place.append("a.log", lines(105, 200));
  await place.stall();
  await place.pass();
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
});

conform(
  "a generation that was seen and cut unread is not forgotten over an empty file",
  async (place) => {
    place.put("a.log", lines(0, 10));
    const reader = await place.follow(["*.log"]);
    place.cut("a.log");
    await place.pass();
    place.append("a.log", lines(20, 40));
    await place.stall();
    place.cut("a.log");
    await place.stall();
    await place.pass();
    place.append("a.log", "new\n");
    await place.pass();
    place.unseen(lines(20, 40));
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  },
);

conform(
  "of a file cut twice while nobody reads, each loss is stated and none invented",
  async (place) => {
    place.put("a.log", lines(0, 10));
    const reader = await place.follow(["*.log"]);
    place.append("a.log", lines(10, 12));
    await place.stall();
    place.cut("a.log");
    place.append("a.log", lines(20, 40));
    await place.stall();
    place.cut("a.log");
    place.append("a.log", lines(40, 41));
    await place.stall();
    await place.pass();
    // The generation between was seen by its size only: its loss is part of the one gap.
    place.unseen(lines(20, 40));
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  },
);

conform(
  "a writer that does not append leaves a hole of NULs, which is sealed as such",
  async (place) => {
    place.put("a.log", "");
    const reader = await place.follow(["*.log"]);
    const fd = fs.openSync(place.path("a.log"), "w");
    try {
      for (let turn = 0; turn < 3; turn += 1) {
        place.do(() => fs.writeSync(fd, `turn ${turn}\n`));
        await place.pass();
        place.sh("cp a.log a.copy; truncate -s 0 a.log");
        if (turn === 1) await place.pass();
      }
      place.do(() => fs.writeSync(fd, "last\n"));
      await place.pass();
    } finally {
      fs.closeSync(fd);
    }
    assert.ok(reader.textAt(place.path("a.log")).endsWith(`${"\0".repeat(21)}last\n`));
    place.unfollowed(/copy/);
  },
);

conform("copies by truncation that match as well are files of their own", async (place) => {
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["a.log*"]);
  for (let turn = 1; turn < 4; turn += 1) {
    place.append("a.log", lines(turn * 100, turn * 100 + 10));
    await place.pass();
    place.sh(`cp a.log a.log.${turn}; truncate -s 0 a.log; echo begin ${turn} >> a.log`);
    await place.pass();
  }
  assert.equal(reader.lines().length, 2 * 42 + 1);
});

conform("the unread end of a file that was copied and cut is read from the copy", async (place) => {
  place.unfollowed(/\.1$/);
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  place.append("a.log", lines(10, 20));
  place.sh("cp a.log a.log.1; truncate -s 0 a.log");
  place.append("a.log", "new\n");
  await place.pass();
  assert.equal(reader.lines().length, 21);
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
});

conform(
  "the unread end of a file copied and cut while we are down is read from the copy",
  async (place) => {
    place.unfollowed(/\.log-/);
    place.put("a.log", lines(0, 10));
    const reader = await place.follow(["*.log"]);
    await place.down(() => {
      place.append("a.log", lines(10, 20));
      place.sh("cp a.log a.log-20260101; truncate -s 0 a.log");
      place.append("a.log", "new\n");
    });
    await place.pass();
    assert.equal(reader.lines().length, 21);
    assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
  },
);

conform("a copy that is compressed already tells how much is missing", async (place) => {
  place.unfollowed(/\.(?:gz|2)$/);
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"], { clock: systemClock });
  await reader.pullFor(30);
  place.append("a.log", lines(10, 20));
  place.sh("cp a.log a.log.1; truncate -s 0 a.log; gzip a.log.1");
  // That of another log is none.
  place.sh("seq 9999 | gzip > a.other.log.1.gz");
  place.append("a.log", "new\n");
  await reader.until(() => reader.lines().includes("new"));
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.equal(reader.tail.stats().get("app")?.gapBytes, lines(10, 20).length);
  // With a whole copy at hand, what is compressed is of another time.
  place.sh(
    "seq 9999 | gzip > a.log.3.gz; cp a.log a.log.2; truncate -s 0 a.log; echo next > a.log",
  );
  await reader.until(() => reader.lines().includes("next"));
  assert.equal(reader.said().at(-2), "end restarted");
  // Nothing unread: nothing to state.
  place.sh(
    "cp a.log a.log.2; truncate -s 0 a.log; gzip -f a.log.2; rm a.log.3.gz; echo newer > a.log",
  );
  await reader.until(() => reader.lines().includes("newer"));
  assert.equal(reader.said().at(-2), "end restarted");
});

conform(
  "a compressed copy has the time that its log had before the last lines came",
  async (place) => {
    place.unfollowed(/\.gz$/);
    place.put("a.log", lines(0, 10));
    const reader = await place.follow(["*.log"], { clock: systemClock });
    await reader.pullFor(300);
    place.sh("touch -r a.log time");
    place.append("a.log", lines(10, 20));
    place.sh("cp a.log a.log.1; truncate -s 0 a.log; gzip a.log.1; touch -r time a.log.1.gz");
    place.append("a.log", "new\n");
    await reader.until(() => reader.lines().includes("new"));
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
    assert.equal(reader.tail.stats().get("app")?.gapBytes, lines(10, 20).length);
  },
);

conform(
  "a compressed copy that is only rotated on says nothing of what is missing",
  async (place) => {
    place.unfollowed(/\.gz$/);
    place.sh("seq 9999 | gzip > a.log.1.gz; touch -d '1 hour ago' a.log.1.gz");
    place.put("a.log", lines(0, 10));
    const reader = await place.follow(["*.log"], { clock: systemClock });
    await reader.pullFor(30);
    place.sh("mv a.log.1.gz a.log.2.gz; truncate -s 0 a.log");
    place.append("a.log", "new\n");
    await reader.until(() => reader.lines().includes("new"));
    assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
  },
);

conform(
  "a copy below another directory, and one of several, is found by its content",
  async (place) => {
    place.unfollowed(/^old/);
    place.mkdir("old");
    place.put("old/a.log.9", lines(0, 5));
    place.put("a.log", lines(0, 10));
    const reader = await place.follow(["*.log"]);
    for (let turn = 1; turn < 4; turn += 1) {
      place.append("a.log", `${lines(turn * 100, turn * 100 + 10)}no end of line ${turn}`);
      place.sh(`cp a.log old/a.log.${turn}; truncate -s 0 a.log`);
      await place.pass();
      place.append("a.log", `begin ${turn}\n`);
      await place.pass();
    }
    const ends = reader.said().filter((each) => each === "end restarted");
    assert.equal(ends.length, 3);
  },
);

conform("what only looks like the copy is not read on from", async (place) => {
  place.unfollowed(/\.[123]$/);
  place.put("a.log", lines(0, 300));
  const reader = await place.follow(["*.log"]);
  place.put("a.log.1", `${lines(0, 299)}forged 9\nforged more\n`);
  place.put("a.log.2", lines(0, 200));
  place.put("a.log.3", `LINE${lines(0, 300).slice(4)}forged from the start\n`);
  place.put("a.log", "new\n");
  await place.pass();
  assert.equal(reader.lines().length, 301);
});

conform(
  "a copy made over a rotated file that is still followed costs no line of the log",
  async (place) => {
    place.put("a.log", lines(0, 10));
    const reader = await place.follow(["*.log"]);
    place.rename("a.log", "a.log.1");
    place.put("a.log", lines(20, 30));
    await place.pass();
    place.append("a.log", "unread\n");
    place.sh("cp a.log a.log.1; truncate -s 0 a.log");
    // What stands under the rotated name now is the log's, and is sealed as such.
    place.unseen(`${lines(20, 30)}unread\n`);
    await place.pass();
    place.append("a.log", "new\n");
    await place.pass();
    const written = [...lines(0, 10).split("\n"), ...lines(20, 30).split("\n")].filter(Boolean);
    assert.deepEqual(reader.lines(), [...written, "unread", "new"]);
  },
);

conform(
  "a file cut while we are down, without a copy, leaves a gap of unknown length",
  async (place) => {
    place.put("a.log", lines(0, 10));
    const reader = await place.follow(["*.log"]);
    await place.down(() => {
      place.append("a.log", lines(10, 20));
      place.put("a.log", "new\n");
    });
    await place.pass();
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  },
);

conform("a file cut through a link, and a link removed and made again, are seen", async (place) => {
  place.put("real", "one\n");
  fs.symlinkSync("real", place.path("a.log"));
  const reader = await place.follow(["*.log"]);
  place.sh("truncate -s 0 a.log; echo after > a.log");
  await place.pass();
  place.sh("rm a.log; echo unseen name >> real");
  await place.pass();
  place.sh("ln -s real a.log; echo back >> real");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one", "after", "unseen name", "back"]);
});

conform("a file cut again and again under load is read as so many generations", async (place) => {
  place.put("a.log", "");
  const reader = await place.follow(["*.log"]);
  for (let turn = 0; turn < 20; turn += 1) {
    for (let part = 0; part < 3; part += 1) {
      const from = turn * 1000 + part * 50;
      place.append("a.log", lines(from, from + 50));
      await place.pass(100 * (turn % 4));
      await place.pass(400);
    }
    place.cut("a.log");
    if (turn % 3 === 0) await place.pass(500);
  }
  await place.pass();
  assert.equal(reader.lines().length, 3_000);
});

conform("an end that was cut off unread leaves what was read as it is", async (place) => {
  place.put("a.log", lines(0, 10));
  const size = fs.statSync(place.path("a.log")).size;
  const reader = await place.follow(["*.log"]);
  place.append("a.log", "to be cut\n");
  await place.stall();
  place.cut("a.log", size);
  place.append("a.log", "other\n");
  await place.pass();
  assert.equal(reader.lines().at(-1), "other");
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source", "gap skipped"]);
});

conform("a partial line that waits while its file is cut lies in the gap", async (place) => {
  place.put("a.log", "one\npart");
  const reader = await place.follow(["*.log"]);
  place.cut("a.log");
  place.append("a.log", "new\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one", "new"]);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
});

conform("offsets beyond 2 and 4 GiB are exact, and a cut there is seen", async (place) => {
  const start = 5 * 1024 ** 3;
  fs.writeFileSync(place.path("a.log"), "");
  fs.truncateSync(place.path("a.log"), start - 5);
  // Behind an end of NULs all of them would be searched.
  fs.appendFileSync(place.path("a.log"), "zero\n");
  const include = [place.path("*.log")];
  const sources = [{ name: "app", include, exclude: [], startAt: "end" as const }];
  const reader = await place.follow([], { sources });
  fs.appendFileSync(place.path("a.log"), "one\n");
  await place.pass();
  await reader.tail.close();
  fs.appendFileSync(place.path("a.log"), "two\n");
  await reader.open({ sources, resume: reader.resume(reader.tail.lastBytes()) });
  await place.pass();
  const [pieces] = reader.pieces.values();
  assert.deepEqual(
    pieces?.map(({ offset }) => offset),
    [start, start + 4],
  );
  fs.truncateSync(place.path("a.log"), 0);
  fs.appendFileSync(place.path("a.log"), "three\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one", "two", "three"]);
  place.forget();
});

conform("sealed bytes edited in place are stated, and reading goes on", async (place) => {
  place.put("a.log", lines(0, 240));
  const reader = await place.follow(["*.log"]);
  await place.pass();
  // The judge knows one content per generation: this edit is kept from it.
  fs.writeFileSync(place.path("b"), "LINE 200");
  const at = lines(0, 200).length;
  place.unfollowed(/^b$/);
  const edit = `dd if=${place.path("b")} of=${place.path("a.log")} bs=1 seek=${at} conv=notrunc`;
  const { execFileSync } = await import("node:child_process");
  execFileSync("sh", ["-c", edit], { stdio: "pipe" });
  await place.pass();
  fs.appendFileSync(place.path("a.log"), "more\n");
  await place.pass();
  assert.equal(reader.said().at(-1), "rewritten");
  assert.deepEqual(reader.stated.at(-1), {
    type: "rewritten",
    source: [...reader.records.keys()][0],
    from: at,
    to: at + 4,
  });
  assert.equal(reader.textAt(place.path("a.log")), `${lines(0, 240)}more\n`);
  place.forget();
});
