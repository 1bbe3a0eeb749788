// kill -9 at random, hundreds of times, under load and rotation: while starting, recovering,
// sealing, shipping. The vault dies too, now and then.

import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { SeededRandom, seededNumbers } from "../fakes/random.ts";
import { builtBin } from "./built.ts";
import { Rig } from "./rig.ts";
import { seed } from "./seed.ts";
import { assertWhole } from "./whole.ts";

const kills = Number(process.env["SEALTAIL_KILLS"] ?? 300);
/** They share the machine, and the kills. */
const rigs = 2;
/** A life ends within that many times what a start takes: half of them before they are up. */
const lifeInStarts = 2;
/** However slow the machine is. */
const lifeMsMax = 1200;

class Load {
  readonly names = ["app.log"];
  readonly #rig: Rig;
  readonly #chance: () => number;
  readonly #random: SeededRandom;
  #count = 0;

  constructor(rig: Rig, from: number) {
    this.#rig = rig;
    this.#chance = seededNumbers(from);
    this.#random = new SeededRandom(from);
  }

  async writeFor(ms: number): Promise<void> {
    for (const until = Date.now() + ms; Date.now() < until; ) {
      const n = this.#count++;
      // Now and then what does not compress, so that segments of the buffer fill up.
      const bulk = n % 40 === 0 ? this.#random.bytes(30_000) : this.#random.bytes(n % 150);
      const line = `line ${n} ${Buffer.from(bulk).toString("base64")}\n`;
      this.#rig.append("app.log", n % 40 === 0 ? line : line.repeat(1 + (n % 30)));
      await pause(this.#chance() * 20);
    }
  }

  rotate(): void {
    const rotated = `app.log.${this.names.length}`;
    renameSync(join(this.#rig.logs, "app.log"), join(this.#rig.logs, rotated));
    this.names.push(rotated);
    this.#rig.append("app.log", `after rotation ${this.names.length}\n`);
  }
}

async function killAgain(left: Iterator<number>, from: number): Promise<void> {
  await using rig = await Rig.make({
    bin: builtBin(),
    // Also what was rotated away before any life saw it.
    include: "*.log*",
    agentYaml: "seal: { max_age: 50ms }\nbuffer: { max_bytes: 16MiB }",
  });
  const chance = seededNumbers(from);
  const load = new Load(rig, from);
  await rig.startVault();
  const before = Date.now();
  await rig.startAgent();
  const lifeMs = Math.min(lifeMsMax, lifeInStarts * (Date.now() - before));
  await rig.stop(rig.agent, "SIGKILL");
  for (let kill = 0; left.next().done !== true; kill++) {
    void rig.spawnAgent();
    const vaultToo = chance() < 0.1;
    await load.writeFor(chance() * lifeMs * (vaultToo ? 0.5 : 1));
    if (vaultToo) {
      await rig.stop(rig.vault, "SIGKILL");
      await load.writeFor(chance() * 100);
    }
    await rig.stop(rig.agent, "SIGKILL");
    if (vaultToo) await rig.startVault();
    if (kill % 10 === 9) load.rotate();
  }
  await rig.startAgent();
  await rig.caughtUp(60_000);
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  await assertWhole(rig, load.names);
}

test(`kill -9 at ${kills} random times under load and rotation loses and doubles nothing, seed ${seed}`, async () => {
  const left = Array.from({ length: kills }).keys();
  await Promise.all(Array.from({ length: rigs }, (_, n) => killAgain(left, seed + n)));
});
