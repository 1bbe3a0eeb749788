// Somebody edits the vault's store in the very moment in which the vault writes to it, or such that
// neither size nor times tell: nothing is signed over it but what is already on its way.

import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import { systemClock } from "../../src/host/clock.ts";
import { type FileInfo, type Files, type OpenFile, systemFiles } from "../../src/host/files.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { chainOf, gist, Rig } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });
const minute = 61_000_000;

/** The machine's files, with somebody who waits for the vault's own calls. */
class Watched {
  /** Done once, before or after the first such call on an object of blocks. */
  strike: { readonly when: string; readonly how: (path: string) => void } | undefined;
  /** Times that the kernel goes on giving: these change within one tick of its clock. */
  readonly frozen: Map<string, Pick<FileInfo, "mtimeNs" | "ctimeNs">> = new Map();
  /** A file system that gives times in whole seconds: a tick that no busy machine misses. */
  coarse = false;
  /** Of objects of blocks. */
  reads = 0;
  readonly files: Files = {
    ...systemFiles,
    open: async (path, mode, bits) =>
      this.#opened(String(path), await systemFiles.open(path, mode, bits)),
    chmod: (path, perm) => this.#call("chmod", String(path), () => systemFiles.chmod(path, perm)),
    glance: async (paths) => {
      const found = await systemFiles.glance(paths);
      return found.map((info, at) => info && this.#seen(String(paths[at]), info));
    },
  };

  #seen(path: string, info: FileInfo): FileInfo {
    const seen = { ...info, ...this.frozen.get(path) };
    const whole = (ns: bigint): bigint => (this.coarse ? ns - (ns % 1_000_000_000n) : ns);
    return { ...seen, mtimeNs: whole(seen.mtimeNs), ctimeNs: whole(seen.ctimeNs) };
  }

  #opened(path: string, file: OpenFile): OpenFile {
    const call =
      <A extends unknown[], T>(name: string, work: (...args: A) => Promise<T>) =>
      (...args: A): Promise<T> =>
        this.#call(name, path, () => work.apply(file, args));
    return {
      read: call("read", file.read),
      write: call("write", file.write),
      writev: call("writev", file.writev),
      truncate: call("truncate", file.truncate),
      datasync: call("datasync", file.datasync),
      sync: call("sync", file.sync),
      stat: call("stat", async () => this.#seen(path, await file.stat())),
      close: call("close", file.close),
    };
  }

  async #call<T>(name: string, path: string, work: () => Promise<T>): Promise<T> {
    if (!path.endsWith(".blocks")) return await work();
    this.#strike(`before ${name}`, path);
    if (name === "read") this.reads += 1;
    const done = await work();
    this.#strike(`after ${name}`, path);
    return done;
  }

  #strike(when: string, path: string): void {
    if (this.strike?.when !== when) return;
    const { how } = this.strike;
    this.strike = undefined;
    how(path);
  }

  /** Edits an object such that its size and times go on as they were. */
  async editUnseen(path: string, at: number): Promise<void> {
    const { mtimeNs, ctimeNs } = (await systemFiles.stat(path)) as FileInfo;
    if (!this.frozen.has(path)) this.frozen.set(path, { mtimeNs, ctimeNs });
    flip(path, at);
  }
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  const place = at < 0 ? bytes.length + at : at;
  bytes[place] = (bytes[place] ?? 0) ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
}

interface Place extends AsyncDisposable {
  readonly rig: Rig;
  readonly chain: ChainBuilder;
  readonly watched: Watched;
  readonly objects: () => string[];
  /** Lets the vault's clock go on. */
  readonly later: (micros: number) => void;
  readonly next: () => Promise<string>;
}

async function play(objectBytes = 1e9, coarse = false): Promise<Place> {
  const watched = new Watched();
  watched.coarse = coarse;
  let skipped = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + skipped };
  const dir = mkdtempSync(join(tmpdir(), "vault-test-"));
  const limits = { objects: { bytes: objectBytes, ageMicros: 1e15 } };
  const rig = await Rig.start({ files: watched.files, clock, dir, limits });
  const chain = chainOf("struck");
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  for (let n = 0; n < 5; n++) chain.seal([lines(id, `line ${n} ${"x".repeat(400)}\n`)]);
  assert.equal(gist(await rig.post(chain)), "200");
  await rig.vault.surveyed;
  const folder = join(rig.store, "chains", chain.name);
  const isBlocks = (name: string): boolean => name.endsWith(".blocks");
  return {
    ...{ rig, chain, watched },
    objects: () =>
      readdirSync(folder)
        .filter(isBlocks)
        .sort()
        .map((name) => join(folder, name)),
    later: (micros) => {
      skipped += micros;
    },
    next: async () => gist(await rig.post(chain, [chain.seal([heartbeat])])),
    [Symbol.asyncDispose]: async () => {
      await rig.close();
      rmSync(dir, { recursive: true });
    },
  };
}

async function assertDamaged({ rig, chain, next }: Place): Promise<void> {
  for (const reopened of [false, true]) {
    if (reopened) await rig.restart();
    assert.equal(gist(await rig.post(chain, chain.blocks.slice(0, 1))), "503 chain-damaged");
    assert.equal(await next(), "503 chain-damaged");
    const proof = await rig.direct(`/v1/chains/${chain.name}/lines/1/proof`);
    assert.equal(gist(proof), "503 chain-damaged");
  }
}

for (const when of ["before writev", "after writev", "before datasync", "after datasync"]) {
  for (const [what, at] of [
    ["older bytes", headLength + 3],
    ["the head of the first block", 150],
  ] as const) {
    test(`${what} of an object, edited ${when} of the vault's own: no receipt`, async () => {
      await using place = await play();
      const { watched, next } = place;
      watched.strike = { when, how: (path) => flip(path, at) };
      assert.equal(await next(), "503 store-unavailable");
      assert.equal(watched.strike, undefined);
      await assertDamaged(place);
    });
  }
}

for (const when of ["after writev", "before datasync", "after datasync"]) {
  test(`the newest bytes of an object, edited ${when} of the vault's own: no receipt`, async () => {
    await using place = await play();
    const { rig, chain, watched, next } = place;
    watched.strike = { when, how: (path) => flip(path, -3) };
    assert.equal(await next(), "503 store-unavailable");
    // Nobody holds a receipt for them: they are cut off and written anew.
    assert.equal(gist(await rig.post(chain, chain.blocks.slice(-1))), "200");
  });
}

test("bytes behind those that the vault writes, put there in the same moment: no receipt", async () => {
  await using place = await play();
  place.watched.strike = { when: "after datasync", how: (path) => appendFileSync(path, "more") };
  assert.equal(await place.next(), "503 store-unavailable");
});

for (const [what, which] of [
  ["it", -1],
  ["another one", 0],
] as const) {
  for (const when of ["before chmod", "after chmod"]) {
    test(`while an object is made complete, ${what} is edited ${when}: no more receipts`, async () => {
      await using place = await play(3000);
      const { watched, objects, next } = place;
      assert.ok(objects().length > 1);
      watched.strike = {
        when,
        how: () => flip(objects().at(which) as string, headLength + 3),
      };
      // The block that makes it complete may have its receipt by then.
      while (watched.strike !== undefined) await next();
      await systemClock.sleep(30);
      await next();
      await assertDamaged(place);
    });
  }
}

test("an edit in the same tick of the clock as the vault's write is found by the next write", async () => {
  await using place = await play();
  const { watched, objects, next } = place;
  await watched.editUnseen(objects()[0] as string, headLength + 3);
  assert.equal(await next(), "503 store-unavailable");
  await assertDamaged(place);
});

test("an edit in the same tick of the clock as the vault's write is found within a minute", async () => {
  await using place = await play(1e9, true);
  const { rig, chain, watched, objects, later } = place;
  await watched.editUnseen(objects()[0] as string, headLength + 3);
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(0, 1))), "200");
  later(minute);
  await assertDamaged(place);
});

test("an edit in the same tick of the clock as the vault's last write is found by the next start", async () => {
  await using place = await play();
  const { rig, watched, objects } = place;
  await rig.close();
  await watched.editUnseen(objects()[0] as string, headLength + 3);
  await rig.open();
  await assertDamaged(place);
});

test("what was read when nobody could edit it unseen any more is not read again", async () => {
  await using place = await play();
  const { rig, chain, watched, later, next } = place;
  await systemClock.sleep(30);
  const look = async (): Promise<number> => {
    const before = watched.reads;
    later(minute);
    assert.equal(gist(await rig.post(chain, chain.blocks.slice(0, 1))), "200");
    return watched.reads - before;
  };
  const [first, second, third] = [await look(), await look(), await look()];
  // A slow machine wrote them long enough before it first read them.
  assert.ok([0, 1].includes(first - second), `${first} reads, then ${second}`);
  assert.equal(second, third);
  assert.equal(await next(), "200");
});

test("damage that a reader found is known after a restart, though size and times are as they were", async () => {
  await using place = await play();
  const { rig, chain, watched, objects, later } = place;
  await systemClock.sleep(30);
  later(minute);
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(0, 1))), "200");
  await rig.restart();
  await watched.editUnseen(objects()[0] as string, headLength + 3);
  const read = await rig.direct(`/v1/chains/${chain.name}/lines`);
  assert.equal(gist(read), "503 chain-damaged");
  await assertDamaged(place);
});

test("a head that was edited unseen makes no fork of the block that its agent sends again", async () => {
  await using place = await play();
  const { rig, chain, watched, objects } = place;
  await systemClock.sleep(30);
  for (const at of [150, 250]) await watched.editUnseen(objects()[0] as string, at);
  for (const blocks of [chain.blocks.slice(0, 1), chain.blocks.slice(1, 2)]) {
    assert.equal(gist(await rig.post(chain, blocks)), "503 chain-damaged");
  }
  assert.equal(await rig.metric("sealtail_vault_chain_forks_total"), 0);
});
