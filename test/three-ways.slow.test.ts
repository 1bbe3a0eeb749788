// The same store gives the same findings as a directory, as a bundle, and from a vault over HTTP.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { remoteSource } from "../src/cli/remote-source.ts";
import type { VerifiableSource } from "../src/core/chain-source.ts";
import { pairVaultKeys } from "../src/core/checkpoint.ts";
import { parseVerifierKey } from "../src/core/note.ts";
import { systemFiles } from "../src/host/files.ts";
import { openBundle } from "../src/store/bundle.ts";
import { readDirStore } from "../src/store/dir.ts";
import { verifySource } from "../src/verify/all.ts";
import type { Finding } from "../src/verify/finding.ts";
import type { StoreFiles } from "./fakes/chain-store.ts";
import { Rig, suite } from "./vault/rig.ts";
import { packTar, unpackTar } from "./vectors/make/tar.ts";

type Keys = { readonly roots: readonly string[]; readonly vaults: readonly string[] };

/** All that is said of a source, but for where it is. */
async function judged(source: VerifiableSource, keys: Keys, at: number | undefined) {
  const all: Finding[] = [];
  const report = await verifySource(source, {
    suite,
    roots: keys.roots.map((text) => parseVerifierKey(suite, text)),
    vaults: pairVaultKeys(keys.vaults.map((text) => parseVerifierKey(suite, text))),
    at,
    report: (finding) => all.push(finding),
  });
  return { ...report, source: "", all };
}

/** Judges one store in three ways. What the vault serves is laid under it while it runs. */
async function threeWays(rig: Rig, files: StoreFiles, keys: Keys, at?: number) {
  const dir = rig.store;
  await rm(dir, { recursive: true, force: true });
  await mkdir(join(dir, "chains"), { recursive: true });
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), bytes);
  }
  const near = await judged(readDirStore(systemFiles, dir), keys, at);
  await writeFile(join(rig.dir, "bundle.tar"), packTar(files));
  const bundle = await openBundle(systemFiles, join(rig.dir, "bundle.tar"));
  const packed = await judged(bundle, keys, at);
  await bundle.close();
  return { near, packed, far: await fromAfar(rig, keys, at) };
}

async function fromAfar(rig: Rig, keys: Keys, at?: number) {
  const source = await remoteSource(rig.vault.url, undefined);
  const far = await judged(source, keys, at);
  await source.close();
  return far;
}

const folder = new URL("./vectors/", import.meta.url);
const vectors = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".tar"))
  .sort();

test("every vector is judged the same as directory, bundle and vault", async () => {
  assert.ok(vectors.length > 100);
  // A store that was written just now is read only once it rests: several are waited for at once.
  const left = vectors.entries();
  await Promise.all(Array.from({ length: 4 }, () => judgeAll(left)));
});

async function judgeAll(left: Iterable<[number, string]>): Promise<void> {
  await using rig = await Rig.start();
  for (const [index, name] of left) {
    const files = unpackTar(readFileSync(new URL(name, folder)));
    const text = readFileSync(new URL(name.replace(/tar$/, "json"), folder), "utf8");
    const { roots, vaults, at } = JSON.parse(text) as Keys & { readonly at?: number };
    const { near, packed, far } = await threeWays(rig, files, { roots, vaults }, at);
    assert.deepEqual(packed, near, name);
    assert.deepEqual(far, near, name);
    if (index % 40 !== 0) continue;
    // A vault that starts on it looks at every chain; what it shows stays the same.
    await rig.restart();
    assert.deepEqual(await fromAfar(rig, { roots, vaults }, at), near, name);
  }
}
