import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import { blockHash } from "../../src/core/header.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { seededNumbers } from "../fakes/random.ts";
import {
  addLines,
  begin,
  newWorld,
  reopen,
  sourceIdFor,
  sourceRecord,
  verifyWal,
  type World,
} from "./harness.ts";

const app = sourceRecord("app.log");
const appId = hex(sourceIdFor(app));

/** A power cut at the n-th file call from now on: it and all later ones fail. */
function cutPowerAt(world: World, n: number): { cut: boolean } {
  const state = { cut: false };
  let left = n;
  world.files.hook = () => {
    left -= 1;
    if (left > 0) return;
    state.cut = true;
    throw Object.assign(new Error("power cut"), { code: "EIO" });
  };
  return state;
}

const lineOf = (n: number): string => `line ${n} ${"y".repeat(n % 50)}\n`;

/** Writes until the power is cut; returns what had been handed over by then. */
async function writeUntilCut(
  chain: { sealer: Parameters<typeof addLines>[0] },
  random: () => number,
): Promise<void> {
  for (let i = 0; i < 60; i++) {
    const at = chain.sealer.positionOf(appId);
    if (at === undefined) await chain.sealer.addRecords([app]);
    else await addLines(chain.sealer, app, at, lineOf(i));
    if (random() < 0.3) await chain.sealer.flush();
  }
  await chain.sealer.flush();
}

for (let seed = 1; seed <= 15; seed++) {
  test(`power cuts at random file calls keep the chain whole, seed ${seed}`, async () => {
    const world = newWorld();
    const random = seededNumbers(seed);
    const first = await begin(world);
    let chain: { sealer: typeof first.sealer; wal: typeof first.wal } = first;
    for (let life = 0; life < 4; life++) {
      const state = cutPowerAt(world, 5 + Math.floor(random() * 150));
      await writeUntilCut(chain, random).catch((error) => {
        if (!state.cut) throw error;
      });
      world.files.hook = undefined;
      world.files.crash(Math.floor(random() * 1e6));
      const next = await reopen(world);
      assert.ok(typeof next === "object", `chain is ${next}, life ${life}`);
      await next.sealer.flush();
      await assertHandedOverIsKept(world, next.wal);
      const { findings } = await verifyWal(world, next.wal);
      const bad = findings.filter(({ class: kind }) => kind !== "finding");
      assert.deepEqual(bad, []);
      chain = next;
    }
  });
}

async function assertHandedOverIsKept(
  world: World,
  wal: Parameters<typeof verifyWal>[1],
): Promise<void> {
  const hashes = new Map<number, string>();
  for await (const { index, bytes } of wal.scan()) {
    hashes.set(index, hex(blockHash(nativeSuite, bytes)));
  }
  for (const { header, hash } of world.sealed) {
    assert.equal(hashes.get(header.blockNo), hex(hash), `block ${header.blockNo} was handed over`);
  }
}

test("blocks deleted behind the key's back end the chain", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world);
  await sealer.addRecords([app]);
  await sealer.flush();
  const before = world.files.bytes("/state/wal/0000000000000000.wal").slice();
  await addLines(sealer, app, 0, "gone\n");
  await sealer.flush();
  await wal.close();
  world.files.put("/state/wal/0000000000000000.wal", before);
  assert.equal(await reopen(world), "lost");
});

test("an old copy of the whole state signs nothing that the new one signed before", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world);
  await sealer.addRecords([app]);
  await sealer.flush();
  const keys = world.files.bytes("/state/keys").slice();
  await addLines(sealer, app, 0, "later\n");
  await sealer.flush();
  await wal.close();
  // The key file alone is put back: it is stepped forward to where the blocks are.
  world.files.put("/state/keys", keys);
  const again = await reopen(world);
  assert.ok(typeof again === "object");
});
