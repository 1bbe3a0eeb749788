import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import { formatGrant } from "../../src/core/grant.ts";
import { formatNote } from "../../src/core/note.ts";
import { systemFiles as files } from "../../src/host/files.ts";
import { createKey } from "../../src/host/keys.ts";
import { systemRandom as random } from "../../src/host/random.ts";
import { testRoot, testTime, testVault } from "../fakes/chain-builder.ts";
import { chainOf, Rig } from "../vault/rig.ts";
import { CommandDir } from "./command.ts";

async function writeGrant(dir: CommandDir, role: "admin" | "write"): Promise<string> {
  const path = dir.path(`${role}.txt`);
  const made = { files, random, path: `${path}.key`, name: "alice", type: 1 } as const;
  const { key } = await createKey(made);
  const text = formatGrant({
    ...{ id: random.bytes(16), role, subject: "alice", audience: testVault.name, sources: [] },
    ...{ notBefore: testTime, notAfter: testTime + 1e9, maxChains: 1, maxSilenceMs: 60_000 },
    key: key.publicKey,
  });
  await writeFile(path, formatNote(text, [testRoot.sign(text)]));
  return path;
}

test("everything open in a chain is acknowledged, and asked again nothing is open", async () => {
  using dir = new CommandDir();
  await using rig = await Rig.start();
  const chain = chainOf("stopped-app");
  chain.begin();
  chain.stop();
  await rig.post(chain);
  const grant = await writeGrant(dir, "admin");
  const words = ["ack", rig.vault.url, "stopped-app", "--grant", grant, "--reason", "retired"];
  const first = await dir.quick(words);
  assert.deepEqual(
    [first.code, first.out],
    [0, "acknowledged STOPPED below block 2: 1 was open\n"],
  );
  assert.equal(await rig.metric("sealtail_vault_stopped_chains"), 0);
  const again = await dir.quick(words);
  assert.deepEqual([again.code, again.out], [0, ""]);
  assert.match(again.err, /nothing is open/);
});

test("a grant for another role, a code that is none and an empty reason are refused at once", async () => {
  using dir = new CommandDir();
  const url = "http://127.0.0.1:1";
  const write = await writeGrant(dir, "write");
  const role = await dir.quick(["ack", url, "app", "--grant", write, "--reason", "x"]);
  assert.equal(role.code, 78);
  assert.match(role.err, /grant is for role write, want admin/);
  assert.match(role.err, /hint: .*grant new --role admin/);
  assert.doesNotMatch(role.err, /role write,? and/);
  const rest = ["ack", url, "app", "--grant", write];
  const code = await dir.quick([...rest, "--reason", "x", "--code", "GAP"]);
  assert.deepEqual([code.code, /want a finding's code/.test(code.err)], [2, true]);
  const reason = await dir.quick([...rest, "--reason", " "]);
  assert.deepEqual([reason.code, /printable ASCII/.test(reason.err)], [2, true]);
});
