import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { ChainBuilder, testTime } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { CommandDir, keyWords } from "./command.ts";

function chainOf(blocks: number): ChainBuilder {
  const chain = new ChainBuilder("payments", { codec: "zstd" });
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  chain.seal([say(record), lines(id, "one\ntwo\n")]);
  for (let block = 2; block < blocks; block += 1) {
    const text = Array.from({ length: 20 }, (_, line) => `block ${block} line ${line}\n`);
    chain.seal([lines(id, text.join(""))]);
  }
  return chain;
}

test("a line is proved, and the proof holds with nothing but the keys", async () => {
  using dir = new CommandDir();
  dir.store(chainOf(9));
  const made = await dir.run(["prove", "--data", "data", "payments", "30", "-o", "line.proof"]);
  assert.deepEqual([made.code, made.out, made.err], [0, "", ""]);
  const checked = await dir.run(["verify-proof", "line.proof", ...keyWords]);
  assert.equal(checked.code, 0);
  assert.match(
    checked.out,
    /^VALID, vouched for by vault.example\nline {9}block 3 line 4\nseq {10}30 in block 3\n/,
  );
  assert.match(checked.out, /not checked {2}blocks 1 to 2: vault.example vouches for them, nobody/);
  assert.match(
    checked.trusted.join(""),
    /^trusted root key root\.example\+[0-9a-f]{8}\+\S+, from .+$/m,
  );
  const raw = await dir.run(["verify-proof", "line.proof", "--data", "data", "--raw"]);
  assert.equal(raw.out, "block 3 line 4\n");
  const json = JSON.parse(
    (await dir.quick(["verify-proof", "line.proof", "--data", "data", "--json"])).out,
  );
  assert.deepEqual([json.verdict, json.seq, json.block], ["VALID", 30, 3]);
  assert.deepEqual(
    [json.proof, json.vouchedBy, json.trusted.length],
    ["short", "vault.example", 3],
  );
  assert.equal(Buffer.from(json.base64, "base64").toString(), "block 3 line 4");
  const printed = await dir.quick(["prove", "data/store", "payments", "30"]);
  assert.equal(printed.out, readFileSync(dir.path("line.proof"), "utf8"));
});

test("a full proof holds with the root key alone, and needs no receipt", async () => {
  using dir = new CommandDir();
  const chain = chainOf(9);
  dir.store(chain, { receipt: chain.receipt(5) });
  const root = ["--root", "data/keys/root.pub"];
  for (const [seq, receipt] of [
    ["30", "of vault.example, not judged: no keys of it were given"],
    ["130", "none"],
  ] as const) {
    const made = await dir.quick(["prove", "--data", "data", "payments", seq, "--full"]);
    assert.deepEqual([made.code, made.err], [0, ""]);
    dir.write("p", made.out);
    const alone = await dir.quick(["verify-proof", "p", ...root]);
    assert.equal(alone.code, 0);
    assert.match(alone.out, /^VALID, from the grant on\nline {9}block \d line \d+\n/);
    assert.ok(alone.out.includes(`\nreceipt      ${receipt}\n`), alone.out);
    assert.ok(!/^(?:not checked| ) .*vouches/m.test(alone.out));
    const json = JSON.parse((await dir.quick(["verify-proof", "p", ...root, "--json"])).out);
    assert.deepEqual([json.proof, json.vouchedBy], ["full", null]);
    assert.equal(json.trusted.length, 1);
  }
  dir.write("p", (await dir.quick(["prove", "--data", "data", "payments", "30", "--full"])).out);
  const timed = await dir.quick(["verify-proof", "p", "--data", "data"]);
  assert.match(timed.out, /^receipt {6}of vault.example, 2026-01-01T\S+Z$/m);
});

test("a full proof takes no receipt that does not hold", async () => {
  using dir = new CommandDir();
  const [chain, other] = [chainOf(5), chainOf(4)];
  dir.store(chain, { receipt: other.receipt().replace("\n4\n", "\n5\n") });
  const made = await dir.quick(["prove", "--data", "data", "payments", "12", "--full"]);
  assert.equal(made.code, 0);
  assert.ok(!made.out.includes("tlog-proof"));
  const short = await dir.quick(["prove", "--data", "data", "payments", "12"]);
  assert.deepEqual([short.code, short.out], [1, ""]);
});

test("a version of proofs that is not known is no verdict, exit 6", async () => {
  using dir = new CommandDir();
  dir.store(chainOf(3));
  const { out } = await dir.quick(["prove", "--data", "data", "payments", "4", "--full"]);
  dir.write("p", out.replace("sealtail/1", "sealtail/2"));
  const ran = await dir.quick(["verify-proof", "p", "--data", "data"]);
  assert.equal(ran.code, 6);
  assert.match(ran.out, /^INDETERMINATE\n {2}UNSUPPORTED: /);
});

test("records, the genesis and the last line can be proved too", async () => {
  using dir = new CommandDir();
  dir.store(chainOf(4));
  for (const seq of ["0", "2", "3", "4", "45"]) {
    const { out, code } = await dir.quick(["prove", "--data", "data", "payments", seq]);
    assert.equal(code, 0);
    dir.write("p", out);
    assert.equal((await dir.quick(["verify-proof", "p", "--data", "data"])).code, 0, seq);
  }
});

test("a bent proof says nothing but why it fails", async () => {
  using dir = new CommandDir();
  dir.store(chainOf(5));
  const { out } = await dir.quick(["prove", "--data", "data", "payments", "12"]);
  const bent = [
    out.replace(/^(envelope .{140})(.)/m, (_, head, char) => head + (char === "A" ? "B" : "A")),
    out.replace(/^group .*\n/m, ""),
    out.replace("line-proof", "line-proofs"),
    out.slice(0, 300),
    "",
  ];
  for (const [index, text] of bent.entries()) {
    dir.write("p", text);
    for (const form of [[], ["--json"], ["--raw"]]) {
      const ran = await dir.quick(["verify-proof", "p", "--data", "data", ...form]);
      assert.equal(ran.code, 5, `${index}`);
      assert.match(ran.out + ran.err, /PROOF_INVALID/);
      assert.ok(!ran.out.includes("block 2 line"));
    }
  }
});

test("what receipts do not cover, or nobody vouches for, is not proved", async () => {
  using dir = new CommandDir();
  const chain = chainOf(6);
  dir.store(chain, { receipt: chain.receipt(3) });
  const early = await dir.quick(["prove", "--data", "data", "payments", "10"]);
  assert.equal(early.code, 0);
  const late = await dir.quick(["prove", "--data", "data", "payments", "50"]);
  assert.deepEqual([late.code, late.out], [1, ""]);
  assert.match(late.err, /block 4 has no receipt yet, the newest covers 3 blocks/);
  const none = await dir.quick(["prove", "--data", "data", "payments", "5000"]);
  assert.match(none.err, /no block holds envelope 5000.*\[proof-impossible\]/);

  const blocks = chain.blocks.map(({ bytes }) => bytes.slice());
  const third = blocks[3] as Uint8Array;
  third[400] = (third[400] as number) ^ 1;
  dir.store(chain, { blocks });
  const broken = await dir.quick(["prove", "--data", "data", "payments", "50"]);
  assert.deepEqual([broken.code, broken.out], [1, ""]);
});

test("no line is proved of a chain that began outside of its grant's dates, as verify has it", async () => {
  const dates = [
    ["GRANT_NOT_YET_VALID", { notBefore: testTime + 5000, notAfter: testTime + 9000 }],
    ["GRANT_EXPIRED", { notBefore: testTime - 9000, notAfter: testTime - 5000 }],
  ] as const;
  for (const [code, terms] of dates) {
    for (const recorded of [true, false]) {
      using dir = new CommandDir();
      const chain = new ChainBuilder("payments", { terms });
      chain.begin();
      const { id, record } = chain.source("/var/log/app.log");
      chain.seal([say(record), lines(id, "one\n")]);
      if (recorded) chain.seal([say({ type: "receipt", note: chain.receipt(2) })]);
      dir.store(chain);
      assert.match((await dir.quick(["verify", "--data", "data"])).out, new RegExp(code));
      for (const kind of [[], ["--full"]]) {
        const made = await dir.quick(["prove", "--data", "data", "payments", "4", ...kind]);
        assert.deepEqual([made.code, made.out], [1, ""]);
        assert.match(made.err, new RegExp(`${code}.*proof-impossible`));
      }
    }
  }
});

test("a proof needs keys of root and vault", async () => {
  using dir = new CommandDir();
  dir.store(chainOf(3));
  dir.write("p", (await dir.quick(["prove", "data/store", "payments", "4"])).out);
  assert.equal((await dir.quick(["verify-proof", "p"])).code, 2);
  const half = await dir.quick(["verify-proof", "p", "--root", "data/keys/root.pub"]);
  assert.equal(half.code, 2);
  assert.match(half.err, /there are no vault keys to trust/);
  const made = await dir.quick(["prove", "data/store", "payments", "4"]);
  assert.match(made.err, /no root key was given: nobody judged the grant/);
});
