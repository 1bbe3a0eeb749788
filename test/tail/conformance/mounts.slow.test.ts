// Real mounts under an agent: overlay, bind, a device taken away and brought back, no watches left.
//
// - As root on Linux only; elsewhere each test says so and is skipped, in CI it fails.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findingClasses } from "../../../src/core/fault.ts";
import { systemClock } from "../../../src/host/clock.ts";
import { Rig } from "../../crash/rig.ts";
import { conform, lines, type Place } from "./place.ts";

const sh = (command: string): string =>
  execFileSync("sh", ["-ec", command], { stdio: "pipe" }).toString().trim();

/** Whether a probe works here; undefined where tests must run whatever it says. */
function unless(why: string, probe: string): string | false {
  if (process.env["CI"] === "true") return false;
  return spawnSync("sh", ["-ec", probe]).status === 0 ? false : why;
}

const mounting = unless(
  "tmpfs cannot be mounted here",
  "d=$(mktemp -d); mount -t tmpfs none $d; umount $d; rmdir $d",
);
const overlays = unless(
  "an overlay cannot be mounted here",
  "d=$(mktemp -d); mount -t tmpfs none $d; mkdir $d/l $d/u $d/w $d/m; " +
    "mount -t overlay none -o lowerdir=$d/l,upperdir=$d/u,workdir=$d/w $d/m; umount $d/m; umount $d; rmdir $d",
);
const loops = unless("loop devices cannot be made here", "losetup -f && command -v mkfs.ext4");

/** Runs `work`, then unmounts what is mounted below the directory, however deep. */
async function unmounted(place: Place, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    await place.judge();
  } finally {
    await place.reader?.tail.close();
    const mounts = fs.readFileSync("/proc/mounts", "utf8").split("\n");
    const below = mounts
      .map((line) => line.split(" ")[1] ?? "")
      .filter((dir) => dir.startsWith(`${place.dir}/`));
    for (const dir of below.reverse()) sh(`umount ${dir}`);
    place.forget();
  }
}

conform(
  "a file of an overlay's lower layer is read on when it is copied up",
  async (place) => {
    await unmounted(place, async () => {
      for (const dir of ["base", "in"]) place.mkdir(dir);
      sh(
        `cd ${place.dir}; mount -t tmpfs none base; mkdir base/l base/u base/w; echo one > base/l/a.log`,
      );
      sh(
        `cd ${place.dir}; mount -t overlay none -o lowerdir=base/l,upperdir=base/u,workdir=base/w in`,
      );
      const reader = await place.follow(["in/*.log"]);
      fs.appendFileSync(place.path("in/a.log"), "two\n");
      await place.pass();
      sh(`cd ${place.dir}/in; mv a.log a.log.1; echo late >> a.log.1; echo new > a.log`);
      await place.pass();
      sh(`cd ${place.dir}/in; truncate -s 0 a.log; echo after > a.log`);
      await place.pass();
      assert.deepEqual(reader.lines().sort(), ["after", "late", "new", "one", "two"]);
      assert.deepEqual(reader.said(), ["source", "source", "end restarted", "source"]);
      place.forget();
    });
  },
  { skip: overlays },
);

conform(
  "what is mounted over a directory is read, and what it hides is read on when it is back",
  async (place) => {
    await unmounted(place, async () => {
      place.mkdir("in");
      place.put("in/a.log", "below 1\n");
      const reader = await place.follow(["in/*.log"], { maxOpenFiles: 1, idleCloseMs: 0 });
      place.put("in/b.log", "below b\n");
      await place.pass();
      sh(`mount -t tmpfs none ${place.path("in")}; echo above > ${place.path("in/a.log")}`);
      await place.pass(60_000);
      fs.appendFileSync(place.path("in/a.log"), "above 2\n");
      await place.pass();
      await reader.tail.wait(0);
      sh(`umount -l ${place.path("in")}`);
      place.append("in/a.log", "below 2\n");
      await place.pass(60_000);
      assert.deepEqual(reader.lines().sort(), [
        "above",
        "above 2",
        "below 1",
        "below 2",
        "below b",
      ]);
      for (const [id, { path, dev }] of [...reader.records]) {
        if (path.endsWith("a.log") && dev !== String(fs.statSync(place.dir).dev))
          reader.records.delete(id);
      }
    });
  },
  { skip: mounting },
);

conform(
  "a directory bound elsewhere is one with itself",
  async (place) => {
    await unmounted(place, async () => {
      place.mkdir("in");
      place.mkdir("again");
      place.put("in/a.log", "one\n");
      sh(`mount --bind ${place.path("in")} ${place.path("again")}`);
      const reader = await place.follow(["*/*.log"]);
      place.append("again/a.log", "two\n");
      await place.pass();
      assert.deepEqual(reader.lines(), ["one", "two"]);
      assert.equal(reader.records.size, 1);
    });
  },
  { skip: mounting },
);

conform(
  "names that are new in a directory mounted over are heard of at once",
  async (place) => {
    await unmounted(place, async () => {
      place.mkdir("in");
      const reader = await place.follow(["in/*.log"], { clock: systemClock, rescanMs: 3000 });
      await reader.tail.wait(200);
      sh(`mount -t tmpfs none ${place.path("in")}; echo one > ${place.path("in/a.log")}`);
      await reader.until(() => reader.lines().length === 1);
      await reader.tail.wait(100);
      const began = systemClock.mono();
      fs.writeFileSync(place.path("in/b.log"), "two\n");
      await reader.until(() => reader.lines().length === 2);
      assert.ok(systemClock.mono() - began < 2_000_000);
      await reader.tail.close();
      place.forget();
    });
  },
  { skip: mounting },
);

/** A small ext4 in a file, on the loop device of this number or any. */
function makeDisk(place: Place): { mount(): void; unmount(): void } {
  const image = place.path("disk");
  const dir = place.path("in");
  sh(`truncate -s 16M ${image}; mkfs.ext4 -q -F ${image}`);
  let device = "";
  return {
    mount() {
      device = sh(`losetup --show -f ${image}`);
      sh(`mount ${device} ${dir}`);
    },
    unmount() {
      sh(`umount ${dir}; losetup -d ${device}`);
    },
  };
}

for (const running of [true, false]) {
  conform(
    `a disk that comes back as another device changes no identity, ${running ? "while we run" : "while we are down"}`,
    async (place) => {
      place.unfollowed(/disk/);
      await unmounted(place, async () => {
        place.mkdir("in");
        const disk = makeDisk(place);
        disk.mount();
        place.put("in/a.log", lines(0, 10));
        const before = fs.statSync(place.path("in/a.log")).dev;
        const reader = await place.follow(["in/*.log"], { maxOpenFiles: 1, idleCloseMs: 0 });
        place.put("in/b.log", "b\n");
        await place.pass(30_000);
        const lastBytes = reader.tail.lastBytes();
        // A disk in use cannot be taken away: its descriptors are given back before.
        await reader.tail.close();
        if (running) {
          await reader.open({ resume: reader.resume(lastBytes), maxOpenFiles: 1, idleCloseMs: 0 });
          await place.pass(30_000);
          await reader.tail.close();
        }
        disk.unmount();
        if (running) {
          // The directory is empty now: its sources are given up, but not forgotten.
          await reader.open({ resume: reader.resume(lastBytes) });
          await place.pass(30_000);
        }
        // Another image takes the device's number.
        const taken = sh(
          `truncate -s 1M ${place.path("disk2")}; losetup --show -f ${place.path("disk2")}`,
        );
        try {
          disk.mount();
          assert.notEqual(fs.statSync(place.path("in/a.log")).dev, before);
          place.append("in/a.log", "back\n");
          if (!running) await reader.open({ resume: reader.resume(lastBytes) });
          await place.pass(30_000);
          const once = lines(0, 10).split("\n").slice(0, -1);
          const got = reader.lines().filter((line) => line.startsWith("line"));
          assert.deepEqual(got, once);
          assert.ok(reader.lines().includes("back"));
          if (!running) assert.deepEqual(reader.said(), ["source", "source"]);
        } finally {
          await reader.tail.close();
          disk.unmount();
          sh(`losetup -d ${taken}`);
          place.forget();
        }
      });
    },
    { skip: loops },
  );
}

test("with no watches left the agent warns once and reads by rescans alone", {
  skip: unless("user namespaces cannot be made here", "unshare -Ur true"),
}, async () => {
  await using rig = await Rig.make();
  await rig.startVault();
  rig.append("a.log", "one\n");
  await rig.startAgent({}, [
    "unshare",
    "-Ur",
    "sh",
    "-c",
    'echo 0 > /proc/sys/user/max_inotify_instances; exec "$@"',
    "sh",
  ]);
  rig.append("a.log", "two\n");
  rig.append("b.log", "three\n");
  await rig.caughtUp();
  fs.renameSync(join(rig.logs, "a.log"), join(rig.logs, "a.log.1"));
  rig.append("a.log", "four\n");
  rig.append("a.log.1", "late\n");
  await rig.caughtUp();
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  const { findings, bytes } = await rig.verify();
  assert.deepEqual(
    findings.filter(({ code }) => findingClasses[code] !== "finding"),
    [],
  );
  const all = [...bytes.values()]
    .flat()
    .map((part) => Buffer.from(part).toString())
    .join("");
  assert.deepEqual(all.split("\n").sort(), ["", "four", "late", "one", "three", "two"]);
  assert.equal(rig.said.split("watching directories failed").length, 2);
});
