// What a vault stores, and what it refuses, as a client sees it.

import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { test } from "node:test";
import { base64, concat, hex } from "../../src/core/bytes.ts";
import { formatNote, formatVerifierKey } from "../../src/core/note.ts";
import { systemFiles } from "../../src/host/files.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { verifyChain } from "../../src/verify/verify.ts";
import { type Bend, type ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { NoteSigner, signer } from "../fakes/signers.ts";
import { type Answer, chainOf, gist, problemOf, Rig, receiptOf } from "./rig.ts";

/** What a verifier says of the store, codes only. */
async function findingsOf(rig: Rig, chain: ChainBuilder): Promise<string[]> {
  const codes: string[] = [];
  const report = await verifyChain(readDirStore(systemFiles, rig.store).reader(chain.name), {
    ...{ suite, roots: [testRoot.key], vaults: [testVault.keys] },
    report: ({ code }) => codes.push(code),
  });
  return [report.verdict, ...codes];
}

test("a chain begins with its grant, grows without, and every answer is a genuine receipt", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("begin");
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  const first = await rig.post(chain);
  assert.equal(gist(first), "200");
  assert.equal(first.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.equal(receiptOf(first).size, 1);
  const second = chain.seal([say(record), lines(id, "one\ntwo\n")]);
  const answer = await rig.post(chain, [second]);
  const receipt = receiptOf(answer);
  assert.deepEqual([receipt.size, hex(receipt.root)], [2, hex(chain.roots[2]!)]);
  await rig.close();
  assert.deepEqual(await findingsOf(rig, chain), ["VALID"]);
});

test("the same blocks again, overlaps included, get a receipt over all that is stored", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("again");
  chain.begin();
  for (let i = 0; i < 5; i++) chain.seal([say({ type: "heartbeat", sources: [] })]);
  assert.equal(receiptOf(await rig.post(chain, chain.blocks.slice(0, 3))).size, 3);
  assert.equal(receiptOf(await rig.post(chain, chain.blocks.slice(0, 2))).size, 3);
  assert.equal(receiptOf(await rig.post(chain, chain.blocks.slice(1, 5))).size, 5);
  assert.equal(receiptOf(await rig.post(chain, chain.blocks)).size, 6);
  assert.equal(await rig.metric('sealtail_vault_blocks_received_total{outcome="stored"}'), 6);
  assert.equal(await rig.metric('sealtail_vault_blocks_received_total{outcome="duplicate"}'), 9);
});

test("a hole gets 409 with the vault's size and root, and so does a block of another history", async () => {
  await using rig = await Rig.start();
  // Both begin with the same genesis only if they begin in the same second.
  const now = Date.now() / 1000;
  const chain = chainOf("hole", {}, now);
  chain.begin();
  for (let i = 0; i < 4; i++) chain.seal([say({ type: "heartbeat", sources: [] })]);
  await rig.post(chain, chain.blocks.slice(0, 2));
  const answer = await rig.post(chain, chain.blocks.slice(3));
  assert.equal(gist(answer), "409 wrong-head");
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  const { size, root, block, type } = problemOf(answer);
  assert.deepEqual([size, root, block], [2, hex(chain.roots[2]!), 3]);
  assert.equal(type, "urn:sealtail:problem:wrong-head");
  const twin = chainOf("hole", {}, now);
  twin.begin();
  twin.seal([say({ type: "heartbeat", sources: [] }), say({ type: "stop", reason: "x" })]);
  twin.restart();
  assert.equal(gist(await rig.post(twin, twin.blocks.slice(2))), "409 wrong-head BAD_PREV");
});

test("another block at a stored height is a fork: refused, and both heads are kept", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("fork");
  chain.begin();
  const twin = chain.twin([say({ type: "stop", reason: "twin" })]);
  const ours = chain.seal([say({ type: "heartbeat", sources: [] })]);
  chain.seal([say({ type: "heartbeat", sources: [] })]);
  await rig.post(chain);
  const answer = await rig.post(chain, [twin]);
  assert.equal(gist(answer), "409 fork FORK");
  assert.equal(problemOf(answer)["block"], 1);
  assert.equal(gist(await rig.post(chain, [twin])), "409 fork FORK");
  const proofs = await rig.direct(`/v1/chains/${chain.name}/forks`);
  assert.deepEqual(proofs.bytes, concat(ours.head, twin.head));
  assert.deepEqual(await readdir(`${rig.store}/chains/${chain.name}/forks`), [
    `0000000000000001-${hex(twin.hash)}`,
  ]);
  assert.equal(await rig.metric("sealtail_vault_open_forks"), 1);
  assert.equal(await rig.metric("sealtail_vault_chain_forks_total"), 2);
  // The chain goes on.
  const next = chain.seal([say({ type: "heartbeat", sources: [] })]);
  assert.equal(receiptOf(await rig.post(chain, [next])).size, 4);
});

test("a stranger's block at a stored height is no fork", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("stranger");
  chain.begin();
  const stray = chain.twin([say({ type: "stop", reason: "x" })], { signer: signer("stranger") });
  chain.seal([say({ type: "heartbeat", sources: [] })]);
  await rig.post(chain);
  assert.equal(gist(await rig.post(chain, [stray])), "422 block-refused BAD_SIGNATURE");
  await assert.rejects(stat(`${rig.store}/chains/${chain.name}/forks`));
});

test("forks of a chain are kept up to a limit", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("forks");
  chain.begin();
  const twins = Array.from({ length: 20 }, (_, i) =>
    chain.twin([say({ type: "stop", reason: `twin ${i}` })]),
  );
  chain.seal([say({ type: "heartbeat", sources: [] })]);
  await rig.post(chain);
  for (const twin of twins) assert.equal(gist(await rig.post(chain, [twin])), "409 fork FORK");
  assert.equal((await readdir(`${rig.store}/chains/${chain.name}/forks`)).length, 16);
});

const bends: readonly (readonly [name: string, bend: Bend, said: string])[] = [
  ["signed by another key", { signer: signer("x") }, "422 block-refused BAD_SIGNATURE"],
  [
    "a payload that was changed",
    { stored: (bytes) => bytes.toReversed(), header: (h) => ({ storedHash: h.storedHash }) },
    "422 block-refused MALFORMED",
  ],
  [
    "another hash of the payload",
    { header: () => ({ storedHash: new Uint8Array(32) }) },
    "422 block-refused PAYLOAD_HASH_MISMATCH",
  ],
  [
    "another count",
    { header: (h) => ({ count: h.count + 1 }) },
    "422 block-refused COUNT_MISMATCH",
  ],
  [
    "another first seq",
    { header: (h) => ({ firstSeq: h.firstSeq + 1 }) },
    "422 block-refused SEQ_MISMATCH",
  ],
  [
    "another root",
    { header: () => ({ chainRoot: new Uint8Array(32) }) },
    "409 wrong-head CHAIN_ROOT_MISMATCH",
  ],
  [
    "a last hash that is none",
    { header: () => ({ lastHash: new Uint8Array(32) }) },
    "422 block-refused LINK_MISMATCH",
  ],
  [
    "a next key that is none",
    { header: () => ({ nextPub: new Uint8Array(32) }) },
    "422 block-refused BAD_KEY",
  ],
  [
    "a config hash that is none",
    { header: () => ({ configHash: new Uint8Array(32) }) },
    "422 block-refused CONFIG_MISMATCH",
  ],
  [
    "a promise beyond the grant's",
    { header: () => ({ maxSilenceMs: 70_000 }) },
    "422 block-refused LIMIT_EXCEEDED",
  ],
  [
    "time that runs backwards",
    { header: () => ({ mono: 0 }) },
    "422 block-refused TIME_REGRESSION",
  ],
  [
    "a reserved byte",
    {
      headerBytes: (bytes) => {
        bytes[11] = 1;
        return bytes;
      },
    },
    "422 block-refused NON_CANONICAL",
  ],
];
for (const [name, bend, said] of bends) {
  test(`a block with ${name} is refused, and the chain goes on`, async () => {
    await using rig = await Rig.start();
    const chain = chainOf("bent");
    chain.begin();
    chain.seal([say({ type: "heartbeat", sources: [] })]);
    await rig.post(chain);
    const bad = chain.twin([say({ type: "heartbeat", sources: [] })], bend);
    for (let i = 0; i < 2; i++) assert.equal(gist(await rig.post(chain, [bad])), said);
    const good = chain.seal([say({ type: "heartbeat", sources: [] })]);
    assert.equal(receiptOf(await rig.post(chain, [good])).size, 3);
    await rig.close();
    assert.deepEqual(await findingsOf(rig, chain), ["VALID"]);
  });
}

test("good blocks before a bad one are stored and receipted, the bad one is refused when it comes first", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("prefix");
  chain.begin();
  chain.seal([say({ type: "heartbeat", sources: [] })]);
  const bad = chain.twin([lines("00".repeat(16), "undeclared\n")]);
  const body = [...chain.blocks, bad];
  assert.equal(receiptOf(await rig.post(chain, body)).size, 2);
  const again = await rig.post(chain, body, chain.grant);
  assert.equal(gist(again), "422 block-refused SOURCE_UNDECLARED");
  assert.equal(problemOf(again)["size"], 2);
  assert.equal(problemOf(again)["root"], hex(chain.roots[2]!));
  const good = chain.seal([say({ type: "heartbeat", sources: [] })]);
  assert.equal(receiptOf(await rig.post(chain, [good])).size, 3);
});

test("a silence that lasted too long is evidence, and is stored", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("silence");
  chain.begin();
  chain.seal([say({ type: "heartbeat", sources: [] })], { mono: 100_000_000 });
  assert.equal(receiptOf(await rig.post(chain)).size, 2);
  await rig.close();
  assert.deepEqual(await findingsOf(rig, chain), ["INCOMPLETE", "SILENCE_EXCEEDED"]);
});

test("nothing follows a final block", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("final");
  chain.begin();
  chain.seal([say({ type: "stop", reason: "retired" })], { kind: "final" });
  const more = chain.seal([say({ type: "heartbeat", sources: [] })]);
  await rig.post(chain, chain.blocks.slice(0, 2));
  assert.equal(gist(await rig.post(chain, [more])), "422 block-refused EXTENDED_AFTER_FINAL");
  assert.equal((await rig.json(`/v1/chains/${chain.name}`))["state"], "final");
});

interface GrantCase {
  readonly name: string;
  readonly setup: Parameters<typeof chainOf>[1];
  readonly said: string;
}

const hour = 3600;
const now = Math.floor(Date.now() / 1000);
const grants: readonly GrantCase[] = [
  {
    name: "of an unknown root",
    setup: { root: new NoteSigner("other.example") },
    said: "403 grant-refused UNKNOWN_ROOT",
  },
  {
    name: "with a signature that is not the root's",
    setup: {
      grantText: (text) => text,
      grantNote: (note) => note.replace("role write", "role read "),
    },
    said: "403 grant-refused NON_CANONICAL",
  },
  {
    name: "for another role",
    setup: { terms: { role: "read" } },
    said: "403 grant-refused GRANT_WRONG_ROLE",
  },
  {
    name: "for another vault",
    setup: { terms: { audience: "elsewhere.example" } },
    said: "403 grant-refused GRANT_WRONG_AUDIENCE",
  },
  {
    name: "that is over",
    setup: { terms: { notBefore: now - 9 * hour, notAfter: now - 8 * hour } },
    said: "403 grant-refused GRANT_EXPIRED",
  },
  {
    name: "that is not valid yet",
    setup: { terms: { notBefore: now + hour, notAfter: now + 2 * hour } },
    said: "403 grant-refused GRANT_NOT_YET_VALID",
  },
];
for (const { name, setup, said } of grants) {
  test(`a grant ${name} begins nothing, and leaves nothing behind`, async () => {
    await using rig = await Rig.start();
    const chain = chainOf("grant", setup);
    chain.begin();
    assert.equal(gist(await rig.post(chain)), said);
    assert.deepEqual(await readdir(`${rig.store}/chains`), []);
  });
}

test("a grant for one chain begins one, over the whole store and across restarts", async () => {
  await using rig = await Rig.start();
  const one = chainOf("use", { grantKey: "shared" });
  const two = chainOf("other", { grantKey: "shared", terms: { subject: "use" } });
  one.begin();
  two.begin();
  assert.equal(gist(await rig.post(one)), "200");
  assert.equal(gist(await rig.post(two)), "403 grant-refused GRANT_REUSED");
  assert.equal(gist(await rig.post(one)), "200");
  for (const index of ["kept", "lost"]) {
    await rig.restart();
    assert.equal(gist(await rig.post(two)), "403 grant-refused GRANT_REUSED", index);
    assert.equal(gist(await rig.post(one)), "200");
    await rig.close();
    await systemFiles.unlink(`${rig.dir}/state/chains.ndjson`);
  }
});

test("a grant is used up whichever roots' signature lines its copies still have, and by the least that one allows", async () => {
  const other = new NoteSigner("next-root.example");
  const config = {
    trust: { root_keys: [testRoot, other].map(({ key }) => formatVerifierKey(key)) },
  };
  await using rig = await Rig.start({ config });
  const signed = (...signers: readonly NoteSigner[]) => {
    return (note: string): string => {
      const text = note.slice(0, note.lastIndexOf("\n\n") + 1);
      return formatNote(
        text,
        signers.map((each) => each.sign(text)),
      );
    };
  };
  // All of one second, for one text.
  const now = Date.now() / 1000;
  const begin = (label: string, maxChains: number, grantNote: (note: string) => string) => {
    const terms = { subject: "pods", maxChains };
    const chain = chainOf(label, { grantKey: "shared", terms, grantNote }, now);
    chain.begin();
    return rig.post(chain);
  };
  assert.equal(gist(await begin("one", 2, signed(testRoot))), "200");
  assert.equal(gist(await begin("two", 2, signed(other, testRoot))), "200");
  const reused = "403 grant-refused GRANT_REUSED";
  assert.equal(gist(await begin("three", 2, signed(other))), reused);
  assert.equal(gist(await begin("four", 9, signed(testRoot))), reused);
  await rig.restart();
  assert.equal(gist(await begin("five", 9, signed(testRoot))), reused);
});

test("a grant for two chains that begin at once begins two of three", async () => {
  await using rig = await Rig.start();
  const chains = ["a", "b", "c"].map((label) =>
    chainOf(label, { grantKey: "shared", terms: { maxChains: 2, subject: "many" } }),
  );
  for (const chain of chains) chain.begin();
  const answers = await Promise.all(chains.map((chain) => rig.post(chain)));
  assert.deepEqual(answers.map(gist).sort(), ["200", "200", "403 grant-refused GRANT_REUSED"]);
});

test("an unknown chain is told so, with or without a grant", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("unknown");
  chain.begin();
  const next = chain.seal([say({ type: "heartbeat", sources: [] })]);
  const none = await rig.post(chain, [chain.blocks[0]!], new Uint8Array(0));
  assert.equal(gist(none), "403 grant-refused MALFORMED");
  const answer = await rig.postBytes(chain.name, next.bytes);
  assert.equal(gist(answer), "404 unknown-chain");
  assert.equal(problemOf(answer)["size"], 0);
  const hole = await rig.post(chain, [next], chain.grant);
  assert.equal(gist(hole), "409 wrong-head");
  assert.equal(problemOf(hole)["root"], hex(chain.roots[0]!));
  assert.equal(
    gist(await rig.postBytes("0".repeat(64), chain.blocks[0]!.bytes, chain.grant)),
    "422 block-refused WRONG_CHAIN",
  );
  assert.equal(gist(await rig.postBytes("nonsense", chain.blocks[0]!.bytes)), "400 bad-request");
});

function repeated(bytes: Uint8Array, least: number): Uint8Array {
  return concat(...Array.from({ length: Math.ceil(least / bytes.length) }, () => bytes));
}

const bodies: readonly (readonly [
  name: string,
  make: (good: Uint8Array) => Uint8Array,
  said: string,
])[] = [
  ["nothing", () => new Uint8Array(0), "400 bad-request"],
  ["half a head", (good) => good.subarray(0, 200), "400 body-cut-short"],
  ["half a block", (good) => good.subarray(0, good.length - 1), "400 body-cut-short"],
  ["a block and a half", (good) => concat(good, good.subarray(0, 450)), "400 body-cut-short"],
  ["a block and junk", (good) => concat(good, new Uint8Array(500)), "422 block-refused MALFORMED"],
  ["zeros", () => new Uint8Array(1000), "422 block-refused MALFORMED"],
  ["too much", (good) => repeated(good, 9 * 1024 * 1024 + 1), "413 body-too-large"],
];
for (const [name, make, said] of bodies) {
  test(`a body of ${name} is refused, and stores nothing`, async () => {
    await using rig = await Rig.start();
    const chain = chainOf("body");
    chain.begin();
    const body = make(chain.blocks[0]!.bytes);
    assert.equal(gist(await rig.postBytes(chain.name, body, chain.grant)), said);
    assert.deepEqual(await readdir(`${rig.store}/chains`), []);
    const socket: Answer = await rig.http(`/v1/chains/${chain.name}/blocks`, {
      method: "POST",
      body: body as Uint8Array<ArrayBuffer>,
      headers: { "sealtail-grant": base64(chain.grant) },
    });
    assert.equal(gist(socket), said);
  });
}

test("a payload that unpacks to more than it says is refused", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("bomb", { codec: "zstd" });
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  const bomb = chain.twin([say(record), lines(id, new Uint8Array(8_000_000))], {
    header: (h) => ({ rawLength: h.rawLength - 1 }),
  });
  await rig.post(chain);
  assert.equal(gist(await rig.post(chain, [bomb])), "422 block-refused PAYLOAD_CORRUPT");
});

test("requests for one chain wait for each other, and too many are told to come back", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("queue");
  chain.begin();
  for (let i = 0; i < 30; i++) chain.seal([say({ type: "heartbeat", sources: [] })]);
  await rig.post(chain, chain.blocks.slice(0, 1));
  const answers = await Promise.all(Array.from({ length: 30 }, () => rig.post(chain)));
  const said = new Set(answers.map(gist));
  assert.ok(said.has("200"));
  assert.deepEqual(
    [...said].filter((each) => !["200", "503 busy"].includes(each)),
    [],
  );
  const busy = answers.find(({ status }) => status === 503);
  assert.equal(busy?.headers.get("retry-after") ?? "1", "1");
  assert.equal(receiptOf(await rig.post(chain)).size, 31);
  await rig.close();
  assert.deepEqual(await findingsOf(rig, chain), ["VALID"]);
});

test("bodies beyond the room for them are told to come back", async () => {
  await using rig = await Rig.start({ limits: { room: { bytes: 10 } } });
  const chain = chainOf("room");
  chain.begin();
  const answers = await Promise.all(Array.from({ length: 3 }, () => rig.post(chain)));
  assert.ok(answers.some((answer) => gist(answer) === "200"));
  assert.ok(answers.some((answer) => gist(answer) === "503 busy"));
});
