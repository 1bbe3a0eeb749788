// What somebody without a chain's key can do to those who have one.

import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { concat, hex } from "../../src/core/bytes.ts";
import type { BuiltBlock, ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { signer } from "../fakes/signers.ts";
import { chainOf, gist, Rig, receiptOf } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });

/** A stored chain, and its agent's next block. */
async function grown(rig: Rig, label: string, size = 3): Promise<[ChainBuilder, BuiltBlock]> {
  const chain = chainOf(label);
  chain.begin();
  for (let i = 1; i < size; i++) chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain)), "200");
  return [chain, chain.seal([heartbeat])];
}

/** A body whose rest never comes. */
function stalled(...parts: Uint8Array[]): { body: ReadableStream<Uint8Array>; end: () => void } {
  let end = (): void => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      end = () => controller.error(new Error("gone"));
    },
  });
  return { body, end };
}

describe("bytes that were changed on the way", () => {
  test("one flipped bit of a payload never blocks the genuine block", async () => {
    await using rig = await Rig.start();
    const [chain, next] = await grown(rig, "flipped");
    for (let at = next.head.length; at < next.bytes.length; at += 7) {
      const bent = next.bytes.slice();
      bent[at] = (bent[at] as number) ^ 1;
      const answer = await rig.postBytes(chain.name, bent);
      assert.equal(gist(answer), "422 block-refused PAYLOAD_HASH_MISMATCH");
    }
    assert.equal(receiptOf(await rig.post(chain, [next])).size, 4);
  });

  test("nor does one in a genesis", async () => {
    await using rig = await Rig.start();
    const chain = chainOf("flipped-genesis");
    const { bytes } = chain.begin();
    const bent = bytes.slice();
    bent[bent.length - 1] = (bent.at(-1) as number) ^ 1;
    const answer = await rig.postBytes(chain.name, bent, chain.grant);
    assert.equal(gist(answer), "422 block-refused PAYLOAD_HASH_MISMATCH");
    assert.equal(receiptOf(await rig.post(chain)).size, 1);
  });

  test("a block that was refused is a fork once another one is stored, and both heads are kept", async () => {
    await using rig = await Rig.start();
    const chain = chainOf("hidden");
    chain.begin();
    await rig.post(chain);
    const twin = chain.twin([lines("00".repeat(16), "undeclared\n")]);
    const next = chain.seal([heartbeat]);
    assert.equal(gist(await rig.post(chain, [twin])), "422 block-refused SOURCE_UNDECLARED");
    assert.equal(gist(await rig.post(chain, [next])), "200");
    assert.equal(gist(await rig.post(chain, [twin])), "409 fork FORK");
    const proofs = await rig.direct(`/v1/chains/${chain.name}/forks`);
    assert.deepEqual(proofs.bytes, concat(next.head, twin.head));
    assert.deepEqual(await readdir(`${rig.store}/chains/${chain.name}/forks`), [
      `0000000000000001-${hex(twin.hash)}`,
    ]);
  });
});

describe("room", () => {
  test("stored heads that declare 9 MiB and stall take none of it", async () => {
    await using rig = await Rig.start({ limits: { room: { bytes: 1_000_000 } } });
    const [chain, next] = await grown(rig, "stored");
    const path = `/v1/chains/${chain.name}/blocks`;
    const strangers = Array.from({ length: 15 }, () => {
      const { body, end } = stalled(chain.blocks[1]!.bytes);
      const headers = { "content-length": "9437184" };
      const answer = rig.direct(path, { method: "POST", body, headers, duplex: "half" } as object);
      return { answer, end };
    });
    // Their bytes have come in by now.
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(receiptOf(await rig.post(chain, [next])).size, 4);
    for (const { end } of strangers) end();
    await Promise.all(strangers.map(({ answer }) => answer));
  });

  test("a payload takes room as it arrives", async () => {
    await using rig = await Rig.start({ limits: { room: { bytes: 1_000_000 } } });
    const slow = await grown(rig, "slow");
    const other = await grown(rig, "other");
    const { id, record } = slow[0].source("/var/log/slow.log");
    await rig.post(slow[0], [slow[1]]);
    const large = slow[0].seal([say(record), lines(id, new Uint8Array(3_000_000))]);
    const { body, end } = stalled(large.bytes.subarray(0, 100_000));
    const path = `/v1/chains/${slow[0].name}/blocks`;
    const answer = rig.direct(path, { method: "POST", body, duplex: "half" } as object);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(gist(await rig.post(other[0], [other[1]])), "200");
    end();
    await answer;
  });

  test("a stored head before a stranger's own lets the stranger in no further", async () => {
    await using rig = await Rig.start();
    const chain = chainOf("before");
    chain.begin();
    const first = chain.seal([heartbeat]);
    assert.equal(gist(await rig.post(chain)), "200");
    const stray = chain.twin([lines("00".repeat(16), "x\n")], { signer: signer("stray") });
    const { body, end } = stalled(first.bytes, stray.head);
    const path = `/v1/chains/${chain.name}/blocks`;
    const answer = await rig.direct(path, { method: "POST", body, duplex: "half" } as object);
    assert.equal(gist(answer), "422 block-refused BAD_SIGNATURE");
    end();
  });
});

test("many requests with a chain's stored heads do not keep its agent waiting", async () => {
  await using rig = await Rig.start();
  const [chain, next] = await grown(rig, "crowd");
  const crowd = Array.from({ length: 200 }, () => rig.post(chain, [chain.blocks[1]!]));
  assert.equal(gist(await rig.post(chain, [next])), "200");
  for (const answer of await Promise.all(crowd)) assert.equal(gist(answer), "200");
});

test("a stranger's block of a new run does not make the vault read the whole chain", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("runs");
  chain.begin();
  chain.stop();
  chain.restart();
  assert.equal(gist(await rig.post(chain)), "200");
  await rig.restart();
  const next = chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain, [next])), "200");
  const header = (): object => ({ runId: new Uint8Array(16).fill(7) });
  const stray = chain.twin([heartbeat], { signer: signer("stray"), header });
  // Whoever reads the chain's heads from now on finds one damaged.
  const [file] = (await readdir(`${rig.store}/chains/${chain.name}`)).filter((name) =>
    name.endsWith(".blocks"),
  );
  const path = `${rig.store}/chains/${chain.name}/${file}`;
  const bytes = await readFile(path);
  bytes[chain.blocks[0]!.bytes.length] = 0;
  await writeFile(path, bytes);
  assert.equal(gist(await rig.post(chain, [stray])), "422 block-refused BAD_SIGNATURE");
});
