// What a grant that many chains share costs the vault, and that what it counts stays right.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chainPath } from "../../src/store/layout.ts";
import { GrantUses } from "../../src/vault/grant-uses.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { chainOf, gist, Rig } from "./rig.ts";

const most = 65_535;
const uses = ["text a", "root b c"];

describe("a grant that 65,535 chains share", () => {
  const full = new GrantUses();
  for (let at = 0; at < most; at += 1) full.add(`chain ${at}`, { uses, maxChains: most });

  test("gives a use back without a look at the others", (t) => {
    const ways = ["keys", "values", "entries", "forEach"] as const;
    const walks = ways.map((way) => t.mock.method(Map.prototype, way).mock);
    for (let at = 0; at < 500; at += 1) {
      const chain = `chain ${at}`;
      full.remove(chain, { uses, maxChains: most });
      full.add(chain, { uses, maxChains: most });
    }
    const counts = walks.map((walk) => walk.callCount());
    for (const walk of walks) walk.restore();
    assert.deepEqual(counts, [0, 0, 0, 0]);
  });

  test("names its chains one after the other, each once", () => {
    const [, first, second, third] = [...full.sharers("other", uses)];
    const named = full.sharers("other", uses);
    named.next();
    // Nobody made a list of them beforehand.
    full.remove(first ?? "", { uses, maxChains: most });
    assert.deepEqual([named.next().value, named.next().value], [second, third]);
    full.add(first ?? "", { uses, maxChains: most });
    assert.equal([...full.sharers("chain 7", uses)].length, most - 1);
  });
});

test("the least number that a grant allows counts as long as a chain began by it", () => {
  const counted = new GrantUses();
  counted.add("one", { uses, maxChains: 3 });
  counted.add("two", { uses, maxChains: 2 });
  counted.add("three", { uses, maxChains: 2 });
  const next = { uses, maxChains: 5 };
  counted.remove("two", { uses, maxChains: 2 });
  assert.equal(counted.allow("four", next), false);
  counted.remove("three", { uses, maxChains: 2 });
  assert.equal(counted.allow("four", next), true);
  assert.equal(counted.allow("four", { uses, maxChains: 1 }), false);
});

test("of chains whose receipts were seen after the start none is read again for another one", async () => {
  const disk = new FakeFiles();
  const files = new FaultyFiles(disk);
  await using rig = await Rig.start({ files });
  const terms = { maxChains: 3, subject: "many" };
  const [one, two] = ["one", "two"].map((label) => chainOf(label, { grantKey: "shared", terms }));
  if (one === undefined || two === undefined) throw new Error("no chains");
  for (const chain of [one, two]) {
    chain.begin();
    assert.equal(gist(await rig.post(chain)), "200");
  }
  await rig.close();
  for (const dir of [rig.store, `${rig.dir}/state`])
    await disk.unlink(`${dir}/${chainPath(two.name)}/receipt`);
  await rig.open();
  await rig.vault.surveyed;
  files.only = `${chainPath(one.name)}/receipt`;
  files.calls.clear();
  assert.equal(gist(await rig.post(two)), "200");
  assert.deepEqual([...files.calls], []);
});
