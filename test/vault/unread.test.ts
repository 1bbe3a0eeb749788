// What the machine can't read for a moment is not gone: the chain stays listed, and its use of a
// grant is not given to another.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rescanEveryMs } from "../../src/vault/rescan.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { say } from "../fakes/chain-items.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { chainOf, gist, Rig } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });

/** A vault that stopped with one chain of a grant for one chain; and another one by that grant. */
async function stopped(clock = new FakeClock()) {
  const inner = new FakeFiles();
  const files = new FaultyFiles(inner);
  const rig = await Rig.start({ files, clock });
  const [chain, second] = ["one", "two"].map((label) => {
    const setup = { grantKey: "shared", terms: { subject: "pay", maxChains: 1 } };
    const made = chainOf(label, setup, clock.now() / 1e6);
    made.begin();
    made.seal([heartbeat]);
    return made;
  }) as [ChainBuilder, ChainBuilder];
  assert.equal(gist(await rig.post(chain)), "200");
  await rig.vault.surveyed;
  await rig.close();
  const fail = (errno: string, path: string): void =>
    files.arm({ call: "open", nth: 1, variant: "failed", errno, path, times: 1e6 });
  const forget = (): Promise<void> => inner.unlink(`${rig.dir}/state/chains.ndjson`);
  const listed = async (subject: string): Promise<unknown[]> => {
    const { chains } = await rig.json(`/v1/chains?subject=${subject}`);
    return (chains as { state: string }[]).map(({ state }) => state);
  };
  const detail = async (): Promise<string> => gist(await rig.direct(`/v1/chains/${chain.name}`));
  return { rig, clock, files, inner, chain, second, fail, forget, listed, detail };
}

describe("a chain is listed as unknown, and its detail is asked for later, while it can't be read", () => {
  for (const errno of ["EMFILE", "EIO"])
    for (const what of ["/grant", "/receipt", ".blocks"])
      test(`${errno} at each open of ${what}`, async () => {
        const { rig, files, fail, forget, listed, detail } = await stopped();
        await using _ = rig;
        await forget();
        fail(errno, what);
        await rig.open();
        await rig.vault.surveyed;
        assert.deepEqual(await listed("pay"), ["unknown"]);
        assert.equal(await detail(), "503 store-unavailable");
        assert.deepEqual(await listed("other"), what === "/grant" ? ["unknown"] : []);
        files.disarm();
        assert.deepEqual(await listed("pay"), ["active"]);
        assert.equal(await detail(), "200");
        assert.deepEqual(await listed("other"), []);
      });
});

test("whoever reads a chain that is known is asked to come again while it can't be read", async () => {
  const { rig, files, chain, fail, listed } = await stopped();
  await using _ = rig;
  await rig.open();
  await rig.vault.surveyed;
  assert.deepEqual(await listed("pay"), ["active"]);
  fail("EIO", `${rig.store}/`);
  for (const what of ["", "/grant", "/headers", "/blocks", "/receipt"]) {
    const answer = await rig.direct(`/v1/chains/${chain.name}${what}`);
    assert.equal(gist(answer), "503 store-unavailable", what);
  }
  files.disarm();
  for (const what of ["", "/grant", "/headers", "/blocks", "/receipt"])
    assert.equal(gist(await rig.direct(`/v1/chains/${chain.name}${what}`)), "200", what);
});

test("nobody begins a chain while a stored grant can't be read, as it may be used up", async () => {
  const { rig, files, second, fail, forget } = await stopped();
  await using _ = rig;
  await forget();
  fail("EIO", "/grant");
  await rig.open();
  await rig.vault.surveyed;
  for (const _ of [1, 2]) assert.equal(gist(await rig.post(second)), "503 store-unavailable");
  files.disarm();
  assert.equal(gist(await rig.post(second)), "403 grant-refused GRANT_REUSED");
});

test("a folder in the place of a grant that nobody knows is damage: it keeps nobody waiting", async () => {
  const { rig, clock, inner, chain } = await stopped();
  await using _ = rig;
  const folder = `${rig.store}/chains/${"a".repeat(64)}`;
  await inner.mkdir(folder, 0o700);
  await inner.mkdir(`${folder}/grant`, 0o700);
  inner.put(`${folder}/${"0".repeat(16)}.blocks`, chain.blocks[0]!.bytes);
  await rig.open();
  await rig.vault.surveyed;
  const other = chainOf("other", { grantKey: "other" }, clock.now() / 1e6);
  other.begin();
  assert.equal(gist(await rig.post(other)), "200");
});

test("a chain that couldn't be read at the start is read once a minute, also where nobody asks", async () => {
  const { rig, clock, files, fail } = await stopped();
  await using _ = rig;
  fail("EIO", "/receipt");
  await rig.open();
  await rig.vault.surveyed;
  const unknown = (): Promise<number | undefined> =>
    rig.metric('sealtail_vault_chains{state="unknown"}');
  assert.equal(await unknown(), 1);
  files.disarm();
  const until = Date.now() + 10_000;
  while ((await unknown()) !== 0) {
    assert.ok(Date.now() < until);
    await clock.advance(rescanEveryMs);
  }
});
