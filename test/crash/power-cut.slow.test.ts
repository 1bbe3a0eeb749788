// The power is cut at random, under load: for the agent's state, for the vault's store, for both,
// and for the logs themselves. What was promised is kept.

import assert from "node:assert/strict";
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { findingClasses } from "../../src/core/fault.ts";
import { systemFiles } from "../../src/host/files.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { SeededRandom, seededNumbers } from "../fakes/random.ts";
import { builtBin } from "./built.ts";
import { CutDisk, type CutFlavour, whyNoCuts } from "./cut-disk.ts";
import { Rig } from "./rig.ts";
import { seed } from "./seed.ts";
import { assertWhole } from "./whole.ts";

const lacking = whyNoCuts();
if (lacking !== undefined && process.env["CI"] === "true") throw new Error(lacking);

interface Row {
  readonly what: string;
  readonly cuts: number;
  readonly mount?: string;
  readonly on: readonly ("state" | "store" | "logs")[];
}

const rows: readonly Row[] = [
  { what: "the agent's state", cuts: 12, on: ["state"] },
  { what: "the vault's store", cuts: 12, on: ["store"] },
  { what: "state and store", cuts: 10, on: ["state", "store"] },
  {
    what: "state and store, mounted data=writeback",
    cuts: 8,
    mount: "data=writeback",
    on: ["state", "store"],
  },
  { what: "state, store and the logs themselves", cuts: 8, on: ["state", "store", "logs"] },
];

class Load {
  readonly names: string[] = ["app.log"];
  readonly #rig: Rig;
  readonly #chance: () => number;
  readonly #random: SeededRandom;
  #count = 0;

  constructor(rig: Rig, chance: () => number) {
    this.#rig = rig;
    this.#chance = chance;
    this.#random = new SeededRandom(seed);
  }

  /** Until time is over, or the disk is. Every line is another one. */
  async writeFor(ms: number): Promise<void> {
    for (const until = Date.now() + ms; Date.now() < until; ) {
      const bulk = Buffer.from(this.#random.bytes(Math.floor(this.#chance() * 3000)));
      this.#rig.append("app.log", `line ${this.#count++} ${bulk.toString("base64")}\n`);
      if (this.#chance() < 0.05) this.#sync();
      await pause(this.#chance() * 8);
    }
  }

  rotate(): void {
    const rotated = `app.log.${this.names.length}`;
    renameSync(join(this.#rig.logs, "app.log"), join(this.#rig.logs, rotated));
    this.names.push(rotated);
    this.#rig.append("app.log", `after rotation ${this.names.length}\n`);
  }

  #sync(): void {
    const file = openSync(join(this.#rig.logs, "app.log"), "r");
    fsyncSync(file);
    closeSync(file);
  }
}

/** Blocks that the agent holds a receipt for, as it says itself. */
async function receipted(rig: Rig): Promise<number> {
  const status = await rig.status().catch(() => undefined);
  return status?.ship?.receiptedSize ?? 0;
}

async function storedBlocks(rig: Rig): Promise<number> {
  const store = readDirStore(systemFiles, rig.storeDir);
  const [chain] = (await store.contents()).chains;
  return chain === undefined ? 0 : (await chain.newest()).size;
}

/** One life of both, ended by a cut; returns what had been receipted before it. */
async function liveUntilCut(
  rig: Rig,
  disk: CutDisk,
  load: Load,
  chance: () => number,
): Promise<void> {
  await rig.startVault();
  const up = rig.spawnAgent();
  // Some die while they start or recover.
  if (chance() < 0.8) rig.agentUrl = (await up) ?? "";
  await load.writeFor(chance() * 700);
  const promised = await receipted(rig);
  const flavour: CutFlavour = chance() < 0.5 ? "journal-lost" : "journal-kept";
  const at = new Date().toISOString();
  rig.said += `--- ${at} power cut, ${flavour}, ${promised} blocks receipted\n`;
  disk.cut(flavour);
  // Whoever finds out by a failed sync may say so.
  await pause(chance() * 60);
  await rig.stop(rig.agent, "SIGKILL");
  await rig.stop(rig.vault, "SIGKILL");
  disk.mend();
  const stored = await storedBlocks(rig);
  assert.ok(stored >= promised, `${promised} blocks receipted, ${stored} stored after ${flavour}`);
}

for (const { what, cuts, mount, on } of rows) {
  test(`the power is cut ${cuts} times for ${what}: nothing is lost, nothing sealed twice, seed ${seed}`, {
    skip: lacking ?? false,
  }, async () => {
    using disk = CutDisk.make(mount);
    const place = (name: Row["on"][number]) =>
      on.includes(name) ? { [name]: join(disk.path, name) } : {};
    await using rig = await Rig.make({
      ...{ ...place("state"), ...place("store"), ...place("logs") },
      bin: builtBin(),
      include: "*.log*",
      agentYaml: "seal: { max_age: 30ms }\nbuffer: { max_bytes: 16MiB }",
    });
    const chance = seededNumbers(seed);
    const load = new Load(rig, chance);
    rig.append("app.log", "first\n");
    for (let cut = 0; cut < cuts; cut++) {
      await liveUntilCut(rig, disk, load, chance);
      if (cut % 4 === 3) load.rotate();
    }
    await rig.startVault();
    await rig.startAgent();
    await rig.caughtUp(60_000);
    assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
    assert.equal(await rig.stop(rig.vault, "SIGTERM"), 0);
    if (on.includes("logs")) await assertTrue(rig);
    else await assertWhole(rig, load.names);
  });
}

/**
 * Where the logs lost bytes too: the chain is sound, and every line that is left is sealed. NULs at
 * a file's end are none: the file had its new size before it had the bytes.
 */
async function assertTrue(rig: Rig): Promise<void> {
  const { reports, findings, bytes } = await rig.verify();
  const bad = findings.filter(({ code }) => findingClasses[code] !== "finding");
  assert.deepEqual(bad, [], rig.said.slice(-3000));
  assert.equal(reports.length, 1);
  const sealed = new Set<string>();
  for (const parts of bytes.values()) {
    for (const line of Buffer.concat(parts).toString("latin1").split("\n")) sealed.add(line);
  }
  for (const name of readdirSync(rig.logs)) {
    const left = readFileSync(join(rig.logs, name), "latin1").replace(/\0+$/, "");
    for (const line of left.split("\n")) {
      assert.ok(sealed.has(line), `${name}: "${line.slice(0, 40)}" is not sealed`);
    }
  }
}
