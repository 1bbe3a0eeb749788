// The real logrotate with each of its ways to rotate, a program that logs, agent and vault as
// processes, and the verifier as judge: every line comes exactly once.
//
// - All ways run side by side on logs of their own, so that one life of agent and vault is enough.
// - What logrotate itself loses, between its copying and its cutting, is in no file: only that may
//   be missing.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { findingClasses } from "../../../src/core/fault.ts";
import { Rig, type Sealed } from "../../crash/rig.ts";

const absent = spawnSync("sh", ["-c", "command -v logrotate"]).status !== 0;
const skip = absent && process.env["CI"] !== "true" ? "logrotate is not installed" : false;

interface Way {
  readonly name: string;
  readonly mode: "hold" | "keep" | "each";
  readonly options: string;
  /** Cuts in place: what logrotate loses may be missing. */
  readonly cuts?: boolean;
}

const ways: readonly Way[] = [
  { name: "create", mode: "hold", options: "create 0600" },
  { name: "nocreate", mode: "each", options: "nocreate" },
  { name: "rotate0", mode: "hold", options: "create\nrotate 0" },
  { name: "rotate1", mode: "hold", options: "create\nrotate 1" },
  { name: "compress", mode: "hold", options: "create\ncompress" },
  { name: "delaycompress", mode: "hold", options: "create\ncompress\ndelaycompress" },
  { name: "dateext", mode: "hold", options: "create\ndateext\ndateformat -%s" },
  { name: "extension", mode: "hold", options: "create\nextension .log" },
  { name: "olddir", mode: "hold", options: "create\nolddir OLD\ncreateolddir 700 root root" },
  { name: "olddir-far", mode: "hold", options: "create\nrenamecopy\nolddir FAR" },
  { name: "renamecopy", mode: "hold", options: "create\nrenamecopy\nolddir OLD" },
  { name: "shred", mode: "hold", options: "create\nrotate 1\nshred\nshredcycles 1" },
  { name: "maxsize", mode: "hold", options: "create\nmaxsize 100" },
  { name: "late", mode: "keep", options: "create" },
  { name: "copy", mode: "keep", options: "copy" },
  { name: "copytruncate", mode: "keep", options: "copytruncate", cuts: true },
  {
    name: "copytruncate-date",
    mode: "keep",
    options: "copytruncate\ndateext\ndateformat -%s",
    cuts: true,
  },
  { name: "copytruncate-old", mode: "keep", options: "copytruncate\nolddir OLD", cuts: true },
  { name: "copytruncate-gz-now", mode: "keep", options: "copytruncate\ncompress", cuts: true },
  {
    name: "copytruncate-gz",
    mode: "keep",
    options: "copytruncate\ncompress\ndelaycompress",
    cuts: true,
  },
];

function configure(rig: Rig, far: string, writer: ChildProcess): string {
  const old = join(rig.logs, "old");
  const sections = ways.map(({ name, options }) => {
    const given = options.replace("OLD", old).replace("FAR", far);
    return `${join(rig.logs, name)}.log {\nsize 1\nrotate 99\n${given}\n}\n`;
  });
  const shared = ["shared-a", "shared-b"].map((name) => `${join(rig.logs, name)}.log`).join(" ");
  sections.push(`${shared} {\nrotate 99\ncreate\nsharedscripts\n${hangUp(writer)}\n}\n`);
  const path = join(rig.dir, "logrotate.conf");
  const perLog = sections.map((text, at) =>
    at < ways.length && ways[at]?.mode === "hold"
      ? text.replace(/\}\n$/, `${hangUp(writer)}\n}\n`)
      : text,
  );
  fs.writeFileSync(path, perLog.join("\n"), { mode: 0o600 });
  return path;
}

const hangUp = ({ pid }: ChildProcess): string => `postrotate\nkill -HUP ${pid}\nendscript`;

async function write(rig: Rig): Promise<ChildProcess> {
  const script = new URL("log-writer.mjs", import.meta.url).pathname;
  const specs = [
    ...ways.map(({ name, mode }) => `${name}:${mode}`),
    "shared-a:hold",
    "shared-b:hold",
  ];
  const writer = spawn(process.execPath, [script, rig.logs, ...specs], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(writer.stdout, "data");
  await known(rig);
  return writer;
}

/** The agent has seen each log: what comes and goes unseen is nobody's. */
async function known(rig: Rig): Promise<void> {
  while ((await rig.status()).files.length < ways.length + 2) await pause(50);
}

/** The chain names each log: a killed agent forgets what is not sealed, and with it the log. */
async function sealed(rig: Rig): Promise<void> {
  let { files, head } = await rig.status();
  while (files.some(({ size, offset }) => size > 0 && offset === 0)) {
    await pause(50);
    ({ files, head } = await rig.status());
  }
  // Several blocks may be under way.
  const { block } = head;
  while (head.block < block + 5) {
    await pause(50);
    ({ head } = await rig.status());
  }
}

async function stop(writer: ChildProcess): Promise<Record<string, number>> {
  let text = "";
  writer.stdout?.on("data", (piece: Buffer) => {
    text += piece.toString();
  });
  const ended = once(writer, "close");
  writer.kill("SIGTERM");
  await ended;
  return JSON.parse(text);
}

/** Numbers of the lines that a log got, in order, whole lines only. */
function numbersIn(name: string, text: string): number[] {
  return [...text.matchAll(new RegExp(`^(?:\\0*)${name} (\\d+)\\n`, "gm"))].map(([, n]) =>
    Number(n),
  );
}

function sealedOf({ bytes }: Sealed, name: string): number[] {
  const own = [...bytes].filter(([key]) => key.startsWith(`${name}.`));
  return own.flatMap(([, parts]) => numbersIn(name, Buffer.concat(parts).toString("latin1")));
}

/** Numbers in all files that logrotate left. */
function onDisk(rig: Rig, name: string): Set<number> {
  const found = new Set<number>();
  for (const dir of [rig.logs, join(rig.logs, "old")]) {
    for (const file of fs.readdirSync(dir).filter((each) => each.startsWith(`${name}.`))) {
      const raw = fs.readFileSync(join(dir, file));
      const text = file.endsWith(".gz") ? gunzipSync(raw) : raw;
      for (const n of numbersIn(name, text.toString("latin1"))) found.add(n);
    }
  }
  return found;
}

/** "3-5 9": short enough to read. */
function ranges(numbers: readonly number[]): string {
  const starts = numbers.filter((n, at) => numbers[at - 1] !== n - 1);
  const ends = numbers.filter((n, at) => numbers[at + 1] !== n + 1);
  return starts.map((start, at) => `${start}-${ends[at]}`).join(" ");
}

/** Where the sealing of a source ended, if a gap says that more was there. */
function gapStarts({ bytes, gaps }: Sealed, name: string): number[] {
  const sources = new Set(gaps.map(({ source }) => source));
  return [...bytes]
    .filter(([key]) => key.startsWith(`${name}.`) && sources.has(key))
    .map(([, parts]) => numbersIn(name, Buffer.concat(parts).toString("latin1")))
    .map((numbers) => Math.max(-1, ...numbers) + 1);
}

const gapsOf = ({ gaps }: Sealed, name: string): number =>
  gaps.filter(({ source }) => source.startsWith(`${name}.`)).length;

/** The line behind the last one before `n` that was sealed. */
const endBefore = (sealed: readonly number[], n: number): number =>
  Math.max(-1, ...sealed.filter((each) => each < n)) + 1;

function judge(rig: Rig, sealed: Sealed, { name, cuts }: Way, count: number): void {
  const numbers = sealedOf(sealed, name);
  const seen = new Set(numbers);
  const twice = numbers.filter((n, at) => numbers.indexOf(n) !== at);
  assert.equal(ranges(twice), "", "sealed twice");
  assert.ok(count > 300);
  const kept = cuts === true ? onDisk(rig, name) : undefined;
  const missing = Array.from({ length: count }, (_, n) => n).filter(
    (n) => !seen.has(n) && (kept === undefined || kept.has(n)),
  );
  const starts = gapStarts(sealed, name);
  const ends = new Set(missing.map((n) => endBefore(numbers, n)));
  const unsaid = [...ends].filter((end) => !starts.includes(end));
  // Each gap of a source of which nothing was read may be one of them.
  const said = `${ranges(missing)} missing, gaps from ${starts}`;
  assert.ok(unsaid.length <= gapsOf(sealed, name) - starts.length, said);
}

async function rotations(rig: Rig, config: string, times: number): Promise<void> {
  const state = join(rig.dir, "logrotate.state");
  for (let turn = 0; turn < times; turn += 1) {
    await pause(1_150);
    execFileSync("logrotate", ["-f", "-s", state, config], { stdio: ["ignore", "ignore", "pipe"] });
  }
}

async function judgeAll(
  t: TestContext,
  rig: Rig,
  counts: Record<string, number>,
  lossy: readonly string[],
): Promise<void> {
  await rig.caughtUp();
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  const sealed = await rig.verify();
  const bad = sealed.findings.filter(({ code }) => findingClasses[code] !== "finding");
  assert.deepEqual(bad, []);
  const shared = ["shared-a", "shared-b"].map((name): Way => ({ name, mode: "hold", options: "" }));
  for (const way of [...ways, ...shared]) {
    await t.test(way.name, () => judge(rig, sealed, way, counts[way.name] ?? 0));
  }
  await t.test("gaps are declared only where something was lost", () => {
    for (const { name } of [...ways, ...shared].filter((way) => !lossy.includes(way.name))) {
      const count = counts[name] ?? 0;
      const found = new Set(sealedOf(sealed, name));
      const starts = gapStarts(sealed, name);
      const unfounded = starts.filter((start) => found.has(start) || start >= count);
      assert.deepEqual(unfounded, [], `${name}: lines behind a gap`);
      const unread = gapsOf(sealed, name) - starts.length;
      assert.ok(unread === 0 || found.size < count, `${name}: ${unread} gaps of unread sources`);
    }
  });
}

async function life(run: (rig: Rig, far: string) => Promise<void>): Promise<void> {
  await using rig = await Rig.make();
  fs.mkdirSync(join(rig.logs, "old"));
  const far = fs.mkdtempSync("/dev/shm/sealtail-logrotate-");
  try {
    await rig.startVault();
    await rig.startAgent();
    await run(rig, far);
  } finally {
    fs.rmSync(far, { recursive: true });
  }
}

test("logrotate in each of its ways loses and doubles nothing under an agent", { skip }, (t) =>
  life(async (rig, far) => {
    const writer = await write(rig);
    await rotations(rig, configure(rig, far, writer), 5);
    await pause(300);
    // What shred writes over a file before deleting it was seen, and is lost.
    await judgeAll(t, rig, await stop(writer), ["shred"]);
  }),
);

test("what logrotate does while the agent is down is made good, or stated", { skip }, (t) =>
  life(async (rig, far) => {
    const writer = await write(rig);
    const config = configure(rig, far, writer);
    for (let turn = 0; turn < 2; turn += 1) {
      await sealed(rig);
      await rig.stop(rig.agent, turn === 0 ? "SIGKILL" : "SIGTERM");
      await rotations(rig, config, 1);
      await rig.startAgent();
      await known(rig);
    }
    await rotations(rig, config, 1);
    await pause(300);
    // These leave nothing of the old file, or of the one before, where anybody could find it.
    const compressed = ["compress", "delaycompress"];
    const gone = [
      "rotate0",
      "rotate1",
      "renamecopy",
      "olddir-far",
      "shred",
      ...compressed,
      "copytruncate-gz-now",
    ];
    await judgeAll(t, rig, await stop(writer), [...gone, "copytruncate-gz"]);
  }),
);
