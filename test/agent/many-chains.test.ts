// An agent whose subject has very many chains finds its own by what the vault's list says of each,
// and asks the vault for no other.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ListedChain } from "../../src/ship/vault-reads.ts";
import { worse } from "../fakes/findings.ts";
import { World } from "./world.ts";

type Word = Partial<Pick<ListedChain, "state" | "seenAt" | "words">>;

const idOf = (index: number): string => index.toString(16).padStart(64, "b");

/** A life that seals one line; its state is gone, and the vault lists `count` chains beside its own. */
async function lostAmong(
  count: number,
  word: (index: number, own: string) => Word,
): Promise<{ world: World; asked: string[] }> {
  const world = await World.make({ maxChains: 9 });
  world.asks = true;
  world.files.append("/logs/a.log", "one\n");
  await world.live();
  await world.loseState();
  const { reads, chains } = world.vault;
  const [own] = chains.keys();
  const others = Array.from({ length: count }, (_, index) => ({
    ...{ id: idOf(index), state: "active", seenAt: 1000 + index, size: 2 },
    words: { host: `pod-${index}`, predecessor: undefined },
    ...word(index, own as string),
  }));
  const asked: string[] = [];
  const { chainsOf, size, grant, receipt, heads, blocks } = reads;
  const to = <T>(id: string, answer: T): T => {
    asked.push(id);
    return answer;
  };
  Object.assign(reads, {
    chainsOf: async (subject: string) => to("", [...others, ...(await chainsOf(subject))]),
    size: (id: string) => to(id, size(id)),
    grant: (id: string) => to(id, grant(id)),
    receipt: (id: string) => to(id, receipt(id)),
    heads: (id: string, from: number, many: number) => to(id, heads(id, from, many)),
    blocks: (id: string, from: number, many: number) => to(id, blocks(id, from, many)),
  });
  return { world, asked };
}

async function found({ world, asked }: Awaited<ReturnType<typeof lostAmong>>): Promise<void> {
  world.files.append("/logs/a.log", "two\n");
  await world.live();
  const { bytes, reasons, findings } = await world.verify();
  assert.deepEqual(worse(findings), []);
  assert.deepEqual(reasons, ["the state directory was lost"]);
  assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
  assert.deepEqual(
    asked.filter((id) => id.startsWith("bbb")),
    [],
  );
  assert.ok(asked.length < 30, `${asked.length} requests`);
}

suite("an agent without state finds its chain", () => {
  const own: Readonly<Record<string, (index: number) => Word>> = {
    "among a thousand pods that live": () => ({}),
    "among a thousand pods that live, all seen before it": () => ({ seenAt: -1 }),
    "among a thousand chains that are over": () => ({ state: "stopped" }),
    "among a thousand damaged ones, of which nothing is known": (index) => ({
      ...{ state: "damaged", seenAt: index % 2 === 0 ? 0 : 1000 },
    }),
    "among a thousand that went on one from the other": (index) => ({
      words: { host: `pod-${index}`, predecessor: idOf(index + 1) },
    }),
  };
  for (const [where, word] of Object.entries(own)) {
    test(where, async () => {
      const lost = await lostAmong(1000, word);
      await using _ = lost.world;
      await found(lost);
    });
  }

  test("not where another chain says that it went on from it", async () => {
    const { world } = await lostAmong(1, (_, before) => ({
      words: { host: "pod-0", predecessor: before },
    }));
    await using _ = world;
    await world.live();
    assert.deepEqual((await world.verify()).reasons, []);
  });

  test("also where the vault does not tell what its chain says", async () => {
    const lost = await lostAmong(3, () => ({}));
    await using world = lost.world;
    for (const id of world.vault.chains.keys()) world.vault.wordless.add(id);
    await found(lost);
  });

  test("and takes no other's because the vault says that it is of this host", async () => {
    await using world = await World.make({ maxChains: 9 });
    world.asks = true;
    world.files.append("/logs/a.log", "one\n");
    await world.live();
    await world.loseState();
    world.host = "another";
    const { reads } = world.vault;
    const { chainsOf } = reads;
    reads.chainsOf = async (subject) =>
      (await chainsOf(subject)).map((each) => ({
        ...each,
        words: { host: "another", predecessor: undefined },
      }));
    await world.live();
    assert.deepEqual((await world.verify()).reasons, []);
  });
});
