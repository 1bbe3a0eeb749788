import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { projectRoot } from "./source-text.ts";

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type Packages = Readonly<Record<string, LockedPackage>>;

/** What would make `npm ci` fail, or take other bytes, on another machine. */
function faultsOf(packages: Packages): string[] {
  return Object.entries(packages).flatMap(([path, one]) => [
    ...("resolved" in one ? [`${path} has an address`] : []),
    ...Object.keys(one.optionalDependencies ?? {})
      .filter((name) => !known(packages, path, name))
      .map((name) => `${path} names ${name}, which has no entry`),
    // A package for another platform may lack its hash: the mirror may not have had it.
    ...(path !== "" && !one.integrity && !one.optional ? [`${path} has no hash`] : []),
  ]);
}

/** As node looks for it: beside the package, or in a folder above. */
function known(packages: Packages, path: string, name: string): boolean {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")))) {
    if (packages[`${folder === "" ? "" : `${folder}/`}node_modules/${name}`]) return true;
    if (folder === "") return false;
  }
}

async function json(name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(projectRoot, name), "utf8"));
}

test("the lock file holds no addresses, and an entry for every platform's package", async () => {
  const { packages } = (await json("package-lock.json")) as { packages: Packages };
  assert.deepEqual(faultsOf(packages), []);
});

test("every dependency is pinned to one version, and the lock file agrees", async () => {
  const manifest = await json("package.json");
  const { packages } = (await json("package-lock.json")) as { packages: Packages };
  for (const part of ["dependencies", "devDependencies"]) {
    const wanted = (manifest[part] ?? {}) as Record<string, string>;
    for (const [name, version] of Object.entries(wanted)) {
      assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is ${version}, want one exact version`);
      assert.equal(packages[`node_modules/${name}`]?.version, version, name);
    }
  }
});

test("npm is told to keep addresses out of the lock file", async () => {
  const settings = await readFile(join(projectRoot, ".npmrc"), "utf8");
  assert.match(settings, /^omit-lockfile-registry-resolved=true$/m);
});

test("a fault in a lock file is found", () => {
  const entry = { version: "1.0.0", integrity: "sha512-x" };
  const user = { ...entry, optionalDependencies: { b: "1" } };
  assert.deepEqual(faultsOf({ "": {}, "node_modules/a": { ...entry, resolved: "x" } }), [
    "node_modules/a has an address",
  ]);
  assert.deepEqual(faultsOf({ "node_modules/a": user }), [
    "node_modules/a names b, which has no entry",
  ]);
  assert.deepEqual(faultsOf({ "node_modules/a": { version: "1.0.0" } }), [
    "node_modules/a has no hash",
  ]);
  const beside = { "node_modules/x/node_modules/@s/a": user, "node_modules/b": { optional: true } };
  assert.deepEqual(faultsOf(beside), []);
});
