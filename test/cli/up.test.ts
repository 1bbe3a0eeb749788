import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import test from "node:test";
import { CommandDir, type Ran } from "./command.ts";

/** Ports that others may hold are no matter: `up` takes any where its own are taken. */
function once(dir: CommandDir, ...words: string[]): Promise<Ran> {
  return dir.run(["up", "--once", "--data", "data", ...words]);
}

test("what a file holds is sealed once and valid; the pause is a finding; a changed byte is found", async () => {
  using dir = new CommandDir();
  const content = "one\r\n\n\0two\xff\nthe last without an end";
  dir.write("app.log", Buffer.from(content, "latin1"));

  const first = await once(dir, "app.log");
  assert.equal(first.err, "");
  assert.match(first.out, /^VALID\n1 chain, \d+ blocks, \d+ envelopes in DIR\/data\/store\n/);
  assert.equal(first.code, 0);

  const again = await once(dir);
  assert.match(again.out, /^VALID_WITH_FINDINGS\n[\s\S]*\n {2}DOWNTIME block \d+: /);
  assert.equal(again.code, 3);

  const sealed = await dir.quick(["lines", "--data", "data", "--raw"]);
  assert.equal(sealed.bytes.toString("latin1"), content);

  const chains = dir.path("data/store/chains");
  const [chain = ""] = readdirSync(chains);
  const blocks = `${chains}/${chain}/0000000000000000.blocks`;
  const bytes = readFileSync(blocks);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  chmodSync(blocks, 0o600);
  writeFileSync(blocks, bytes);
  const tampered = await dir.quick(["verify", "--data", "data"]);
  assert.match(tampered.out, /^INVALID\n[\s\S]*\n {2}PAYLOAD_HASH_MISMATCH block \d+: /);
  assert.match(tampered.out, new RegExp(`\n {4}in chains/${chain}/0{16}\\.blocks, byte \\d+\n`));
  assert.equal(tampered.code, 5);
});

test("--once seals nothing where a file that was named is not there", async () => {
  using dir = new CommandDir();
  const { code, out, err } = await once(dir, "nothere.log");
  assert.match(
    err,
    /^sealtail: error: couldn't find the file: DIR\/nothere\.log \[file-missing\]\n/,
  );
  assert.equal(out, "");
  assert.equal(code, 1);
  assert.deepEqual(readdirSync(dir.dir), []);
});

test("--once seals nothing where a file that was named cannot be read", {
  skip: process.getuid?.() === 0 && "root reads everything",
}, async () => {
  using dir = new CommandDir();
  dir.write("app.log", "line\n");
  chmodSync(dir.path("app.log"), 0);
  const { code, err } = await once(dir, "app.log");
  assert.match(err, /couldn't open the file \(EACCES\): DIR\/app\.log \[permission-denied\]\n/);
  assert.equal(code, 1);
  assert.deepEqual(readdirSync(dir.dir), ["app.log"]);
});

test("--once says what it does not follow, and why", async () => {
  using dir = new CommandDir();
  dir.write("app.log", "one\n");
  await once(dir, "app.log");
  const other = await dir.run(["up", "--once", "--data", "other", "data/store/chains/*/*.blocks"]);
  assert.match(other.err, /warning: not followed: DIR\/.*chains.*own data \[self-ingest\]/);
  assert.match(other.err, /there was no file to seal/);
});

test("--once says that a glob matched nothing", async () => {
  using dir = new CommandDir();
  const { code, err } = await once(dir, "*.log");
  assert.equal(err, "sealtail: warning: there was no file to seal\n");
  assert.equal(code, 0);
});
