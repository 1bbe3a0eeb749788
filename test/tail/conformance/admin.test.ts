// What people and their tools do to a file in a hurry, while we follow it or while we are down.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { conform, lines, type Place } from "./place.ts";

const has = (tool: string): string | false =>
  spawnSync("sh", ["-c", `command -v ${tool}`]).status === 0 || process.env["CI"] === "true"
    ? false
    : `${tool} is not installed`;

/** Ten lines there, then the command, then one more line; everything is told as `want` says. */
interface Case {
  readonly name: string;
  readonly command: string;
  /** Statements, source declarations left out. */
  readonly said: readonly string[];
  readonly saidDown: readonly string[];
  readonly lines: number;
  readonly linesDown?: number;
  readonly unfollowed?: RegExp;
  readonly tool?: string;
}

const deleted = ["end deleted"];
const away = ["gap rotated-away"];
const restarted = ["end restarted"];
const cutDown = ["gap truncated"];

const cases: readonly Case[] = [
  { name: "> file", command: "> a.log", said: restarted, saidDown: cutDown, lines: 11 },
  {
    name: "cat > file",
    command: "printf 'x\\ny\\n' > in; cat in > a.log; rm in",
    said: restarted,
    saidDown: cutDown,
    lines: 13,
  },
  {
    name: "rm, and the file is made again",
    command: "rm a.log",
    said: deleted,
    saidDown: away,
    lines: 11,
  },
  {
    name: "truncate to nothing",
    command: "truncate -s 0 a.log",
    said: restarted,
    saidDown: cutDown,
    lines: 11,
  },
  {
    name: "truncate in the middle of a line",
    command: "truncate -s 38 a.log",
    said: restarted,
    saidDown: cutDown,
    lines: 16,
  },
  {
    name: "truncate to more than there is",
    command: "truncate -s 100 a.log",
    said: [],
    saidDown: [],
    lines: 11,
  },
  {
    name: "mv away and back",
    command: "mv a.log b; mv b a.log",
    said: [],
    saidDown: [],
    lines: 11,
  },
  {
    name: "mv to another file system and back",
    command: "mv a.log $OTHER/; mv $OTHER/a.log .",
    said: deleted,
    saidDown: away,
    lines: 21,
  },
  {
    name: "cp over it",
    command: "seq 5 > in; cp in a.log; rm in",
    said: restarted,
    saidDown: cutDown,
    lines: 16,
  },
  {
    name: "cp --remove-destination",
    command: "seq 5 > in; cp --remove-destination in a.log; rm in",
    said: deleted,
    saidDown: away,
    lines: 16,
  },
  {
    name: "sed -i",
    command: "sed -i s/line/LINE/ a.log",
    said: deleted,
    saidDown: away,
    lines: 21,
  },
  {
    name: "dd over the start, in place",
    command: "printf XXXX | dd of=a.log conv=notrunc",
    said: restarted,
    saidDown: cutDown,
    lines: 21,
  },
  {
    name: "dd that cuts",
    command: "printf 'X\\n' | dd of=a.log",
    said: restarted,
    saidDown: cutDown,
    lines: 12,
  },
  {
    name: "a hard link, and the first name removed",
    command: "ln a.log keep; rm a.log",
    said: [],
    saidDown: [],
    lines: 11,
    unfollowed: /none/,
  },
  {
    name: "a link put in its place",
    command: "mv a.log real; ln -s real a.log",
    said: [],
    saidDown: [],
    lines: 11,
  },
  {
    name: "touch, chmod, chown",
    command: "touch -d 2001-01-01 a.log; chmod 600 a.log; chown $(id -u) a.log",
    said: [],
    saidDown: [],
    lines: 11,
  },
  {
    name: "touch -d after an edit",
    command: "printf XXXX | dd of=a.log conv=notrunc; touch -d 2001-01-01 a.log",
    said: restarted,
    saidDown: cutDown,
    lines: 21,
  },
  {
    name: "vim, with a backup by renaming",
    command:
      "vim -N -u NONE -i NONE -es -c 'set backup backupcopy=no backupdir=. backupskip=' -c '%s/line/edited/' -c wq a.log",
    said: [],
    saidDown: [],
    lines: 21,
    tool: "vim",
  },
  {
    name: "vim, writing in place",
    command:
      "vim -N -u NONE -i NONE -es -c 'set nobackup writebackup backupcopy=yes backupdir=. backupskip=' -c '%s/line/edited/' -c wq a.log",
    said: restarted,
    saidDown: cutDown,
    lines: 21,
    tool: "vim",
  },
  {
    name: "shred",
    command: "cp a.log b; shred -u a.log; mv b a.log",
    said: deleted,
    saidDown: away,
    lines: 21,
  },
  {
    name: "rsync --inplace by hand",
    command: "cp -p a.log b; echo tail >> b; cat b 1<>a.log; rm b",
    said: [],
    saidDown: [],
    lines: 12,
  },
  {
    name: "a directory over it and back",
    command: "mv a.log b; mkdir a.log; rmdir a.log; mv b a.log",
    said: [],
    saidDown: [],
    lines: 11,
  },
];

async function begin(place: Place): Promise<void> {
  place.put("a.log", lines(0, 10));
  await place.follow(["*.log"]);
}

const other = "/dev/shm";

function act(place: Place, { command }: Case): void {
  const dir = fs.mkdtempSync(`${other}/sealtail-conform-`);
  try {
    for (const step of command.split("; ")) place.sh(`OTHER=${dir}; ${step}`);
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

const statementsOf = (place: Place): string[] =>
  place.reader.said().filter((each) => each !== "source");

for (const each of cases) {
  const skip = each.tool === undefined ? false : has(each.tool);
  const unfollowed = (place: Place): void => place.unfollowed(/^(?:in|b|real|keep|a\.log~)$/);

  conform(
    `while we follow it: ${each.name}`,
    async (place) => {
      unfollowed(place);
      await begin(place);
      act(place, each);
      await place.pass();
      place.append("a.log", "one more\n");
      await place.pass(30_000);
      assert.deepEqual(statementsOf(place), each.said);
      assert.equal(place.reader.lines().length, each.lines);
    },
    { skip },
  );

  conform(
    `while we are down: ${each.name}`,
    async (place) => {
      unfollowed(place);
      await begin(place);
      await place.down(() => act(place, each));
      place.append("a.log", "one more\n");
      await place.pass(30_000);
      assert.deepEqual(statementsOf(place), each.saidDown);
      assert.equal(place.reader.lines().length, each.linesDown ?? each.lines);
    },
    { skip },
  );
}
