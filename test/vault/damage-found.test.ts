// Who finds damage, and what is none: whatever the machine could not do is tried again.

import assert from "node:assert/strict";
import { appendFile, chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { concat } from "../../src/core/bytes.ts";
import { type Files, type OpenFile, systemFiles } from "../../src/host/files.ts";
import { blocksPath } from "../../src/store/layout.ts";
import { rescan, rescanEveryMs } from "../../src/vault/rescan.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { FakeFiles } from "../fakes/files.ts";
import { chainOf, gist, Rig, receiptOf, suite } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });

const rigs: Rig[] = [];
after(async () => {
  for (const rig of rigs) await rig.close();
});

async function play(label: string) {
  const files = new FakeFiles();
  const rig = await Rig.start({ files });
  rigs.push(rig);
  const chain = chainOf(label);
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  for (let n = 0; n < 6; n++) chain.seal([lines(id, `line ${n}\n`)]);
  assert.equal(gist(await rig.post(chain)), "200");
  await rig.vault.surveyed;
  const object = `${rig.store}/chains/${chain.name}/0000000000000000.blocks`;
  const flip = (): void => {
    const bytes = files.bytes(object);
    bytes[700] = (bytes[700] ?? 0) ^ 1;
    files.put(object, bytes);
  };
  const state = async (): Promise<unknown> => (await rig.json(`/v1/chains/${chain.name}`))["state"];
  return { files, rig, chain, object, flip, state };
}

test("an object that can't be read right now is no damage: it is tried again", async () => {
  const { files, rig, chain, object } = await play("io");
  await rig.close();
  files.put(`${rig.dir}/state/chains/${chain.name}/checked`, "gone");
  await rig.open();
  await rig.vault.surveyed;
  files.hook = (call, path) => {
    const fails = call === "read" && String(path) === object;
    if (fails) throw Object.assign(new Error("EIO"), { code: "EIO" });
  };
  const next = chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain, [next])), "503 store-unavailable");
  assert.equal(await rig.metric("sealtail_vault_damaged_chains"), 0);
  files.hook = undefined;
  assert.equal(gist(await rig.post(chain, [next])), "200");
});

test("memory that runs out while a chain is brought back is no damage: it is tried again", async (t) => {
  const { files, rig, chain } = await play("memory");
  await rig.close();
  files.put(`${rig.dir}/state/chains/${chain.name}/checked`, "gone");
  await rig.open();
  await rig.vault.surveyed;
  const next = chain.seal([heartbeat]);
  const short = t.mock.method(suite, "sha256", () => {
    throw new RangeError("Array buffer allocation failed");
  });
  const answer = await rig.post(chain, [next]);
  short.mock.restore();
  assert.equal(answer.status, 503);
  assert.equal(gist(answer), "503 store-unavailable");
  assert.equal(await rig.metric("sealtail_vault_damaged_chains"), 0);
  assert.equal(gist(await rig.post(chain, [next])), "200");
});

test("what a reader of lines finds makes the chain damaged for everybody", async () => {
  const { rig, chain, flip, state } = await play("reader");
  flip();
  const read = await rig.direct(`/v1/chains/${chain.name}/lines`);
  assert.equal(gist(read), "503 chain-damaged");
  assert.equal(gist(await rig.post(chain, [chain.seal([heartbeat])])), "503 chain-damaged");
  assert.equal(await state(), "damaged");
});

test("blocks that hang together and are not those that were stored are found by who reads lines to the end", async () => {
  let forged: Uint8Array | undefined;
  const files: Files = {
    ...systemFiles,
    // As a write to the device below the file system would: no size and no time tells.
    open: async (path, mode, bits) => {
      const file = await systemFiles.open(path, mode, bits);
      const bytes = forged;
      if (bytes === undefined || !String(path).endsWith(".blocks")) return file;
      const read: OpenFile["read"] = async (into, at, length, position) => {
        const part = bytes.subarray(position, position + length);
        into.set(part, at);
        return part.length;
      };
      return { read, stat: () => file.stat(), close: () => file.close() } as OpenFile;
    },
  };
  const dir = await mkdtemp(join(tmpdir(), "vault-test-"));
  await using rig = await Rig.start({ files, dir });
  const now = Date.now() / 1000;
  const [chain, other] = ["stored", "forged"].map((text) => {
    const chain = chainOf("below", {}, now);
    const { id, record } = chain.source("/var/log/app.log");
    chain.begin([say(record)]);
    for (let n = 0; n < 3; n++) chain.seal([lines(id, `${text} ${n}\n`)]);
    return chain;
  }) as [ChainBuilder, ChainBuilder];
  assert.equal(gist(await rig.post(chain)), "200");
  forged = concat(...other.blocks.map(({ bytes }) => bytes));
  const part = await rig.direct(`/v1/chains/${chain.name}/lines?limit=2`);
  assert.equal(gist(part), "200");
  // The answer is cut off.
  await assert.rejects(rig.direct(`/v1/chains/${chain.name}/lines`));
  assert.equal((await rig.json(`/v1/chains/${chain.name}`))["state"], "damaged");
  await rig.close();
  await rm(dir, { recursive: true });
});

test("what the background finds makes the chain damaged, and no receipt is signed any more", async () => {
  const { files, rig, chain, flip, state } = await play("background");
  await rig.close();
  files.put("/rig/state/findings.ndjson", "");
  flip();
  await rig.open();
  await rig.vault.surveyed;
  assert.equal(await state(), "damaged");
  assert.equal(await rig.metric("sealtail_vault_damaged_chains"), 1);
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(0, 1))), "503 chain-damaged");
});

test("every chain is looked at again once a minute, for a small share of the time", async () => {
  const slept: number[] = [];
  const receipted = { size: 1, receipted: 1 };
  const looked: string[] = [];
  const stop = new AbortController();
  let mono = 0;
  await rescan({
    catalog: {
      entries: () => ["a", "b", "c"].map((chain) => ({ chain, ...receipted })) as never,
      look: () => assert.fail("nothing is unread"),
    },
    intake: { confirm: () => assert.fail("nothing lacks a receipt") },
    heads: {
      receiptOf: () => assert.fail("nothing lacks a receipt"),
      rescan: async ({ chain }) => {
        looked.push(chain);
        mono += 2000;
        if (chain === "b") throw new Error("no descriptor is left");
      },
    },
    clock: {
      mono: () => mono,
      sleep: async (ms) => {
        slept.push(ms);
        if (slept.filter((each) => each === rescanEveryMs).length === 3) stop.abort();
      },
    },
    diag: { warn: () => undefined } as never,
    signal: stop.signal,
  });
  assert.deepEqual(looked, ["a", "b", "c", "a", "b", "c"]);
  assert.deepEqual(slept.slice(0, 4), [rescanEveryMs, 100, 100, 100]);
});

test("a block that a power cut left without its payload is no damage to whoever looks first", async () => {
  const { files, rig, chain, object, state } = await play("lost");
  await rig.close();
  const next = chain.seal([heartbeat]);
  // The file has its new size, and the last of its pages never came.
  files.append(object, concat(next.head, new Uint8Array(next.bytes.length - next.head.length)));
  await rig.open();
  await rig.vault.surveyed;
  assert.equal(await state(), "active");
  assert.equal(receiptOf(await rig.post(chain, [next])).size, chain.blocks.length);
  assert.equal(await rig.metric("sealtail_vault_damaged_chains"), 0);
  assert.equal(await rig.metric("sealtail_vault_chains_unwatched"), 0);
});

test("a torn object that was put back read-only is named, and cut once it may be written again", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("read-only");
  chain.begin();
  assert.equal(gist(await rig.post(chain)), "200");
  const object = `${rig.store}/${blocksPath(chain.name, 0)}`;
  await appendFile(object, "half a block");
  await chmod(object, 0o444);
  await rig.restart();
  const refused = await rig.post(chain);
  assert.equal(gist(refused), "503 chain-damaged");
  assert.match(refused.text, /complete object ends in what is no block/);
  await chmod(object, 0o640);
  assert.equal(receiptOf(await rig.post(chain)).size, 1);
});

test("whoever reads a chain that somebody edited gets nothing of it, but for the store as it is", async () => {
  for (const edited of ["blocks", "grant"]) {
    const { files, rig, chain, flip } = await play(`edited-${edited}`);
    const base = `/v1/chains/${chain.name}`;
    const paths = ["/grant", "/headers", "/blocks", "/forks", "/lines", "/lines/3/proof"];
    for (const path of paths) assert.equal((await rig.direct(base + path)).status, 200, path);
    if (edited === "blocks") flip();
    else files.put(`${rig.store}/chains/${chain.name}/grant`, "another grant");
    for (const path of paths)
      assert.equal(gist(await rig.direct(base + path)), "503 chain-damaged", path);
    // What the vault gave it gave, and the chain says that it is damaged.
    assert.equal(receiptOf(await rig.direct(`${base}/receipt`)).size, 7);
    assert.equal((await rig.json(base))["state"], "damaged");
    const name = edited === "blocks" ? "0000000000000000.blocks" : "grant";
    const stored = await rig.direct(`/v1/store/chains/${chain.name}/object?name=${name}`);
    assert.deepEqual(stored.bytes, files.bytes(`${rig.store}/chains/${chain.name}/${name}`));
  }
});

test("what only spares time at a start, and can't be read, keeps no vault and no chain from working", async () => {
  const { files, rig, chain } = await play("folders");
  await rig.close();
  const state = `${rig.dir}/state`;
  const spared = ["chains.ndjson", "findings.ndjson", `chains/${chain.name}/checked`];
  for (const name of spared) {
    files.remove(`${state}/${name}`);
    await files.mkdir(`${state}/${name}`, 0o700);
  }
  await rig.open();
  await rig.vault.surveyed;
  assert.equal(gist(await rig.post(chain, [chain.seal([heartbeat])])), "200");
  const other = chainOf("another");
  other.begin();
  assert.equal(gist(await rig.post(other)), "200");
});
