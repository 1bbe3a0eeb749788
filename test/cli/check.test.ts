import assert from "node:assert/strict";
import test from "node:test";
import { formatVerifierKey } from "../../src/core/note.ts";
import { testRoot, testVault } from "../fakes/chain-builder.ts";
import { CommandDir } from "./command.ts";

const { receipt, time } = testVault.keys;

test("a sound configuration is said to be one, and of what", async () => {
  using dir = new CommandDir();
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
  dir.write("vault.key", "");
  dir.write(
    "vault.yaml",
    `version: 1
name: v
state_dir: state
keys: { receipt: vault.key, time: vault.key }
listen: 127.0.0.1:0
store: { type: dir, path: store }
trust: { root_keys: ["${formatVerifierKey(testRoot.key)}"] }
`,
  );
  const vault = await dir.quick(["check", "--config", "vault.yaml"]);
  assert.equal(vault.out, "OK: DIR/vault.yaml is a vault configuration\n");
  assert.equal(vault.code, 0);
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
