// Somebody edits the vault's store: at rest, while it runs, with its state directory or without.
// The vault signs nothing over it and proves nothing from it, says which chain and where, and goes
// on once the objects are right again.

import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import { concat, hex } from "../../src/core/bytes.ts";
import { parseCheckpoint } from "../../src/core/checkpoint.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";
import { NoteSigner, signer } from "../fakes/signers.ts";
import { chainOf, gist, problemOf, Rig, receiptOf } from "./rig.ts";

const heartbeat: Item = say({ type: "heartbeat", sources: [] });
/** Objects of few blocks: some are complete. */
const limits = { objects: { bytes: 4000, ageMicros: 1e15 } };

interface Place {
  readonly rig: Rig;
  readonly chain: ChainBuilder;
  readonly folder: string;
  readonly own: string;
  readonly id: string;
}

/** Some blocks in several objects, receipted. */
async function play(rig: Rig, label: string, blocks = 12): Promise<Place> {
  const chain = chainOf(label);
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  while (chain.length < blocks)
    chain.seal([lines(id, `line ${chain.length} ${"x".repeat(400)}\n`)]);
  assert.equal(gist(await rig.post(chain)), "200");
  await rig.vault.surveyed;
  const folder = join(rig.store, "chains", chain.name);
  return { rig, chain, folder, own: join(rig.dir, "state", "chains", chain.name), id };
}

const objectsOf = ({ folder }: Place): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".blocks"))
    .sort()
    .map((name) => join(folder, name));

function edit(path: string, how: (bytes: Uint8Array) => Uint8Array): void {
  chmodSync(path, 0o644);
  writeFileSync(path, how(new Uint8Array(readFileSync(path))));
}

const flip =
  (at: number) =>
  (bytes: Uint8Array): Uint8Array => {
    const place = at < 0 ? bytes.length + at : at;
    bytes[place] = (bytes[place] ?? 0) ^ 1;
    return bytes;
  };

/** Same size, and the times it had: only the kernel's own stamp tells. */
function editInSilence(path: string, how: (bytes: Uint8Array) => Uint8Array): void {
  const { atime, mtime, mode } = statSync(path);
  edit(path, how);
  utimesSync(path, atime, mtime);
  chmodSync(path, mode & 0o777);
}

/** Blocks that nobody may sign, sealed behind the chain by whoever has only the disk. */
function forge(chain: ChainBuilder, id: string): void {
  const evil = [0, 1, 2].map((n) => signer(`evil ${n}`));
  const bend = (n: number) => ({
    signer: evil[n]!,
    header: () => ({ nextPub: evil[n + 1]!.publicKey }),
  });
  chain.seal([heartbeat], bend(0));
  chain.restart([lines(id, "transfer 1000000 to mallory\n")], bend(1));
}

interface Edit {
  readonly name: string;
  readonly how: (place: Place) => void;
  /** What the vault says about it. */
  readonly says: RegExp;
}

const edits: readonly Edit[] = [
  {
    name: "a payload in a complete object",
    how: (place) => edit(objectsOf(place)[0]!, flip(headLength + 300)),
    says: /stored block 0 in chains\/[0-9a-f]{64}\/0{16}\.blocks fails: PAYLOAD_HASH_MISMATCH/,
  },
  {
    name: "a payload in a complete object, with its times set back",
    how: (place) => editInSilence(objectsOf(place)[0]!, flip(headLength + 300)),
    says: /stored block 0 .* fails: PAYLOAD_HASH_MISMATCH/,
  },
  {
    name: "a payload in the object that grows",
    how: (place) => editInSilence(objectsOf(place).at(-1)!, flip(-3)),
    says: /fails|receipt covers/,
  },
  {
    name: "a head in a complete object",
    how: (place) => edit(objectsOf(place)[1]!, flip(150)),
    says: /fails: BAD_SIGNATURE/,
  },
  {
    name: "a whole object, exchanged for another file",
    how: (place) => {
      const path = objectsOf(place)[1]!;
      writeFileSync(`${path}.new`, flip(-3)(new Uint8Array(readFileSync(path))));
      renameSync(`${path}.new`, path);
    },
    says: /fails: PAYLOAD_HASH_MISMATCH/,
  },
  {
    name: "a middle object, taken away",
    how: (place) => rmSync(objectsOf(place)[1]!),
    says: /block \d+ is missing/,
  },
  {
    name: "an object that does not belong there, put beside",
    how: (place) => cpSync(objectsOf(place)[0]!, join(place.folder, "0000000000000001.blocks")),
    says: /missing|stands|cut short|fails/,
  },
  {
    name: "heads of a range that is not complete, put beside",
    how: ({ folder, chain }) => {
      const heads = concat(...chain.blocks.map(({ head }) => head));
      mkdirSync(join(folder, "headers"));
      const all = new Uint8Array(1024 * headLength);
      all.set(heads);
      writeFileSync(join(folder, "headers", "0000000000000000"), all);
    },
    says: /headers\/0{16} does not hold the heads of its blocks/,
  },
  {
    name: "the end, cut off together with the receipt",
    how: (place) => {
      rmSync(objectsOf(place).at(-1)!);
      rmSync(join(place.folder, "receipt"));
    },
    says: /only \d+ are/,
  },
  {
    name: "the grant, exchanged for one of another root",
    how: ({ folder }) => {
      const other = chainOf("mallory", { root: new NoteSigner("root.example") });
      chmodSync(join(folder, "grant"), 0o644);
      writeFileSync(join(folder, "grant"), other.grant);
    },
    says: /grant/,
  },
  {
    name: "blocks that nobody signed, appended",
    how: (place) => {
      forge(place.chain, place.id);
      edit(objectsOf(place).at(-1)!, (bytes) =>
        concat(bytes, ...place.chain.blocks.slice(-2).map((each) => each.bytes)),
      );
    },
    says: /fails: BAD_SIGNATURE/,
  },
];

async function assertNothingIsSigned(place: Place, says: RegExp): Promise<void> {
  const { rig, chain } = place;
  const before = await rig.metric("sealtail_vault_receipts_signed_total");
  // Blocks that are stored already, the newest one, and the next one.
  for (const blocks of [
    chain.blocks.slice(0, 2),
    chain.blocks.slice(-1),
    [chain.twin([heartbeat])],
  ]) {
    const answer = await rig.post(chain, blocks);
    assert.equal(gist(answer), "503 chain-damaged");
    assert.match(String(problemOf(answer)["detail"]), says);
  }
  for (const seq of [0, 3]) {
    const proof = await rig.direct(`/v1/chains/${chain.name}/lines/${seq}/proof`);
    assert.equal(gist(proof), "503 chain-damaged");
  }
  const read = await rig.direct(`/v1/chains/${chain.name}/lines`);
  assert.equal(gist(read), "503 chain-damaged");
  assert.equal(await rig.metric("sealtail_vault_receipts_signed_total"), before);
  await assertNamed(place, says);
}

async function assertNamed({ rig, chain }: Place, says: RegExp): Promise<void> {
  const detail = await rig.json(`/v1/chains/${chain.name}`);
  assert.equal(detail["state"], "damaged");
  assert.match(String(detail["damage"]), says);
  assert.equal(await rig.metric("sealtail_vault_damaged_chains"), 1);
  for (const page of ["/readyz", "/status"]) {
    const answer = await fetch(`${rig.vault.operationsUrl}${page}`);
    assert.equal(answer.status, 200);
    const { damaged } = (await answer.json()) as { damaged: { count: number; chains: object[] } };
    assert.equal(damaged.count, 1);
    assert.match(JSON.stringify(damaged.chains), new RegExp(`${chain.name}.*${chain.label}`));
  }
}

for (const { name, how, says } of edits) {
  for (const when of ["at rest", "at rest, without the vault's notes", "while it runs"] as const) {
    test(`${name}, ${when}: no receipt, no proof, and the damage is named`, async () => {
      await using rig = await Rig.start({ limits });
      const place = await play(rig, "edited");
      const backup = `${rig.dir}/backup`;
      if (when !== "while it runs") await rig.close();
      cpSync(place.folder, backup, { recursive: true, preserveTimestamps: true });
      const mayBeAccepted = name.startsWith("the end, cut off");
      if (when === "at rest, without the vault's notes") {
        rmSync(place.own, { recursive: true });
        // Nobody but who keeps a receipt elsewhere can tell.
        if (mayBeAccepted) return;
      }
      how(place);
      if (when !== "while it runs") await rig.open();
      await assertNothingIsSigned(place, says);
      const other = chainOf("beside");
      other.begin();
      assert.equal(gist(await rig.post(other)), "200");

      // The right objects are put back: no restart is needed.
      rmSync(place.folder, { recursive: true });
      cpSync(backup, place.folder, { recursive: true });
      const again = await rig.post(place.chain, place.chain.blocks.slice(0, 1));
      assert.equal(gist(again), "200");
      assert.equal(receiptOf(again).size, 12);
      assert.equal(hex(receiptOf(again).root), hex(place.chain.roots[12]!));
      assert.equal(await rig.metric("sealtail_vault_damaged_chains"), 0);
    });
  }
}

test("a chain that nobody here may begin, put into the store, gets no receipt", async () => {
  await using rig = await Rig.start();
  await rig.close();
  const chain = chainOf("planted", { root: new NoteSigner("mallory.example") });
  chain.begin();
  const folder = join(rig.store, "chains", chain.name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "grant"), chain.grant);
  writeFileSync(join(folder, "0000000000000000.blocks"), chain.blocks[0]!.bytes);
  await rig.open();
  const answer = await rig.post(chain, chain.blocks, chain.grant);
  assert.equal(gist(answer), "503 chain-damaged");
  assert.match(String(problemOf(answer)["detail"]), /grant fails: UNKNOWN_ROOT/);
});

test("a store of yesterday under today's state directory is damage, never another root", async () => {
  await using rig = await Rig.start({ limits });
  const place = await play(rig, "set-back", 6);
  const { chain, folder, own, id } = place;
  const backup = `${rig.dir}/backup`;
  await rig.close();
  cpSync(folder, backup, { recursive: true });
  await rig.open();
  const branch = chain.twin([lines(id, "another line\n")]);
  chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(6))), "200");
  await rig.close();
  rmSync(folder, { recursive: true });
  cpSync(backup, folder, { recursive: true });
  await rig.open();
  const inStore = `/v1/store/chains/${chain.name}/object?name=receipt`;
  for (const blocks of [[branch], chain.blocks.slice(6)]) {
    // Who asks the vault sees what it gave, and so what the store lacks; who asks for the store
    // as it is gets what lies there, as a copy of its directory has it.
    for (const [path, size] of [
      [`/v1/chains/${chain.name}/receipt`, 7],
      [inStore, 6],
    ] as const) {
      assert.equal(parseCheckpoint((await rig.direct(path)).bytes).size, size);
    }
    const answer = await rig.post(chain, blocks);
    assert.equal(gist(answer), "503 chain-damaged");
    assert.match(String(problemOf(answer)["detail"]), /7 blocks, and only 6/);
  }
  // Who knows that nothing better is left says so.
  rmSync(own, { recursive: true });
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(6))), "200");
});

test("a whole chain that is gone is named, and does not begin anew", async () => {
  await using rig = await Rig.start();
  const place = await play(rig, "gone", 3);
  await rig.close();
  rmSync(place.folder, { recursive: true });
  await rig.open();
  assert.equal(await rig.metric("sealtail_vault_damaged_chains"), 1);
  assert.equal(gist(await rig.post(place.chain)), "503 chain-damaged");
});

for (const receipt of ["with", "without"]) {
  test(`a chain whose blocks are gone, ${receipt} its receipt, is listed as damaged, though nobody asked for it`, async () => {
    await using rig = await Rig.start();
    const place = await play(rig, "gone", 3);
    await rig.close();
    for (const object of objectsOf(place)) rmSync(object);
    if (receipt === "without") rmSync(join(place.folder, "receipt"));
    await rig.open();
    const { chains } = await rig.json("/v1/chains");
    const [listed] = chains as { chain: string; state: string }[];
    assert.deepEqual([listed?.chain, listed?.state], [place.chain.name, "damaged"]);
    await rig.vault.surveyed;
    assert.equal(await rig.metric("sealtail_vault_damaged_chains"), 1);
    assert.equal(gist(await rig.post(place.chain)), "503 chain-damaged");
  });
}

test("an old state directory under a newer store is no damage: the chain is read again", async () => {
  await using rig = await Rig.start({ limits });
  const place = await play(rig, "old-notes", 6);
  await rig.close();
  cpSync(place.own, `${rig.dir}/notes`, { recursive: true });
  await rig.open();
  for (let n = 0; n < 20; n++) place.chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(place.chain, place.chain.blocks.slice(6))), "200");
  await rig.close();
  rmSync(place.own, { recursive: true });
  cpSync(`${rig.dir}/notes`, place.own, { recursive: true });
  await rig.open();
  place.chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(place.chain, place.chain.blocks.slice(-1))), "200");
});

test("a store that was only copied or linked is read once more, and then its note holds again", async () => {
  await using rig = await Rig.start({ limits });
  const place = await play(rig, "copied");
  const checks = async (): Promise<number | undefined> =>
    await rig.metric("sealtail_vault_chains_checked_total");
  const bring = async (): Promise<number | undefined> => {
    assert.equal(gist(await rig.post(place.chain, place.chain.blocks.slice(0, 1))), "200");
    return await checks();
  };
  await rig.restart();
  assert.equal(await bring(), 0);
  linkSync(objectsOf(place)[0]!, `${rig.dir}/link`);
  assert.equal(await bring(), 1);
  await rig.restart();
  assert.equal(await bring(), 0);
  await rig.close();
  cpSync(place.folder, `${place.folder}.copy`, { recursive: true });
  rmSync(place.folder, { recursive: true });
  renameSync(`${place.folder}.copy`, place.folder);
  await rig.open();
  assert.equal(await bring(), 1);
  await rig.restart();
  assert.equal(await bring(), 0);
});

test("what came after the note is checked again, and nothing before it is read", async () => {
  await using rig = await Rig.start({ limits });
  const place = await play(rig, "crashed");
  await rig.restart();
  assert.equal(gist(await rig.post(place.chain, place.chain.blocks.slice(0, 1))), "200");
  // As if it died: the note stays as it is while the chain grows.
  cpSync(place.own, `${rig.dir}/notes`, { recursive: true });
  for (let n = 0; n < 30; n++) place.chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(place.chain, place.chain.blocks.slice(12))), "200");
  await rig.close();
  cpSync(`${rig.dir}/notes/checked`, `${place.own}/checked`);
  await rig.open();
  place.chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(place.chain, place.chain.blocks.slice(-1))), "200");
  assert.equal(await rig.metric("sealtail_vault_chains_checked_total"), 0);
  // An object that was not complete then is read, and must be what it was.
  await rig.close();
  cpSync(`${rig.dir}/notes/checked`, `${place.own}/checked`);
  const grown = objectsOf(place).find((path) => {
    const number = Number.parseInt(path.slice(-23, -7), 16);
    return number > 8 && number < 14;
  });
  assert.ok(grown !== undefined && existsSync(grown));
  edit(grown, flip(headLength + 40));
  await rig.open();
  assert.equal(
    gist(await rig.post(place.chain, place.chain.blocks.slice(-1))),
    "503 chain-damaged",
  );
});
