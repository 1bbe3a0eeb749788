import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import test from "node:test";
import { formatGrant, type GrantTerms } from "../../src/core/grant.ts";
import { formatNote, formatVerifierKey } from "../../src/core/note.ts";
import { systemFiles } from "../../src/host/files.ts";
import { createKey, noteSigner } from "../../src/host/keys.ts";
import { systemRandom } from "../../src/host/random.ts";
import { testRoot, testVault } from "../fakes/chain-builder.ts";
import { CommandDir, type Ran } from "./command.ts";

const { receipt, time } = testVault.keys;

test("a sound configuration is said to be one, and of what", async () => {
  using dir = new CommandDir();
  dir.write("app.log", "");
  dir.write(
    "agent.yaml",
    `version: 1
name: a
state_dir: state
sources: [{ name: app, include: ["*.log"] }]
sink: { url: "http://127.0.0.1:1" }
trust: { vault_keys: ["${formatVerifierKey(receipt)}", "${formatVerifierKey(time)}"] }
grant: { file: grant, key: grant.key }
`,
  );
  const agent = await dir.quick(["check", "--config", "agent.yaml"]);
  assert.equal(agent.out, "OK: DIR/agent.yaml is an agent configuration\n");
  assert.equal(agent.code, 0);
});

test("all problems are told at once, each with its place, and nothing is started", async () => {
  using dir = new CommandDir();
  dir.write("agent.yaml", "version: 1\nname: a b\nstate_dirr: x\n");
  const { code, out, err } = await dir.quick(["check", "--config", "agent.yaml"]);
  assert.match(err, /name is "a b", want .*: DIR\/agent\.yaml:2:7 \[config-invalid\]/);
  assert.match(err, /state_dirr is no known key, want state_dir: DIR\/agent\.yaml:3:1/);
  assert.match(err, /sink is missing.* \[config-missing\]/);
  assert.equal(out, "");
  assert.equal(code, 78);
});

const day = 86_400;
const root = noteSigner(new Uint8Array(32).fill(8), "root", 1);

/** An agent's configuration with a grant and its key, and logs/app.log. */
async function agentDir(grant: Partial<GrantTerms> = {}, more = ""): Promise<CommandDir> {
  const dir = new CommandDir();
  await enrol(dir, grant);
  dir.write("logs/app.log", "line\n");
  dir.write(
    "agent.yaml",
    `version: 1
name: a
state_dir: state
sources: [{ name: app, include: ["logs/*.log"] }]
sink: { url: "http://127.0.0.1:1" }
trust: { vault_keys: ["${formatVerifierKey(receipt)}", "${formatVerifierKey(time)}"]${more} }
grant: { file: grant, key: grant.key }
`,
  );
  return dir;
}

/** Writes a grant of `root`, and its key. */
async function enrol(dir: CommandDir, terms: Partial<GrantTerms>): Promise<void> {
  const path = dir.path("grant.key");
  const common = { files: systemFiles, random: systemRandom, path };
  const made = await createKey({ ...common, name: "grant", type: 1 });
  const now = Math.floor(Date.now() / 1000);
  const text = formatGrant({
    ...{ id: new Uint8Array(16), role: "write", subject: "a", audience: receipt.name },
    ...{ sources: [], notBefore: now - day, notAfter: now + day, maxChains: 1 },
    ...{ maxSilenceMs: 60_000, key: made.key.publicKey },
    ...terms,
  });
  dir.write("grant", formatNote(text, [root.signNote(text)]));
}

const check = (dir: CommandDir, name = "agent"): Promise<Ran> =>
  dir.quick(["check", "--config", `${name}.yaml`]);

test("a grant that fits, with files that it covers, is worth no word", async () => {
  using dir = await agentDir({}, `, root_keys: ["${formatVerifierKey(root.key)}"]`);
  const { code, err } = await check(dir);
  assert.deepEqual([code, err], [0, ""]);
});

test("a grant with which a start ends is refused, with all that is wrong with it", async () => {
  using dir = await agentDir({ subject: "b", audience: "elsewhere.example", role: "admin" });
  const { code, out, err } = await check(dir);
  assert.match(
    err,
    /grant is for role admin, want write: DIR\/agent\.yaml:7:16 \[grant-unusable\]/,
  );
  assert.match(err, /grant is for subject b, want a, the configuration's name/);
  assert.match(err, /grant is for vault elsewhere\.example, and no key of that vault is trusted/);
  assert.deepEqual([code, out], [78, ""]);
});

test("the key of another grant, and what is no grant or no key, are refused", async () => {
  using dir = await agentDir({ key: testRoot.key.publicKey });
  const other = await check(dir);
  assert.match(other.err, /grant does not belong to the key in DIR\/grant\.key/);
  assert.equal(other.code, 78);
  dir.write("grant.key", `${formatVerifierKey(testRoot.key)}\n`);
  const noKey = await check(dir);
  assert.match(noKey.err, /DIR\/agent\.yaml:7:\d+ \[key-file-invalid\]/);
  assert.equal(noKey.code, 78);
  dir.write("grant", "no grant\n");
  const noGrant = await check(dir);
  assert.match(noGrant.err, /\[grant-unusable\]/);
  assert.equal(noGrant.code, 78);
});

test("a grant that no vault would take is worth a warning", async () => {
  using ended = await agentDir({ notAfter: 1_700_000_000 });
  const { code, err } = await check(ended);
  assert.match(err, /warning: grant\.file ended at 2023-11-14T22:13:20\.000Z: no vault takes it/);
  assert.equal(code, 0);
  using early = await agentDir({ notBefore: 4_000_000_000, notAfter: 4_000_000_001 });
  assert.match((await check(early)).err, /warning: grant\.file begins at 2096-/);
  const last = Number.MAX_SAFE_INTEGER;
  using never = await agentDir({ notBefore: last - 5, notAfter: last });
  const { err: said } = await check(never);
  assert.match(said, /warning: grant\.file begins at @9007199254740986: no vault takes it yet/);
  const stranger = formatVerifierKey(noteSigner(new Uint8Array(32).fill(9), "other", 1).key);
  using foreign = await agentDir({}, `, root_keys: ["${stranger}"]`);
  assert.match(
    (await check(foreign)).err,
    /warning: grant\.file goes with none of trust\.root_keys/,
  );
});

test("a grant or a key that is not there yet is told until the first chain has begun", async () => {
  using dir = await agentDir();
  rmSync(dir.path("grant.key"));
  const want = /warning: grant\.file or grant\.key is not there: .* wait for DIR\/grant\.key: DIR/;
  const { code, err } = await check(dir);
  assert.match(err, want);
  assert.equal(code, 0);
  dir.write("state/chains/0000/keys", "");
  assert.equal((await check(dir)).err, "");
});

test("files outside the grant, used up or not, are named before they are missed", async () => {
  using dir = await agentDir({ sources: ["/var/nothing/*"] });
  dir.write("logs/other.log", "line\n");
  const want =
    /warning: sources\[0\] means files outside the grant, 2 in all, the first is DIR\/logs/;
  const { code, err } = await check(dir);
  assert.match(err, want);
  assert.equal(code, 0);
  rmSync(dir.path("grant.key"));
  assert.match((await check(dir)).err, want);
  // A start on a chain that has begun reads no grant.
  dir.write("grant", "no grant\n");
  const garbled = await check(dir);
  assert.match(garbled.err, /warning: grant\.file holds no grant: DIR\/agent\.yaml:7:16/);
  assert.equal(garbled.code, 0);
});

test("a pattern that matches no file is told with its place", async () => {
  using dir = await agentDir();
  const text = readFileSync(dir.path("agent.yaml"), "utf8");
  dir.write("agent.yaml", text.replace('"logs/*.log"', '"logs/*.log", "lgos/*.log"'));
  const { code, err } = await check(dir);
  assert.match(err, /warning: sources\[0\]\.include\[1\] matches no file: DIR\/agent\.yaml:4:48\n/);
  assert.doesNotMatch(err, /include\[0\]/);
  assert.equal(code, 0);
});

test("what an agent would not follow is told", async () => {
  using dir = await agentDir();
  dir.write("logs/state.log", "");
  const text = readFileSync(dir.path("agent.yaml"), "utf8");
  dir.write("agent.yaml", text.replace("state_dir: state", "state_dir: logs/state.log"));
  assert.match(
    (await check(dir)).err,
    /sources cannot all be followed: refused to tail own files: DIR/,
  );
});

/** A vault's configuration with keys of its own. */
async function vaultDir(name = "v", listen = "127.0.0.1:0"): Promise<CommandDir> {
  const dir = new CommandDir();
  for (const [file, key, type] of [
    ["vault.key", "v", 1],
    ["vault-time.key", "v/time", 4],
  ] as const) {
    const path = dir.path(file);
    await createKey({ files: systemFiles, random: systemRandom, path, name: key, type });
  }
  dir.write(
    "vault.yaml",
    `version: 1
name: ${name}
state_dir: state
keys: { receipt: vault.key, time: vault-time.key }
listen: ${listen}
store: { type: dir, path: store }
trust: { root_keys: ["${formatVerifierKey(testRoot.key)}"] }
`,
  );
  return dir;
}

test("what a vault would not start with, check refuses, all of it at once", async () => {
  using sound = await vaultDir();
  const fine = await check(sound, "vault");
  assert.deepEqual([fine.code, fine.err], [0, ""]);
  assert.equal(fine.out, "OK: DIR/vault.yaml is a vault configuration\n");
  using dir = await vaultDir("w", "0.0.0.0:0");
  const { code, out, err } = await check(dir, "vault");
  assert.match(err, /\[access-closed\]/);
  assert.match(
    err,
    /receipt key is v of type 1, want w of type 1: DIR\/vault\.yaml:4:18 \[vault-key/,
  );
  assert.match(err, /time key is v\/time of type 4, want w\/time of type 4/);
  assert.deepEqual([code, out], [78, ""]);
  const started = await dir.quick(["vault", "--config", "vault.yaml"]);
  assert.match(started.err, /\[access-closed\]/);
  assert.equal(started.code, 78);
});

test("an encrypted key is judged without its passphrase, and with it", async () => {
  using dir = await vaultDir();
  rmSync(dir.path("vault.key"));
  const common = { files: systemFiles, random: systemRandom, path: dir.path("vault.key") };
  await createKey({ ...common, name: "v", type: 1, passphrase: "p", cost: 10 });
  const { code, err } = await check(dir, "vault");
  assert.match(
    err,
    /warning: keys\.receipt is encrypted: the vault needs SEALTAIL_PASSPHRASE: DIR/,
  );
  assert.equal(code, 0);
  const words = ["check", "--config", "vault.yaml"];
  const right = await dir.quick(words, { SEALTAIL_PASSPHRASE: "p" });
  assert.deepEqual([right.code, right.err], [0, ""]);
  const wrong = await dir.quick(words, { SEALTAIL_PASSPHRASE: "q" });
  assert.match(wrong.err, /\[passphrase-wrong\]/);
  assert.equal(wrong.code, 78);
});

test("what is no pair of certificate and key is refused", async () => {
  using dir = await vaultDir();
  dir.write("tls.crt", "no certificate\n");
  const text = readFileSync(dir.path("vault.yaml"), "utf8");
  dir.write("vault.yaml", `${text}tls: { cert: tls.crt, key: tls.crt }\n`);
  const { code, err } = await check(dir, "vault");
  assert.match(err, /DIR\/vault\.yaml:8:6 \[tls-file-invalid\]/);
  assert.equal(code, 78);
});

test("a vault's state in its store is refused before it is started", async () => {
  using dir = await vaultDir();
  const text = readFileSync(dir.path("vault.yaml"), "utf8");
  dir.write("vault.yaml", text.replace("state_dir: state", "state_dir: store"));
  const { code, err } = await check(dir, "vault");
  assert.match(err, /want them apart: DIR\/vault\.yaml:3:12 \[config-invalid\]/);
  assert.equal(code, 78);
});

test("keys that were swapped, the same key twice, a public key: check refuses them", async () => {
  for (const [keys, want] of [
    ["receipt: vault-time.key, time: vault.key", /receipt key is v\/time of type 4/],
    ["receipt: vault.key, time: vault.key", /receipt and time key are the same key/],
    ["receipt: vault.pub, time: vault-time.key", /\[key-file-invalid\]/],
  ] as const) {
    using dir = await vaultDir();
    dir.write("vault.pub", `${formatVerifierKey(testRoot.key)}\n`);
    const text = readFileSync(dir.path("vault.yaml"), "utf8");
    dir.write("vault.yaml", text.replace(/receipt: .*key /, `${keys} `));
    const { code, err } = await check(dir, "vault");
    assert.match(err, want);
    assert.equal(code, 78);
    assert.notEqual((await dir.quick(["vault", "--config", "vault.yaml"])).code, 0);
  }
});
