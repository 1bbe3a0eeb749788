// Each receipt is kept twice: in the vault's own directory, which binds it, and in the store. Where
// one can't be written, the other one is; and where that lasts, no further receipt is given.

import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { systemClock } from "../../src/host/clock.ts";
import { chainPath } from "../../src/store/layout.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { say } from "../fakes/chain-items.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { chainOf, gist, Rig, receiptOf } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });
const folderIn = (rig: Rig, place: "store" | "state", { name }: ChainBuilder): string =>
  join(rig.dir, place, "chains", name);

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await holds()) return;
    await systemClock.sleep(25);
  }
  assert.fail("it did not come about");
}

async function next(rig: Rig, chain: ChainBuilder): Promise<string> {
  chain.seal([heartbeat]);
  return gist(await rig.post(chain, chain.blocks.slice(-2)));
}

const coveredBy = (path: string): number =>
  existsSync(path) ? Number(readFileSync(path, "utf8").split("\n")[1]) : 0;

describe("a folder in the place of a chain's receipt", () => {
  async function played(): Promise<{
    rig: Rig;
    chain: ChainBuilder;
    kept: Buffer;
    blocks: Buffer;
  }> {
    const rig = await Rig.start();
    const chain = chainOf("folder");
    chain.begin();
    assert.equal(gist(await rig.post(chain)), "200");
    const stored = folderIn(rig, "store", chain);
    const kept = readFileSync(join(stored, "receipt"));
    const blocks = readFileSync(join(stored, "0000000000000000.blocks"));
    rmSync(join(stored, "receipt"));
    mkdirSync(join(stored, "receipt"));
    assert.equal(await next(rig, chain), "200");
    await until(() => coveredBy(join(folderIn(rig, "state", chain), "receipt")) === 2);
    return { rig, chain, kept, blocks };
  }

  test("is damage, and hinders until it goes", async () => {
    const { rig, chain } = await played();
    await using _ = rig;
    await until(async () => (await next(rig, chain)) === "503 chain-damaged");
    const readyz = async (): Promise<string> =>
      (await fetch(`${rig.vault.operationsUrl}/readyz`)).text();
    await until(async () => /a stored object is no file/.test(await readyz()));
    rmSync(join(folderIn(rig, "store", chain), "receipt"), { recursive: true });
    chain.seal([heartbeat]);
    assert.equal(gist(await rig.post(chain)), "200");
    await until(() => coveredBy(join(folderIn(rig, "store", chain), "receipt")) >= 3);
  });

  test("makes the vault forget nothing: killed, it is bound by what it gave", async () => {
    const { rig, chain, kept, blocks } = await played();
    await using _ = rig;
    const copy = `${rig.dir}/copy`;
    for (const place of ["store", "state"])
      cpSync(join(rig.dir, place), join(copy, place), {
        recursive: true,
        filter: (path) => !path.includes("lock"),
      });
    const stored = join(copy, "store", "chains", chain.name);
    rmSync(join(stored, "receipt"), { recursive: true });
    writeFileSync(join(stored, "receipt"), kept);
    writeFileSync(join(stored, "0000000000000000.blocks"), blocks);
    const after = await Rig.start({ dir: copy });
    const twin = chain.blocks[1];
    assert.equal(
      gist(await after.post(chain, twin === undefined ? [] : [twin])),
      "503 chain-damaged",
    );
    await after.close();
  });

  test("is damage after a start, too, and hinders until it goes", async () => {
    const { rig, chain } = await played();
    await using _ = rig;
    await rig.restart();
    assert.equal(await next(rig, chain), "503 chain-damaged");
    assert.equal(await next(rig, chain), "503 chain-damaged");
    rmSync(join(folderIn(rig, "store", chain), "receipt"), { recursive: true });
    assert.equal(gist(await rig.post(chain)), "200");
  });
});

for (const [place, other] of [
  ["store", "state"],
  ["state", "store"],
] as const) {
  for (const variant of ["failed", "persisted"] as const) {
    test(`a chain gets no receipt once none could be kept in the ${place} for a minute: ${variant}`, async () => {
      let skipped = 0;
      const clock = { ...systemClock, mono: () => systemClock.mono() + skipped };
      const disk = new FakeFiles();
      const files = new FaultyFiles(disk);
      await using rig = await Rig.start({ files, clock });
      const [chain, fine] = [chainOf("kept"), chainOf("fine")];
      for (const each of [chain, fine]) {
        each.begin();
        assert.equal(gist(await rig.post(each)), "200");
      }
      const path = `/${place}/${chainPath(chain.name)}/receipt`;
      files.arm({ call: "rename", nth: 1, times: 1e6, variant, path });
      assert.equal(await next(rig, chain), "200");
      const readyz = async (): Promise<string> =>
        await (await fetch(`${rig.vault.operationsUrl}/readyz`)).text();
      const elsewhere = `${rig.dir}/${other}/${chainPath(chain.name)}/receipt`;
      await until(async () => {
        const bytes =
          disk.node(elsewhere) === undefined ? new Uint8Array(0) : disk.bytes(elsewhere);
        return new TextDecoder().decode(bytes).split("\n")[1] === "2";
      });
      assert.doesNotMatch(await readyz(), /unkept/);
      skipped = 61e6;
      assert.equal(await next(rig, chain), "503 receipt-not-kept");
      assert.equal(await next(rig, fine), "200");
      assert.match(await readyz(), new RegExp(`"unkept":.*${chain.name}`));
      // Nothing was stored for it.
      files.disarm();
      const again = await rig.post(chain, chain.blocks.slice(1, 2));
      assert.equal(receiptOf(again).size, 2);
      assert.equal(gist(await rig.post(chain)), "200");
      assert.doesNotMatch(await readyz(), /unkept/);
    });
  }
}

for (const place of ["store", "state"] as const) {
  test(`a chain's first receipt that is not kept in the ${place} is not given, nor after a stop`, async () => {
    const disk = new FakeFiles();
    const files = new FaultyFiles(disk);
    await using rig = await Rig.start({ files });
    const chain = chainOf("first");
    chain.begin();
    const path = `/${place}/${chainPath(chain.name)}/receipt`;
    const fault = { call: "rename", nth: 1, times: 1e6, variant: "failed", path } as const;
    files.arm(fault);
    assert.match(gist(await rig.post(chain)), /^503/);
    await rig.close();
    await rig.open();
    if (place === "store") assert.match(gist(await rig.post(chain)), /^503/);
    files.disarm();
    assert.equal(gist(await rig.post(chain)), "200");
    await until(async () => (await disk.stat(`${rig.dir}${path}`)) !== undefined);
  });
}
