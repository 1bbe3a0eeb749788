// The state directory loses a part, or a part of it is cut short or garbled: the designed outcome
// of each. Every row is one whole life: receipted lines, lines that only the buffer holds, damage,
// and an agent that starts on what is left.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { worse } from "../fakes/findings.ts";
import { SeededRandom } from "../fakes/random.ts";
import { World } from "./world.ts";

interface Played {
  readonly world: World;
  readonly chain: string;
  /** All that was written to a.log. */
  readonly written: string;
  /** Names of the buffer's segments, oldest first: at least four. */
  readonly segments: readonly string[];
}

interface Row {
  readonly name: string;
  readonly damage: (played: Played) => unknown;
  /** Why the chain ended; undefined: it goes on. */
  readonly lost?: RegExp;
  /** What is said of it, beside that. */
  readonly says?: RegExp;
  /** Chains that the vault has in the end; one, or two where the first one ended. */
  readonly chains?: number;
  /** What was lost of a file that is still there is declared, and not read again. */
  readonly declared?: true;
  /** Where that gap begins; at the file's beginning unless told. */
  readonly from?: number;
  /** A part of the buffer is lost, and with it files that are not there any more. */
  readonly lessBuffer?: true;
  /** The vault can be asked for the chain. */
  readonly asks?: true;
  /** What was receipted is sealed a second time: too little was left to know better. */
  readonly twice?: true;
}

const random = new SeededRandom(7);
/** A line of about 100 kB that does not compress. */
const bulk = (): string => `${Buffer.from(random.bytes(75_000)).toString("base64")}\n`;

/** Each is written once, sealed while the vault is away, and deleted. */
const gone = ["early.log", "middle.log", "late.log"] as const;
const textOf = (name: string): string => `only the buffer has ${name}\n`;
const receipted = "receipted\n";

const offsetOf = (world: World, name: string): number | undefined =>
  world.agent?.session?.tail.status().find(({ path }) => path.endsWith(`/${name}`))?.offset;

async function play(asks = false): Promise<Played> {
  const world = await World.make({
    maxChains: 9,
    config: (config) => ({
      ...config,
      buffer: { max_bytes: 2 * 1024 * 1024 },
      drain: { deadline: 1000, final: false },
    }),
  });
  world.asks = asks;
  let written = "";
  const write = async (name: string, text: string): Promise<void> => {
    if (name === "a.log") written += text;
    world.files.append(`/logs/${name}`, text);
    const { size } = (await world.files.stat(`/logs/${name}`)) ?? { size: 0 };
    // Blocks of its own.
    await world.until(() => offsetOf(world, name) === size);
    await world.pass(3 * world.config.seal.max_age);
  };
  world.files.append("/logs/a.log", receipted);
  written = receipted;
  await world.start();
  await world.until(async () => (await world.verify()).bytes.get("/logs/a.log#0") === receipted);
  await world.caughtUp();
  world.vault.away = true;
  for (const name of gone) {
    await write(name, textOf(name));
    for (let i = 0; i < 3; i++) await write("a.log", bulk());
  }
  await world.stop();
  for (const name of gone) await world.files.unlink(`/logs/${name}`);
  const chain = `${world.dir}/chains/0000`;
  const listed = (await world.files.list(`${chain}/wal`)) ?? [];
  const segments = listed.map(({ name }) => `${chain}/wal/${String(name)}`);
  assert.ok(segments.length >= 4, `${segments.length} segments`);
  return { world, chain, written, segments };
}

const cut = (path: (played: Played) => string, size: number) => (played: Played) => {
  const bytes = played.world.files.bytes(path(played));
  played.world.files.put(path(played), bytes.subarray(0, size < 0 ? bytes.length + size : size));
};
const garble = (path: (played: Played) => string) => (played: Played) => {
  const { length } = played.world.files.bytes(path(played));
  played.world.files.put(path(played), new SeededRandom(9).bytes(length));
};
const drop = (path: (played: Played) => string) => (played: Played) =>
  played.world.files.unlink(path(played));
/** One byte in the middle is another one. */
const flip = (path: (played: Played) => string) => (played: Played) => {
  const bytes = played.world.files.bytes(path(played));
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  played.world.files.put(path(played), bytes);
};

const inChain = (name: string) => (played: Played) => `${played.chain}/${name}`;
const segment = (n: number) => (played: Played) => played.segments.at(n) as string;
/** Neither the oldest nor the newest. */
const middle = segment(1);

const damagedReceipt = /the kept receipt is damaged/;
const noFit = /no key slot fits/;
const deletedBlocks = /blocks that no receipt covers were deleted/;

const rows: readonly Row[] = [
  { name: "nothing", damage: () => undefined },
  {
    name: "the lock file garbled",
    damage: ({ world }) => writeFileSync(`${world.dir}/lock`, new SeededRandom(3).bytes(5000)),
  },
  {
    name: "the cache of last bytes deleted",
    damage: drop(({ world }) => `${world.dir}/frontiers`),
  },
  {
    name: "the cache of last bytes cut short",
    damage: cut(({ world }) => `${world.dir}/frontiers`, 10),
    says: /cache of last bytes is unreadable/,
  },
  {
    name: "the cache of last bytes garbled",
    damage: garble(({ world }) => `${world.dir}/frontiers`),
    says: /cache of last bytes is unreadable/,
  },
  {
    name: "a bit of the cache of last bytes flipped",
    damage: flip(({ world }) => `${world.dir}/frontiers`),
    says: /cache of last bytes is unreadable/,
  },
  { name: "the receipt deleted", damage: drop(inChain("receipt")) },
  { name: "the receipt empty", damage: cut(inChain("receipt"), 0), says: damagedReceipt },
  { name: "the receipt cut short", damage: cut(inChain("receipt"), -30), says: damagedReceipt },
  { name: "the receipt garbled", damage: garble(inChain("receipt")), says: damagedReceipt },
  { name: "a bit of the receipt flipped", damage: flip(inChain("receipt")), says: damagedReceipt },
  {
    name: "the receipt replaced by something large",
    damage: ({ world, chain }) => world.files.put(`${chain}/receipt`, new Uint8Array(100_000)),
    says: damagedReceipt,
  },
  { name: "the keys deleted", damage: drop(inChain("keys")), lost: noFit },
  { name: "the keys empty", damage: cut(inChain("keys"), 0), lost: noFit },
  { name: "the keys cut to half a slot", damage: cut(inChain("keys"), 40), lost: noFit },
  { name: "the keys cut to one slot", damage: cut(inChain("keys"), 4096), lost: noFit },
  { name: "the keys garbled", damage: garble(inChain("keys")), lost: noFit },
  { name: "the grant deleted", damage: drop(inChain("grant")), lost: /grant was deleted/ },
  { name: "the grant cut short", damage: cut(inChain("grant"), 100), lost: /grant is damaged/ },
  { name: "the grant garbled", damage: garble(inChain("grant")), lost: /grant is damaged/ },
  {
    name: "a grant that still parses and names another vault",
    damage: ({ world, chain }) => {
      const bytes = world.files.bytes(`${chain}/grant`);
      const at = Buffer.from(bytes).indexOf("\naudience ") + 10;
      bytes[at] = (bytes[at] as number) ^ 1;
      world.files.put(`${chain}/grant`, bytes);
    },
    lost: /grant is damaged/,
  },
  {
    name: "the oldest segment deleted",
    damage: drop(segment(0)),
    lost: deletedBlocks,
    declared: true,
    lessBuffer: true,
  },
  {
    name: "the oldest segment deleted, the vault asked",
    damage: drop(segment(0)),
    lost: deletedBlocks,
    ...{ asks: true, from: receipted.length },
    declared: true,
    lessBuffer: true,
  },
  {
    name: "receipt and oldest segment deleted, the vault asked",
    damage: async (played) => {
      await drop(inChain("receipt"))(played);
      await drop(segment(0))(played);
    },
    lost: /sink-rollback/,
    ...{ asks: true, from: receipted.length },
    declared: true,
    lessBuffer: true,
  },
  {
    name: "a middle segment deleted",
    damage: drop(middle),
    lost: noFit,
    lessBuffer: true,
    says: /buffer segment is damaged/,
  },
  { name: "the newest segment deleted", damage: drop(segment(-1)), lost: noFit },
  {
    name: "the oldest segment cut short",
    damage: cut(segment(0), -100),
    lost: noFit,
    lessBuffer: true,
  },
  { name: "a middle segment cut short", damage: cut(middle, -100), lost: noFit, lessBuffer: true },
  { name: "a middle segment empty", damage: cut(middle, 0), lost: noFit, lessBuffer: true },
  { name: "the newest segment cut short", damage: cut(segment(-1), -100), lost: noFit },
  {
    name: "a bit of the oldest segment flipped",
    damage: flip(segment(0)),
    lost: noFit,
    lessBuffer: true,
  },
  {
    name: "a bit of a middle segment flipped",
    damage: flip(middle),
    lost: noFit,
    lessBuffer: true,
  },
  {
    name: "a bit of the newest segment flipped",
    damage: flip(segment(-1)),
    lost: noFit,
  },
  {
    name: "the whole buffer deleted",
    damage: async ({ world, segments }) => {
      for (const path of segments) await world.files.unlink(path);
    },
    lost: /buffer was deleted/,
    lessBuffer: true,
    twice: true,
  },
  {
    name: "receipt and keys deleted",
    damage: async (played) => {
      await drop(inChain("receipt"))(played);
      await drop(inChain("keys"))(played);
    },
    lost: noFit,
  },
  {
    name: "another chain's receipt instead of its own, and no keys",
    damage: async (played) => {
      const { files, vault } = played.world;
      const id = new Uint8Array(32).fill(1);
      files.put(
        inChain("receipt")(played),
        vault.signer.receipt("01".repeat(32), 8, id, Date.now() * 1000),
      );
      await drop(inChain("keys"))(played);
    },
    lost: noFit,
    says: damagedReceipt,
  },
  {
    name: "the whole chain deleted",
    damage: ({ world }) => empty(world, `${world.dir}/chains`),
    chains: 2,
    lessBuffer: true,
    twice: true,
  },
];

/** Deletes all files below: a directory without any is none to the agent. */
async function empty(world: World, dir: string): Promise<void> {
  for (const { name, kind } of (await world.files.list(dir)) ?? []) {
    const path = `${dir}/${String(name)}`;
    if (kind === "dir") await empty(world, path);
    else await world.files.unlink(path);
  }
}

async function judge(row: Row, { world, chain, written }: Played): Promise<void> {
  const said = world.diag.lines.map(({ phrase }) => phrase).join("\n");
  assert.equal(world.vault.chains.size, row.chains ?? (row.lost === undefined ? 1 : 2), said);
  if (row.lost !== undefined) {
    assert.match(Buffer.from(world.files.bytes(`${chain}/replaced`)).toString(), row.lost);
  }
  if (row.says !== undefined) assert.match(said, row.says);
  for (const [height, hashes] of await world.heights()) assert.equal(hashes.size, 1, height);
  const { bytes, findings, gaps } = await world.verify();
  assert.deepEqual(worse(findings), []);
  const sealed = bytes.get("/logs/a.log#0") ?? "";
  const gap = gaps.find(({ key }) => key === "/logs/a.log#0");
  assert.equal(gap?.from, row.declared === true ? (row.from ?? 0) : undefined);
  // Sealed in order: what the vault had, then all that is neither there nor in the gap.
  const rest = gap?.to ?? (row.twice === true ? 0 : receipted.length);
  const want = receipted + written.slice(rest);
  assert.ok(sealed === want, `${sealed.length} bytes of ${written.length}, want ${want.length}`);
  const whole = gone.filter((name) => bytes.get(`/logs/${name}#0`) === textOf(name));
  if (row.lessBuffer === true) assert.ok(whole.length < gone.length, whole.join());
  else assert.deepEqual(whole, gone, said);
}

describe("an agent that starts with", () => {
  for (const row of rows) {
    test(row.name, async () => {
      const played = await play(row.asks);
      await using world = played.world;
      await row.damage(played);
      world.vault.away = false;
      await world.start();
      const chains = row.chains ?? (row.lost === undefined ? 1 : 2);
      await world.until(() => world.vault.chains.size === chains);
      await world.caughtUp();
      await world.stop();
      await judge(row, played);
    });
  }
});

interface LaterRow {
  readonly name: string;
  /** Paths in `chains`, files or folders. */
  readonly gone: readonly string[];
  readonly chains: number;
  /** What the third chain seals again, as nobody knows any more that it was sealed. */
  readonly again: string;
}

const laterRows: readonly LaterRow[] = [
  { name: "nothing deleted", gone: [], chains: 2, again: "" },
  { name: "the old chain's folder deleted", gone: ["0000"], chains: 2, again: "" },
  {
    name: "the mark of the old chain's end deleted",
    gone: ["0000/replaced"],
    chains: 2,
    again: "",
  },
  { name: "the mark of the succession deleted", gone: ["0001/succeeded"], chains: 2, again: "" },
  { name: "both marks deleted", gone: ["0000/replaced", "0001/succeeded"], chains: 2, again: "" },
  { name: "the new chain's files deleted", gone: ["0001"], chains: 3, again: "one\ntwo\n" },
];

describe("after a succession, an agent that starts with", () => {
  for (const { name, gone: paths, chains, again } of laterRows) {
    test(name, async () => {
      await using world = await World.make({ maxChains: 9 });
      world.files.append("/logs/a.log", "one\n");
      await world.live();
      await world.files.unlink(`${world.dir}/chains/0000/keys`);
      world.files.append("/logs/a.log", "two\n");
      await world.start();
      await world.until(() => world.vault.chains.size === 2);
      await world.caughtUp();
      await world.stop();
      for (const path of paths) await remove(world, `${world.dir}/chains/${path}`);
      world.files.append("/logs/a.log", "three\n");
      await world.start();
      await world.until(() => world.vault.chains.size === chains);
      await world.caughtUp();
      await world.stop();
      assert.equal(world.vault.chains.size, chains);
      for (const [height, hashes] of await world.heights()) assert.equal(hashes.size, 1, height);
      const { bytes, findings } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.equal(bytes.get("/logs/a.log#0"), `one\ntwo\n${again}three\n`);
    });
  }
});

async function remove(world: World, path: string): Promise<void> {
  if ((await world.files.stat(path))?.kind === "dir") await empty(world, path);
  else await world.files.unlink(path);
}
