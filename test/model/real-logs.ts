// Real log files, written and rotated as the seed says, with the ledger beside them.
//
// - A change counts from just before it is made: who read what it brought read it later, however
//   long it takes us to note it. Who read what was there before is found in the version before.
// - A file is known by inode and birth time: real file systems use inodes again.

import fs from "node:fs";
import { join } from "node:path";
import { type Instant, Ledger, type LogFile } from "./ledger.ts";
import { draw } from "./writer.ts";

type Chance = () => number;

const names = ["a.log", "b.log", "c.log"] as const;
/** Our clock counts whole milliseconds. */
const toleranceUs = 2000;

function text(chance: Chance, length: number): string {
  let made = "";
  while (made.length < length) made += Math.floor(chance() * 2 ** 30).toString(36);
  return made.slice(0, length);
}

export class RealLogs {
  readonly ledger: Ledger = new Ledger();
  readonly #dir: string;
  /** When each tick was, in Unix µs; ascending. */
  readonly #ticks: { tick: number; at: number }[] = [];
  /** When the change that is being made began. */
  #began = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  #path(chance: Chance): string {
    return join(this.#dir, names[Math.floor(chance() * names.length)] as string);
  }

  #keyOf(path: string): string {
    const { ino, birthtimeNs } = fs.statSync(path, { bigint: true });
    return `${ino}:${birthtimeNs}`;
  }

  #note(path: string): void {
    this.ledger.note(this.#keyOf(path), fs.readFileSync(path), path);
    this.#look();
  }

  #look(): void {
    this.ledger.look(new Map(this.#all().map((path) => [this.#keyOf(path), [path]])));
    this.#ticks.push({ tick: this.ledger.tick, at: this.#began });
  }

  #all(): string[] {
    return fs.readdirSync(this.#dir).map((name) => join(this.#dir, name));
  }

  /** Does something to some file; says what. */
  act(chance: Chance): string {
    const path = this.#path(chance);
    const [name, act] = draw(acts, chance());
    this.#began = Date.now() * 1000;
    if (name === "write" || fs.existsSync(path)) act(this, path, chance);
    return `${name} ${path}`;
  }

  write(path: string, chance: Chance): void {
    const count = 1 + Math.floor(chance() ** 3 * 2000);
    let lines = fs.existsSync(path) && fs.statSync(path).size > 0 ? "" : text(chance, 24);
    for (let left = count; left > 0; left -= 1) lines += `${text(chance, 10 + chance() * 90)}\n`;
    fs.appendFileSync(path, chance() < 0.1 ? lines.slice(0, -1) : lines);
    this.#note(path);
  }

  rotate(path: string): void {
    if (fs.existsSync(`${path}.1`)) fs.renameSync(`${path}.1`, `${path}.2`);
    fs.renameSync(path, `${path}.1`);
    this.#look();
  }

  copyTruncate(path: string): void {
    fs.copyFileSync(path, `${path}.1`);
    this.#note(`${path}.1`);
    this.cut(path, 0);
  }

  cut(path: string, size: number): void {
    fs.truncateSync(path, size);
    this.#note(path);
  }

  edit(path: string, chance: Chance): void {
    const { size } = fs.statSync(path);
    if (size < 20) return;
    const file = fs.openSync(path, "r+");
    fs.writeSync(file, text(chance, 8), Math.floor(chance() * (size - 10)));
    fs.closeSync(file);
    this.#note(path);
  }

  remove(path: string): void {
    fs.unlinkSync(path);
    this.#look();
  }

  logOf(record: { readonly ino: string; readonly birth: string }): LogFile | undefined {
    return this.ledger.logs.get(`${record.ino}:${record.birth}`);
  }

  /** The ticks at which a reader's clock may have said so. */
  instantOf(time: number): Instant {
    const ticks = [-toleranceUs, toleranceUs].map((off) => {
      return this.#ticks.findLast(({ at }) => at <= time + off)?.tick ?? 1;
    });
    return { first: Math.min(...ticks), last: Math.max(...ticks) };
  }

  wanted(): Set<string> {
    const wanted = this.#all().filter((path) => path.endsWith(".log"));
    return new Set(wanted.map((path) => this.#keyOf(path)));
  }
}

type Act = (logs: RealLogs, path: string, chance: Chance) => void;

const acts: readonly (readonly [weight: number, name: string, act: Act])[] = [
  [60, "write", (logs, path, chance) => logs.write(path, chance)],
  [8, "rotate", (logs, path) => logs.rotate(path)],
  [5, "copy-truncate", (logs, path) => logs.copyTruncate(path)],
  [4, "cut-to-nothing", (logs, path) => logs.cut(path, 0)],
  [
    2,
    "cut-some",
    (logs, path, chance) => {
      logs.cut(path, Math.floor(fs.statSync(path).size * chance()));
    },
  ],
  [3, "edit", (logs, path, chance) => logs.edit(path, chance)],
  [3, "remove", (logs, path) => logs.remove(path)],
];
