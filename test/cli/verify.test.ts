import assert from "node:assert/strict";
import test from "node:test";
import { parseGrant } from "../../src/core/grant.ts";
import { formatVerifierKey, verifierKey } from "../../src/core/note.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { ChainBuilder, testRoot, testTime } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { TestVault } from "../fakes/signers.ts";
import { CommandDir, keyWords } from "./command.ts";

/** Six blocks: start, four with lines, a declared gap. */
function chainOf(label: string): ChainBuilder {
  const chain = new ChainBuilder(label, { codec: "zstd" });
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  chain.seal([say(record), lines(id, "one\ntwo\n")]);
  for (let block = 2; block < 5; block += 1) chain.seal([lines(id, `block ${block}\n`)]);
  const from = chain.sources.get(id)?.expected as number;
  const gap = { type: "gap", source: id, from, to: from + 100, cause: "truncated" } as const;
  chain.seal([say(gap)]);
  return chain;
}

test("a sound chain is verified from data directory, store, and bundle", async () => {
  using dir = new CommandDir();
  const chain = chainOf("payments");
  dir.store(chain);
  const first = await dir.run(["verify", "--data", "data"]);
  assert.deepEqual([first.code, first.err], [3, ""]);
  assert.equal(
    first.out,
    `VALID_WITH_FINDINGS
1 chain, 6 blocks, 10 envelopes in DIR/data/store

chain ${chain.name} payments: VALID_WITH_FINDINGS
  GAP_DECLARED block 5 seq 9: 100 bytes of /var/log/app.log from offset 32, truncated
    in chains/${chain.name}/0000000000000004.blocks, byte 595
  read           6 blocks: 10 envelopes, 1 run, 2026-01-01T00:00:00.000Z to 2026-01-01T00:00:05.000Z
  authenticated  blocks 0 to 5
  receipted      blocks 0 to 5, newest receipt 2026-01-01T00:00:06.000Z
  gaps           1 declared, 0 undeclared
  not checked    revocations: this version reads no list of them
`.replace("byte 595", /byte \d+/.exec(first.out)?.[0] ?? ""),
  );
  for (const word of ["payments", chain.name, chain.name.slice(0, 6)]) {
    const { code, out } = await dir.run(["verify", "data/store", word, ...keyWords]);
    assert.deepEqual([code, out], [3, first.out]);
  }
  const made = await dir.quick(["export", "--data", "data", "payments", "-o", "b.tar"]);
  assert.deepEqual([made.code, made.out], [0, ""]);
  const bundle = await dir.quick(["verify", "b.tar", ...keyWords]);
  assert.equal(bundle.code, 3);
  assert.equal(bundle.out.replaceAll("b.tar", "data/store"), first.out);
  const again = await dir.quick(["export", "--data", "data", "payments", "-o", "b.tar"]);
  assert.match(again.err, /\[file-exists\]/);
});

test("the report as JSON says the same to programs", async () => {
  using dir = new CommandDir();
  const chain = chainOf("payments");
  dir.store(chain);
  const { code, out } = await dir.quick(["verify", "--data", "data", "--json"]);
  assert.equal(code, 3);
  const report = JSON.parse(out);
  assert.equal(report.verdict, "VALID_WITH_FINDINGS");
  assert.equal(report.exitCode, 3);
  const [judged, ...others] = report.chains;
  assert.deepEqual(others, []);
  assert.equal(judged.chain, chain.name);
  assert.deepEqual([judged.blocks, judged.authenticatedBlocks, judged.receiptedBlocks], [6, 6, 6]);
  assert.deepEqual(judged.counts, { GAP_DECLARED: 1 });
  const [finding] = judged.findings;
  assert.deepEqual([finding.code, finding.block, finding.seq], ["GAP_DECLARED", 5, 9]);
  assert.equal(typeof finding.byte, "number");
});

test("a file that began anew is counted, for what came and went unseen is in no gap", async () => {
  using dir = new CommandDir();
  const chain = new ChainBuilder("payments");
  chain.begin();
  for (let generation = 0; generation < 3; generation += 1) {
    const { id, record } = chain.source("/var/log/app.log", generation);
    const size = 4;
    const end = { type: "end", source: id, size, cause: "restarted" } as const;
    chain.seal([say(record), lines(id, "one\n"), ...(generation < 2 ? [say(end)] : [])]);
  }
  dir.store(chain);
  const { code, out } = await dir.quick(["verify", "--data", "data"]);
  assert.equal(code, 0);
  const said = out.split("\n").filter((line) => /gaps|anew/.test(line));
  assert.deepEqual(said, [
    "  gaps           0 declared, 0 undeclared",
    "  begun anew     2 times a file: what was written to it after the last look at it, and cut off, is not known",
  ]);
  const json = await dir.quick(["verify", "--data", "data", "--json"]);
  assert.equal(JSON.parse(json.out).chains[0].restarts, 2);
  const heads = await dir.quick(["verify", "--data", "data", "--headers-only", "--json"]);
  assert.equal(JSON.parse(heads.out).chains[0].restarts, undefined);
});

test("the exit code says how bad it is, the worst chain deciding", async () => {
  using dir = new CommandDir();
  const good = new ChainBuilder("good");
  good.begin();
  good.seal([say({ type: "stop", reason: "sigterm" })]);
  dir.store(good);
  assert.equal((await dir.quick(["verify", "--data", "data"])).code, 0);
  const late = ["verify", "--data", "data", "--at", "2026-01-02T00:00:00Z"];
  const stopped = await dir.quick(late);
  assert.equal(stopped.code, 3);
  assert.match(stopped.out, /^ {2}STOPPED block 1: /m);

  const cut = chainOf("cut");
  const blocks = cut.blocks.map(({ bytes }) => bytes);
  dir.store(cut, { blocks: blocks.slice(0, 4) });
  const truncated = await dir.quick(["verify", "--data", "data"]);
  assert.equal(truncated.code, 4);
  assert.match(truncated.out, /^INCOMPLETE\n2 chains/);
  assert.match(truncated.out, /TAIL_TRUNCATED/);
  assert.equal((await dir.quick(["verify", "--data", "data", "good"])).code, 0);

  const bent = chainOf("bent");
  const bytes = bent.blocks.map((block) => block.bytes.slice());
  const third = bytes[3] as Uint8Array;
  third[400] = (third[400] as number) ^ 1;
  dir.store(bent, { blocks: bytes });
  const broken = await dir.quick(["verify", "--data", "data"]);
  assert.equal(broken.code, 5);
  assert.match(broken.out, /^INVALID\n3 chains/);
  assert.match(broken.out, /BAD_SIGNATURE block 3: /);
});

test("after a cut end the newest receipt's own blocks are said, besides those that are confirmed", async () => {
  using dir = new CommandDir();
  const chain = chainOf("payments");
  dir.store(chain, { blocks: chain.blocks.slice(0, 1).map(({ bytes }) => bytes) });
  const { code, out } = await dir.quick(["verify", "--data", "data"]);
  assert.equal(code, 4);
  assert.match(out, /^ {2}receipted {6}nothing, newest receipt .*Z, which covers blocks 0 to 5$/m);
});

test("without the vault's keys nothing is called receipted", async () => {
  using dir = new CommandDir();
  dir.store(chainOf("payments"));
  const words = ["verify", "data/store", "--root", "data/keys/root.pub"];
  const { code, out } = await dir.quick(words);
  assert.equal(code, 3);
  assert.match(out, /TAIL_UNCONFIRMED/);
  assert.match(out, /^ {2}receipted {6}nothing$/m);
  assert.match(out, /receipts of vault vault\.example: its keys were not given/);
  const half = await dir.quick([...words, "--vault-key", "data/keys/vault.pub"]);
  assert.equal(half.code, 2);
  assert.match(half.err, /has no partner.*\n.*give --vault-key twice/);
});

test("a chain of an untrusted root is not authenticated", async () => {
  using dir = new CommandDir();
  dir.store(chainOf("payments"));
  await dir.quick(["key", "new", "root.example", "-o", "other.key", "--no-passphrase"]);
  const [, , ...vaultWords] = keyWords;
  const words = ["verify", "data/store", "--root", "other.key", ...vaultWords];
  const { code, out } = await dir.quick(words);
  assert.equal(code, 5);
  assert.match(out, /UNKNOWN_ROOT/);
  assert.match(out, /^ {2}authenticated {2}nothing$/m);
});

test("an empty store and a damaged bundle cannot be judged", async () => {
  using dir = new CommandDir();
  dir.keys();
  dir.write("data/store/chains/.keep", "");
  const none = await dir.quick(["verify", "--data", "data"]);
  assert.equal(none.code, 6);
  assert.match(none.out, /^INDETERMINATE\n.*\nthere is no chain to verify\n$/);
  dir.write("b.tar", Buffer.alloc(2000, 7));
  const damaged = await dir.quick(["verify", "b.tar", ...keyWords]);
  assert.equal(damaged.code, 6);
  assert.match(damaged.out, /^INDETERMINATE\n/);
  assert.match(damaged.err, /\[bundle-invalid\]/);
});

test("a subject names all its chains, and a prefix that is too short none", async () => {
  using dir = new CommandDir();
  const two = ["a", "b"].map((key) => {
    const chain = new ChainBuilder("twin", { grantKey: key });
    chain.begin();
    dir.store(chain);
    return chain;
  });
  assert.equal(new Set(two.map(({ name }) => name)).size, 2);
  assert.equal(parseGrant(nativeSuite, two[0]!.grant).subject, "twin");
  const both = await dir.quick(["verify", "--data", "data", "twin"]);
  assert.equal(both.code, 0);
  for (const { name } of two) assert.ok(both.out.includes(`\nchain ${name} twin: VALID\n`));
  const short = await dir.quick(["verify", "--data", "data", two[0]!.name.slice(0, 5)]);
  assert.equal(short.code, 1);
  assert.match(short.err, /\[chain-unknown\]\nsealtail: hint: .*at least 6 digits/);
});

test("what a terminal would obey in names from outside is made visible", async () => {
  using dir = new CommandDir();
  const { code, err } = await dir.quick(["verify", "--root", "r", "\x1b[2Jdata"]);
  assert.equal(code, 1);
  assert.ok(!err.includes("\x1b"));
});

test("a private key that was given for a public one is refused and not repeated", async () => {
  using dir = new CommandDir();
  dir.store(chainOf("payments"));
  const seed = "5e".repeat(32);
  const text = `sealtail/1 key\npublic k\nencryption none\nseed ${seed}`;
  for (const given of [text, `seed ${seed}`]) {
    const { code, out, err } = await dir.quick(["verify", "data/store", "--root", given]);
    assert.match(err, /is a private key's text \[public-key-invalid\]/);
    assert.ok(!(out + err).includes("5e5e"));
    assert.equal(code, 2);
  }
});

test("a file of authorities that holds none is refused before anything is asked", async () => {
  using dir = new CommandDir();
  dir.keys();
  dir.write("ca.pem", "no certificate");
  const words = ["verify", "https://127.0.0.1:1", ...keyWords, "--ca", "ca.pem"];
  const { code, err } = await dir.quick(words);
  assert.match(err, /is not a PEM certificate: DIR\/ca\.pem \[tls-file-invalid\]/);
  assert.equal(code, 78);
});

test("explicit keys replace those of --data as a whole, and all that were trusted are named", async () => {
  using dir = new CommandDir();
  const chain = chainOf("payments");
  dir.store(chain, { blocks: chain.blocks.slice(0, 3).map(({ bytes }) => bytes) });
  // A copy that brings vault keys of its own, and a receipt by them over what is left.
  const thief = new TestVault("vault.example", "thief");
  const receipt = thief.receipt(chain.id, 3, chain.roots[3] as Uint8Array, testTime + 60);
  dir.write(`data/store/chains/${chain.name}/receipt`, receipt);
  for (const [file, { key }] of [
    ["vault.pub", thief.receiptKey],
    ["vault-time.pub", thief.timeKey],
  ] as const) {
    dir.write(`data/keys/${file}`, `${formatVerifierKey(key)}\n`);
  }
  const root = formatVerifierKey(testRoot.key);
  const own = await dir.quick(["verify", "--data", "data"]);
  assert.equal(own.trusted.length, 3);
  assert.match(own.trusted.join(""), /trusted vault key vault\.example\+\S+, from DIR\/data\/keys/);
  const explicit = await dir.quick(["verify", "--data", "data", "--root", root, "--json"]);
  const { verdict, trusted, counts } = JSON.parse(explicit.out);
  assert.deepEqual(trusted, [{ use: "root", key: root, from: "command line" }]);
  assert.notEqual(verdict, "VALID");
  assert.ok(counts.TAIL_UNCONFIRMED > 0);
  const noRoot = await dir.quick(["verify", "--data", "data", ...keyWords.slice(2)]);
  assert.match(noRoot.err, /there is no root key to trust/);
  assert.equal(noRoot.code, 2);
});

test("a root key that is a vault's key, too, is no root key", async () => {
  using dir = new CommandDir();
  dir.store(chainOf("payments"));
  const { receipt } = new TestVault().keys;
  const root = formatVerifierKey(verifierKey(nativeSuite, "root", 1, receipt.publicKey));
  const { code, err } = await dir.quick(["verify", "data/store", "--root", root, ...keyWords]);
  assert.match(err, /root key root is a vault's key, too \[public-key-invalid\]/);
  assert.equal(code, 2);
});

test("without payloads the verdict is never a pass, and what they hold is not told as nothing", async () => {
  using dir = new CommandDir();
  dir.store(chainOf("payments"));
  const words = ["verify", "--data", "data", "--headers-only"];
  const { code, out } = await dir.quick(words);
  assert.equal(code, 6);
  assert.match(out, /^INDETERMINATE\n/);
  assert.match(out, /only headers were read/);
  assert.match(out, /gaps +not known/);
  const json = JSON.parse((await dir.quick([...words, "--json"])).out);
  assert.deepEqual([json.verdict, json.exitCode, json.headersOnly], ["INDETERMINATE", 6, true]);
});

test("the age of a chain that is final is shown, and is no finding", async () => {
  using dir = new CommandDir();
  const chain = new ChainBuilder("payments");
  chain.begin();
  chain.seal([say({ type: "stop", reason: "retired" })], { kind: "final" });
  dir.store(chain);
  const { code, out } = await dir.quick(["verify", "--data", "data", "--at", "2026-03-01"]);
  assert.equal(code, 0);
  assert.match(out, /age +newest block is \d+ s old, and the chain is final/);
});
