import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import test from "node:test";
import { parseGrant } from "../../src/core/grant.ts";
import { parseVerifierKey } from "../../src/core/note.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { CommandDir } from "./command.ts";

test("a key is made once, with its public line beside it and on stdout", async () => {
  using dir = new CommandDir();
  const made = await dir.run(["key", "new", "acme-root", "-o", "root.key", "--no-passphrase"]);
  assert.deepEqual([made.code, made.err], [0, ""]);
  const key = parseVerifierKey(nativeSuite, made.out.trimEnd());
  assert.deepEqual([key.name, key.type], ["acme-root", 1]);
  assert.equal(readFileSync(dir.path("root.key.pub"), "utf8"), made.out);
  assert.equal(statSync(dir.path("root.key")).mode & 0o777, 0o600);
  const shown = await dir.run(["key", "show", "root.key"]);
  assert.deepEqual([shown.code, shown.out], [0, made.out]);
  const shownAgain = await dir.quick(["key", "show", "root.key.pub"]);
  assert.deepEqual([shownAgain.code, shownAgain.out], [0, made.out]);
  const again = await dir.run(["key", "new", "other", "-o", "root.key", "--no-passphrase"]);
  assert.equal(again.code, 1);
  assert.equal(
    again.err,
    "sealtail: error: the file is there already: DIR/root.key [file-exists]\n" +
      "sealtail: hint: move the file away if it is not needed, or choose another name\n",
  );
});

test("a name that ends in /time makes a key that signs times", async () => {
  using dir = new CommandDir();
  const words = ["key", "new", "vault.example/time", "-o", "time.key", "--no-passphrase"];
  const { out } = await dir.quick(words);
  assert.equal(parseVerifierKey(nativeSuite, out.trimEnd()).type, 4);
});

test("without a terminal a passphrase must be given", async () => {
  using dir = new CommandDir();
  const { code, out, err } = await dir.quick(["key", "new", "root", "-o", "root.key"]);
  assert.deepEqual([code, out], [1, ""]);
  assert.match(err, /\[passphrase-missing\]\nsealtail: hint: .*SEALTAIL_PASSPHRASE/);
});

test("a grant is signed with the passphrase from environment or file, and is shown", async () => {
  using dir = new CommandDir();
  dir.write("secret", "opensesame\nsecond line\n");
  const env = { SEALTAIL_PASSPHRASE: "opensesame" };
  await dir.quick(["key", "new", "acme-root", "-o", "root.key"], env);
  const words = ["grant", "new", "--root", "root.key", "--subject", "payments"];
  const rest = ["--audience", "vault.example", "--source", "/var/log/*", "--source", "/srv/**"];
  const ends = ["--not-after", "2099-01-01", "--max-chains", "3", "--max-silence", "2m"];
  const from = ["--passphrase-file", "secret", "-o", "grant.txt"];
  const made = await dir.quick([...words, ...rest, ...ends, ...from]);
  assert.deepEqual([made.code, made.out], [0, ""]);
  assert.equal(made.err, "wrote DIR/grant.txt and its private key DIR/grant.txt.key\n");
  const grant = parseGrant(nativeSuite, readFileSync(dir.path("grant.txt")));
  assert.deepEqual(grant.sources, ["/var/log/*", "/srv/**"]);
  assert.deepEqual([grant.maxChains, grant.maxSilenceMs], [3, 120_000]);
  assert.equal(grant.notAfter, 4_070_908_800);
  const key = (await dir.quick(["key", "show", "grant.txt.key"])).out.trimEnd();
  assert.deepEqual(parseVerifierKey(nativeSuite, key).publicKey, grant.key);
  const shown = await dir.quick(["grant", "show", "grant.txt"]);
  assert.equal(shown.code, 0);
  assert.match(shown.out, /^subject {6}payments$/m);
  assert.match(shown.out, /^not after {4}2099-01-01T00:00:00\.000Z$/m);
  assert.match(shown.out, /^signed by {4}acme-root\+[0-9a-f]{8} \(not judged\)$/m);
  const wrong = await dir.quick([...words, "--audience", "v", "-o", "g2"], {
    SEALTAIL_PASSPHRASE: "other",
  });
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /\[passphrase-wrong\]/);
  assert.throws(() => statSync(dir.path("g2.key")));
});

const misuse: readonly (readonly [words: string, code: number, err: RegExp])[] = [
  ["frobnicate", 2, /^sealtail: error: unknown command 'frobnicate'\nsealtail: hint: `sealtail /],
  ["key new a b -o f", 2, /too many arguments/],
  ["key new root", 2, /required option '-o, --output <file>' not specified/],
  ["key new a+b -o f --no-passphrase", 2, /\[argument-invalid\]/],
  ["key show nothing", 1, /couldn't find the key file: DIR\/nothing \[file-missing\]/],
  ["grant new --root r --subject s --audience v -o g --max-chains 0", 2, /--max-chains is 0/],
  ["grant new --root r --subject s --audience v -o g --max-silence 60", 2, /--max-silence is 60/],
  ["grant new --root r --subject s --audience v -o g --not-after soon", 2, /want a date such as/],
  ["grant new --root r --subject s --audience v -o g --role boss", 2, /--role is boss/],
  ["verify --json", 2, /there is no SOURCE/],
  ["verify store", 2, /there is no root key to trust/],
  ["verify store --root nokey", 1, /couldn't find the public key: DIR\/nokey/],
  ["verify store --root a+00000000+AAAA", 2, /\[public-key-invalid\]/],
  ["lines store", 1, /couldn.t find the source: DIR\/store/],
  ["prove store abc def", 2, /SEQ is def/],
  ["lines ftp://x chain", 2, /this version reads vaults, directories and bundles/],
  ["lines . chain", 2, /the directory is no store/],
];

test("what is said wrongly is answered with the place and what to do", async () => {
  using dir = new CommandDir();
  for (const [words, code, err] of misuse) {
    const ran = await dir.quick(words.split(" "));
    assert.equal(ran.out, "", words);
    assert.match(ran.err, err);
    assert.match(ran.err, /^sealtail: hint: /m, words);
    assert.equal(ran.code, code, words);
  }
});

test("npm's scripts take relative paths from where npm was called", async () => {
  using dir = new CommandDir();
  const env = { npm_package_name: "sealtail", INIT_CWD: dir.path("sub") };
  const words = ["key", "show", "x.key"];
  const asScript = await dir.quick(words, { ...env, npm_lifecycle_event: "sealtail" });
  assert.match(asScript.err, /DIR\/sub\/x\.key/);
  const asTest = await dir.quick(words, { ...env, npm_lifecycle_event: "test" });
  assert.match(asTest.err, /DIR\/x\.key/);
});

test("check tells all that is wrong with a configuration, and exits 78", async () => {
  using dir = new CommandDir();
  dir.write("agent.yaml", "version: 1\nname: a b\nfoo: 1\n");
  const bad = await dir.quick(["check", "--config", "agent.yaml"]);
  assert.deepEqual([bad.code, bad.out], [78, ""]);
  assert.match(bad.err, /DIR\/agent\.yaml:2:7 \[config-invalid\]/);
  assert.match(bad.err, /\[config-unknown-key\]/);
  assert.ok((bad.err.match(/sealtail: error: /g) ?? []).length > 3);
  const none = await dir.quick(["check", "--config", "none.yaml"]);
  assert.deepEqual([none.code, none.out], [78, ""]);
});
