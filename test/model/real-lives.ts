// What each life of a real agent saw, and what it left in its buffers, while a story goes on.
//
// - A life is asked for its status before it ends and once it has caught up: what it says that it
//   saw, it owes. A stop in peace owes everything seen, a kill only what was caught up with before.
// - Sources are known by their ids; which file that is, is read from the chains afterwards.

import fs from "node:fs";
import { join } from "node:path";
import { parseSegmentName } from "../../src/wal/segment.ts";
import type { Rig } from "../crash/rig.ts";
import { Buffers, type Segments } from "./buffers.ts";
import type { LifeFacts } from "./facts.ts";
import type { LogFile } from "./ledger.ts";
import type { RealLogs } from "./real-logs.ts";
import type { Chains } from "./sealed.ts";

interface Seen {
  readonly life: number;
  readonly tick: number;
  readonly source: string;
  readonly size: number;
}

export class RealLives {
  readonly buffers: Buffers = new Buffers();
  readonly lives: { number: number; begun: number; over: number; rested: number[] }[] = [];
  readonly #rig: Rig;
  readonly #logs: RealLogs;
  readonly #seen: Seen[] = [];

  constructor(rig: Rig, logs: RealLogs) {
    this.#rig = rig;
    this.#logs = logs;
  }

  /** How often a life said what it saw of a file. */
  get sightings(): number {
    return this.#seen.length;
  }

  get #tick(): number {
    return this.#logs.ledger.tick;
  }

  begin(): void {
    const number = this.lives.length;
    const over = Number.POSITIVE_INFINITY;
    this.lives.push({ number, begun: this.#tick, over, rested: [] });
  }

  /** Asks the life that goes on what it saw. */
  async look(): Promise<void> {
    const life = this.lives.length - 1;
    this.#logs.ledger.tick += 1;
    const tick = this.#tick;
    const { files } = await this.#rig.status();
    for (const { id, size } of files) {
      if (id !== undefined) this.#seen.push({ life, tick, source: id, size });
    }
  }

  /** It owes nothing: all that it saw is sealed and receipted, or declared. */
  rest(): void {
    this.#logs.ledger.tick += 1;
    this.lives.at(-1)?.rested.push(this.#tick);
  }

  /** It is over; what it had sealed lies in its buffers. */
  end(): void {
    const last = this.lives.at(-1);
    if (last !== undefined) last.over = this.#tick;
    const chains = join(this.#rig.stateDir, "chains");
    for (const dir of fs.readdirSync(chains)) {
      this.buffers.find(dir, segmentsIn(join(chains, dir, "wal")), this.#tick);
    }
  }

  /** Puts what was seen into the ledger, now that the chains say which file a source is. */
  testify(chains: Chains): readonly LifeFacts[] {
    const logs = new Map<string, LogFile | undefined>();
    for (const { source, record } of chains.items) logs.set(source, this.#logs.logOf(record));
    for (const log of new Set(logs.values())) if (log !== undefined) log.sightings.length = 0;
    for (const { life, tick, source, size } of this.#seen) {
      const log = logs.get(source);
      const version = log?.versions.findLastIndex((each) => each.tick <= tick) ?? -1;
      if (version >= 0)
        log?.sightings.push({ life, tick, version, size, wanted: true, open: true, exact: true });
    }
    return this.lives;
  }
}

function segmentsIn(dir: string): Segments {
  const names = fs.existsSync(dir) ? fs.readdirSync(dir) : [];
  return names
    .flatMap((name) => {
      const first = parseSegmentName(name);
      return first === undefined ? [] : [{ first, bytes: fs.readFileSync(join(dir, name)) }];
    })
    .sort((a, b) => a.first - b.first);
}
