// The vault's store or its indexes lose a part, or a part is cut short, garbled or an old one: the
// designed outcome of each. What the vault cannot make good it says, and agents ship again what
// they still have.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { FakeFiles } from "../fakes/files.ts";
import { SeededRandom } from "../fakes/random.ts";
import { chainOf, gist, Rig, receiptOf } from "./rig.ts";

const limits = { objects: { bytes: 9000, ageMicros: 1e15 } };
const stored = 8;

interface Played {
  readonly rig: Rig;
  readonly files: FakeFiles;
  readonly chain: ChainBuilder;
  /** The chain's folder. */
  readonly dir: string;
  /** What the vault noted of it in its state directory. */
  readonly own: string;
  /** Its `.blocks` objects, oldest first: three, the newest of which grows. */
  readonly objects: readonly string[];
  /** What its folder held when five blocks were stored. */
  readonly yesterday: ReadonlyMap<string, Uint8Array>;
}

async function contentOf(files: FakeFiles, dir: string): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const { name, kind } of (await files.list(dir)) ?? []) {
    const path = `${dir}/${String(name)}`;
    if (kind === "file") found.set(path, files.bytes(path));
  }
  return found;
}

/** Eight blocks in three objects, receipted; the vault is down. */
async function play(label: string): Promise<Played> {
  const files = new FakeFiles();
  const chain = chainOf(label, { codec: "raw" });
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  while (chain.length < stored) {
    chain.seal([lines(id, `${chain.length} ${"x".repeat(2900)}\n`)]);
  }
  const rig = await Rig.start({ files, limits });
  const dir = `${rig.store}/chains/${chain.name}`;
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(0, 5))), "200");
  const yesterday = await contentOf(files, dir);
  assert.equal(receiptOf(await rig.post(chain, chain.blocks.slice(5))).size, stored);
  await rig.vault.surveyed;
  await rig.close();
  const names = ((await files.list(dir)) ?? []).map(({ name }) => String(name));
  const objects = names.filter((name) => name.endsWith(".blocks")).map((name) => `${dir}/${name}`);
  assert.equal(objects.length, 3);
  return { rig, files, chain, dir, objects, yesterday, own: `/rig/state/chains/${chain.name}` };
}

interface Row {
  readonly name: string;
  readonly damage: (played: Played) => unknown;
  /** What the next block of the chain is answered; "200" unless told. */
  readonly answer?: string;
  /** What it is answered once the operator deleted what the vault noted of the chain itself. */
  readonly accepted?: string;
  /** Sent again from there on, all of it is taken. */
  readonly again?: number;
}

const change = (played: Played, path: string, how: (bytes: Uint8Array) => Uint8Array): void =>
  played.files.put(path, how(played.files.bytes(path)));
const flipAt = (bytes: Uint8Array, at: number): Uint8Array => {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
};
const object = (played: Played, n: number): string => played.objects.at(n) as string;
const garbage = new SeededRandom(5).bytes(300);
const index = "/rig/state/chains.ndjson";

const rows: Row[] = [
  { name: "nothing", damage: () => undefined },
  { name: "the index deleted", damage: ({ files }) => files.unlink(index) },
  { name: "the index garbled", damage: ({ files }) => files.put(index, garbage) },
  { name: "the index cut short", damage: (p) => change(p, index, (all) => all.subarray(0, 40)) },
  {
    name: "the index of another store",
    damage: ({ files }) =>
      files.put(index, `${JSON.stringify({ chain: "ab".repeat(32), subject: "x", use: "y" })}\n`),
  },
  {
    name: "the index of findings garbled",
    damage: ({ files }) => files.put("/rig/state/findings.ndjson", garbage),
  },
  { name: "the kept receipt deleted", damage: ({ files, dir }) => files.unlink(`${dir}/receipt`) },
  {
    name: "the kept receipt garbled",
    damage: ({ files, dir }) => files.put(`${dir}/receipt`, garbage),
  },
  {
    name: "the kept receipt cut short",
    damage: (p) => change(p, `${p.dir}/receipt`, (all) => all.subarray(0, 50)),
  },
  {
    name: "junk behind the newest object",
    damage: (p) => p.files.append(object(p, -1), "junk"),
  },
  {
    name: "the newest object cut short",
    damage: (p) => change(p, object(p, -1), (all) => all.subarray(0, all.length - 10)),
    answer: "503 chain-damaged",
  },
  {
    name: "the newest object cut short, and no receipt that says so",
    damage: async (p) => {
      await p.files.unlink(`${p.dir}/receipt`);
      change(p, object(p, -1), (all) => all.subarray(0, all.length - 10));
    },
    answer: "503 chain-damaged",
    accepted: "409 wrong-head",
    again: 7,
  },
  {
    name: "the newest object deleted",
    damage: (p) => p.files.unlink(object(p, -1)),
    answer: "503 chain-damaged",
  },
  {
    name: "a middle object deleted",
    damage: (p) => p.files.unlink(object(p, 1)),
    answer: "503 chain-damaged",
  },
  {
    name: "the oldest object deleted",
    damage: (p) => p.files.unlink(object(p, 0)),
    answer: "503 chain-damaged",
  },
  {
    name: "a middle object cut short",
    damage: (p) => change(p, object(p, 1), (all) => all.subarray(0, 100)),
    answer: "503 chain-damaged",
  },
  {
    name: "a bit of a middle payload flipped",
    damage: (p) => change(p, object(p, 1), (all) => flipAt(all, 1000)),
    answer: "503 chain-damaged",
  },
  {
    name: "a bit of a head flipped",
    damage: (p) => change(p, object(p, -1), (all) => flipAt(all, 150)),
    answer: "503 chain-damaged",
  },
  {
    name: "the grant deleted",
    damage: ({ files, dir }) => files.unlink(`${dir}/grant`),
    answer: "503 chain-damaged",
  },
  {
    name: "the grant garbled",
    damage: ({ files, dir }) => files.put(`${dir}/grant`, garbage),
    answer: "503 chain-damaged",
  },
  {
    name: "the store of yesterday",
    damage: async ({ files, dir, yesterday }) => {
      for (const path of (await contentOf(files, dir)).keys()) await files.unlink(path);
      for (const [path, bytes] of yesterday) files.put(path, bytes);
    },
    answer: "503 chain-damaged",
    accepted: "409 wrong-head",
    again: 5,
  },
  {
    name: "the whole chain deleted",
    damage: async (p) => {
      for (const path of (await contentOf(p.files, p.dir)).keys()) await p.files.unlink(path);
    },
    answer: "503 chain-damaged",
    accepted: "404 unknown-chain",
    again: 0,
  },
  {
    name: "the kept receipt of yesterday",
    damage: ({ files, dir, yesterday }) =>
      files.put(`${dir}/receipt`, yesterday.get(`${dir}/receipt`) as Uint8Array),
  },
  { name: "no notes of its own", damage: ({ files, own }) => forgetOwn(files, own) },
  { name: "its note garbled", damage: ({ files, own }) => files.put(`${own}/checked`, garbage) },
  {
    name: "its note cut short",
    damage: (p) => change(p, `${p.own}/checked`, (all) => all.subarray(0, 500)),
  },
  {
    name: "its own receipt garbled",
    damage: ({ files, own }) => files.put(`${own}/receipt`, garbage),
  },
];

async function forgetOwn(files: FakeFiles, own: string): Promise<void> {
  for (const path of (await contentOf(files, own)).keys()) await files.unlink(path);
}

for (const row of rows) {
  test(`a vault that starts with ${row.name} answers ${row.answer ?? "200"}`, async () => {
    const played = await play(row.name.replaceAll(" ", "-"));
    await using rig = played.rig;
    const { chain } = played;
    const other = chainOf("beside");
    other.begin();
    await row.damage(played);
    await rig.open();
    await rig.vault.surveyed;
    const next = chain.seal([say({ type: "heartbeat", sources: [] })]);
    assert.equal(gist(await rig.post(chain, [next])), row.answer ?? "200");
    if (row.accepted !== undefined) {
      await forgetOwn(played.files, played.own);
      assert.equal(gist(await rig.post(chain, [next])), row.accepted);
    }
    if (row.again !== undefined) {
      const answer = await rig.post(chain, chain.blocks.slice(row.again));
      assert.equal(gist(answer), "200");
      assert.equal(receiptOf(answer).size, chain.length);
    }
    // Others do not suffer.
    assert.equal(gist(await rig.post(other)), "200");
  });
}
