// A sync that fails while a stored chain is brought back, whoever asked for it, ends the vault:
// what the next start finds is not known before it looks.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { SealtailError } from "../../src/core/errors.ts";
import { systemClock } from "../../src/host/clock.ts";
import { chainPath } from "../../src/store/layout.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { say } from "../fakes/chain-items.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { hurried as clock } from "./hurried.ts";
import { type Answer, chainOf, gist, Rig } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });

/** A stored chain of which the vault has neither a receipt nor a note; the vault is down. */
async function played(): Promise<{ rig: Rig; chain: ChainBuilder; files: FaultyFiles }> {
  const disk = new FakeFiles();
  const files = new FaultyFiles(disk);
  const rig = await Rig.start({ files, clock });
  const chain = chainOf("unsynced");
  chain.begin();
  assert.equal(gist(await rig.post(chain)), "200");
  await rig.close();
  await disk.unlink(`${rig.store}/${chainPath(chain.name)}/receipt`);
  for (const name of ["receipt", "checked"])
    await disk.unlink(`${rig.dir}/state/chains/${chain.name}/${name}`);
  return { rig, chain, files };
}

const asked: Record<string, (rig: Rig, chain: ChainBuilder) => Promise<unknown>> = {
  "nobody asks": async () => undefined,
  "somebody looks at it": (rig, { name }) => rig.direct(`/v1/chains/${name}`),
  "somebody reads its lines": (rig, { name }) => rig.direct(`/v1/chains/${name}/lines`),
};

for (const [who, ask] of Object.entries(asked)) {
  test(`${who}, and a sync of a stored chain fails: nothing is signed over it`, async () => {
    const { rig, chain, files } = await played();
    await using _ = rig;
    files.arm({ call: "datasync", variant: "failed", nth: 1, path: chainPath(chain.name) });
    await rig.open();
    await ask(rig, chain);
    const told = rig.vault.failed.catch((error: SealtailError) => error.kind);
    const late = systemClock.sleep(2000).then(() => "nothing");
    assert.equal(await Promise.race([told, late]), "unsafe");
    assert.equal(gist(await rig.post(chain)), "503 vault-unsafe");
    assert.notEqual((await rig.direct(`/v1/chains/${chain.name}/receipt`)).status, 200);
  });
}

test("a sync of a receipt fails while somebody reads the stored one: the vault ends all the same", async () => {
  const files = new FaultyFiles(new FakeFiles());
  await using rig = await Rig.start({ files });
  const chain = chainOf("unsynced");
  chain.begin();
  assert.equal(gist(await rig.post(chain)), "200");
  chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(1))), "200");
  files.arm({ call: "sync", variant: "failed", nth: 1, path: "receipt" });
  const told = rig.vault.failed.catch((error: SealtailError) => error.kind);
  const read = await rig.direct(`/v1/store/chains/${chain.name}/object?name=receipt`);
  assert.notEqual(read.status, 200);
  assert.equal(await told, "unsafe");
  assert.equal(gist(await rig.post(chain)), "503 vault-unsafe");
});

for (const [who, ask] of Object.entries(asked).slice(1)) {
  test(`a sync of new blocks fails, and ${who}: nothing is brought back of it`, async () => {
    const files = new FaultyFiles(new FakeFiles());
    await using rig = await Rig.start({ files, clock });
    const [chain, other] = [chainOf("unsynced"), chainOf("other")];
    for (const each of [chain, other]) {
      each.begin();
      assert.equal(gist(await rig.post(each)), "200");
    }
    await rig.restart();
    chain.seal([heartbeat]);
    files.arm({ call: "datasync", variant: "failed", nth: 1, path: chainPath(chain.name) });
    const posted = rig.post(chain, chain.blocks.slice(1));
    const meanwhile = ask(rig, chain);
    assert.equal(gist(await posted), "503 vault-unsafe");
    assert.doesNotMatch(gist((await meanwhile) as Answer), /"size": ?2/);
    for (const each of [chain, other]) {
      assert.equal(gist((await ask(rig, each)) as Answer), "503 vault-unsafe");
    }
  });
}
