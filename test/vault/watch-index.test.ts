// When the watch writes its index: a vault that is killed has little to look at again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { openDirStore } from "../../src/store/dir.ts";
import { Catalog } from "../../src/vault/catalog.ts";
import { CatalogIndex } from "../../src/vault/catalog-index.ts";
import { OpenFindings } from "../../src/vault/open-findings.ts";
import { OwnNotes } from "../../src/vault/own-notes.ts";
import { Watch } from "../../src/vault/watch.ts";
import { testVault } from "../fakes/chain-builder.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { FakeFiles } from "../fakes/files.ts";

const chain = "cd".repeat(32);
const index = "/findings.ndjson";

async function startWatch(files: FakeFiles): Promise<{ watch: Watch; faults: unknown[] }> {
  const diag = new RecordingDiag();
  const faults: unknown[] = [];
  const store = await openDirStore({
    ...{ files, suite, now: () => 0, dir: "/store", asideDir: "/aside" },
  });
  const { keys } = testVault;
  const findings = new OpenFindings({ files, diag, path: index });
  const catalog = new Catalog({
    ...{ store, diag, notes: new OwnNotes(files, "/state"), findings, keys, startedAt: 0 },
    policy: { suite, keys: { roots: [], vaults: [keys] } },
    index: new CatalogIndex({ files, diag, roots: [], path: "/chains.ndjson" }),
    clear: async () => false,
  });
  const watch = new Watch({
    ...{ suite, diag, store, catalog, findings, expect: [], keys },
    forks: { giveBack: async () => [] },
    heads: { condemn: async () => undefined },
    gate: { fault: (error) => faults.push(error) > 0 },
  });
  await watch.survey(new AbortController().signal);
  return { watch, faults };
}

/** Ten thousand blocks come in, again and again up to `blocks`. */
async function fill(watch: Watch, from: number, blocks: number): Promise<void> {
  for (let at = from; at < from + blocks; at += 10_000) {
    watch.stored(chain, { from: at, to: at + 10_000, findings: [], stopped: false });
  }
  await watch.idle;
}

test("the index is written while the vault runs, each time that many blocks have come", async () => {
  const files = new FakeFiles();
  const { watch } = await startWatch(files);
  await fill(watch, 0, 60_000);
  assert.equal(await files.stat(index), undefined);
  await fill(watch, 60_000, 10_000);
  const again = new OpenFindings({ files, diag: new RecordingDiag(), path: index });
  await again.load(() => true);
  assert.equal(again.looked(chain), 70_000);
});

test("an index that can't be written is told, and written when it can", async () => {
  const files = new FakeFiles();
  const { watch, faults } = await startWatch(files);
  files.hook = (call) => {
    if (call === "create") throw Object.assign(new Error("no room"), { code: "ENOSPC" });
  };
  await fill(watch, 0, 70_000);
  assert.equal(faults.length, 1);
  files.hook = undefined;
  await fill(watch, 70_000, 70_000);
  assert.notEqual(await files.stat(index), undefined);
});
