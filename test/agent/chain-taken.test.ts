// A chain of our own host that a chain of another host names: what an agent without state says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.ts";

for (const host of ["pod-y", "h"]) {
  const own = host === "h";
  test(`an agent without state ${own ? "says nothing of" : "says that it passes over"} its chain that one of ${own ? "its own" : "another"} host goes on from`, async () => {
    await using world = await World.make({ maxChains: 9 });
    world.asks = true;
    world.files.append("/logs/a.log", "one\n");
    await world.live();
    const [first = assert.fail("no chain")] = world.vault.chains.keys();
    await world.loseState();
    const { reads } = world.vault;
    const honest = reads.chainsOf;
    const named = { id: "a".repeat(64), seenAt: 99, size: 7 };
    reads.chainsOf = async (subject) => [
      ...(await honest(subject)),
      // One that lives, or that the vault calls damaged.
      { ...named, state: own ? "damaged" : "active", words: { host, predecessor: first } },
    ];
    await world.start();
    await world.until(() => world.vault.chains.size === 2, 400_000);
    await world.stop();
    const said = world.diag.lines.filter(({ fields }) => fields["code"] === "predecessor-refused");
    assert.deepEqual(
      said.map(({ fields }) => fields["chain"]),
      [own ? named.id : first],
    );
  });
}
