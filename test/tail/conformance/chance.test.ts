// Real files, and whatever people and rotators do to them, by chance: the ledger judges.
//
// - `SEALTAIL_SEED=…` replays one world; a failure names its seed and its last steps.
// - A file is cut only right after a look, or after it was copied: so everything was seen, and the
//   judge may demand all of it.

import fs from "node:fs";
import { test } from "node:test";
import { seededNumbers } from "../../fakes/random.ts";
import { Place } from "./place.ts";

const given = process.env["SEALTAIL_SEED"];
const seeds = given === undefined ? Array.from({ length: 5 }, (_, n) => n + 1) : [Number(given)];
const steps = 60;

class World {
  readonly place = new Place();
  readonly log: string[] = [];
  readonly #random: () => number;
  #serial = 0;
  #away = false;
  /** The directory was moved away or back since the last read. */
  #moved = false;

  constructor(seed: number) {
    this.#random = seededNumbers(seed);
  }

  #pick(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #lines(): string {
    const count = 1 + this.#pick(4);
    return Array.from(
      { length: count },
      () => `${this.#serial++} ${"x".repeat(this.#pick(40))}\n`,
    ).join("");
  }

  async begin(): Promise<void> {
    this.place.unfollowed(/copy/);
    this.place.mkdir("in");
    this.place.mkdir("far/off");
    await this.place.follow(["in/*.log"], {
      maxOpenFiles: this.#pick(2) === 0 ? 2 : 64,
      idleCloseMs: 0,
    });
  }

  get #name(): string {
    return `${this.#away ? "far/off/in" : "in"}/${"abc"[this.#pick(3)]}.log`;
  }

  /** One command after the other, so that each content is noted. */
  #sh(...commands: string[]): void {
    for (const command of commands) {
      this.log.push(command);
      this.place.sh(command);
    }
  }

  #append(name: string): string {
    return `printf '${this.#lines().replaceAll("\n", "\\n")}' >> ${name}`;
  }

  /** What can be done while we are down as well. The files were looked at just before. */
  #change(): void {
    const name = this.#name;
    const rotated = `${name}.${this.#serial}`;
    const there = fs.existsSync(this.place.path(name));
    const what = this.#pick(6);
    if (what === 5) {
      this.#sh(this.#away ? "mv far/off/in in" : "mv in far/off/in");
      this.#away = !this.#away;
      this.#moved = true;
    } else if (this.#away || !there || what < 2) this.#sh(this.#append(name));
    else if (what === 2) this.#sh(`mv ${name} ${rotated}`);
    else if (what === 3) {
      this.#sh(`mv ${name} ${rotated}`, this.#append(rotated), this.#append(name));
    } else this.#sh(`ln -f ${name} in/hard`);
  }

  async #look(): Promise<void> {
    if (this.#pick(2) === 0) await this.place.stall(2_500);
    else await this.place.pass(2_500);
  }

  async step(): Promise<void> {
    const { place } = this;
    const what = this.#pick(16);
    // What is away at one start and met again only after the next is not known: see past.ts.
    if (this.#moved) await place.pass(2_500);
    this.#moved = false;
    if (what < 3) this.#sh(this.#append(this.#name));
    else if (what < 5) await place.pass(this.#pick(40_000));
    // A content that is cut before any of it was read lies in the gap of the one before it, which
    // the judge cannot tell: so it is read before.
    else if (what >= 13) await place.pass(2_500);
    else await this.#look();
    if (what >= 5 && what < 10) this.#change();
    else if (what >= 10 && what < 13 && !this.#away) {
      // Of a file of which nothing is sealed nobody knows after a stop without a drain.
      const unknown = place.reader.tail.status().some(({ id }) => id === undefined);
      if (unknown) await place.pass(2_500);
      this.log.push("down:");
      await place.down(() => this.#change());
    } else if (what >= 13 && !this.#away) this.#cutOrRemove(what);
  }

  #cutOrRemove(what: number): void {
    const name = this.#name;
    if (!fs.existsSync(this.place.path(name))) return;
    if (what === 13) this.#sh(`truncate -s 0 ${name}`);
    else if (what === 14) this.#sh(`rm ${name}`);
    else {
      const copy = `${name}.copy${this.#serial}`;
      this.#sh(`cp ${name} ${copy}`, `truncate -s 0 ${name}`, this.#append(name));
    }
  }

  async end(): Promise<void> {
    if (this.#away) this.#sh("mv far/off/in in");
    await this.place.pass(10_000);
    await this.place.judge(true);
  }
}

test("whatever is done to real files, each byte is read once or lies in a gap", async () => {
  for (const seed of seeds) {
    const world = new World(seed);
    try {
      await world.begin();
      for (let step = 0; step < steps; step += 1) await world.step();
      await world.end();
    } catch (error) {
      const last = world.log
        .filter((each) => each !== "")
        .slice(-40)
        .join("\n  ");
      throw new Error(`SEALTAIL_SEED=${seed}\n  ${last}`, { cause: error });
    } finally {
      await world.place.close();
    }
  }
});
