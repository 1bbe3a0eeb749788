// Work that waits for other work: in a queue, together, or so many at a time.
//
// - A queue is bounded where it is told to: whoever would have to wait too long is told so at once.
// - Long work rests for as long as it took: others get every other moment.

import type { Clock } from "../host/clock.ts";
import { Problem } from "./problem.ts";

type RestClock = Pick<Clock, "mono" | "sleep">;

export interface QueueOptions {
  /** How many may wait; any number unless told. */
  readonly waitingMax?: number;
  /** How many run at a time; one unless told. */
  readonly atOnce?: number;
  /** By this clock each rests once it has run; nobody rests unless told. */
  readonly clock?: RestClock;
  /** The longest rest; none unless told. */
  readonly restMaxMs?: number;
}

/** Runs work in the order in which it came. */
export class WorkQueue {
  readonly #options: QueueOptions;
  readonly #lanes: Promise<unknown>[];
  #inside = 0;
  #came = 0;

  constructor(options: QueueOptions = {}) {
    this.#options = options;
    this.#lanes = Array.from({ length: options.atOnce ?? 1 }, () => Promise.resolve());
  }

  /** Nobody is inside or waits. */
  get idle(): boolean {
    return this.#inside === 0;
  }

  /** Whoever is inside is the only one: nobody waits. */
  get alone(): boolean {
    return this.#inside === 1;
  }

  get full(): boolean {
    const { waitingMax = Number.POSITIVE_INFINITY } = this.#options;
    return this.#inside > waitingMax;
  }

  /** Resolves when all that came so far has run and rested. */
  async rested(): Promise<void> {
    await Promise.all(this.#lanes);
  }

  /** Runs `work` when everyone before is done, whatever became of them. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    const { clock, restMaxMs } = this.#options;
    this.#inside += 1;
    const lane = this.#came++ % this.#lanes.length;
    let started = 0;
    const mine = (this.#lanes[lane] as Promise<unknown>).then(() => {
      started = clock?.mono() ?? 0;
      return work();
    });
    const rest = (): Promise<void> | undefined => clock && restAfter(started, clock, restMaxMs);
    this.#lanes[lane] = mine.then(rest, rest);
    try {
      return await mine;
    } finally {
      this.#inside -= 1;
    }
  }
}

async function restAfter(
  started: number,
  clock: RestClock,
  restMaxMs: number = Number.POSITIVE_INFINITY,
): Promise<void> {
  const rest = Math.min((clock.mono() - started) / 1000, restMaxMs);
  if (rest >= 1) await clock.sleep(rest);
}

/** Hands items on, and rests after each for as long as it was worked on. */
export async function* rested<T>(
  items: AsyncIterable<T>,
  clock: RestClock,
): AsyncGenerator<T, void, undefined> {
  for await (const item of items) {
    const started = clock.mono();
    yield item;
    await restAfter(started, clock);
  }
}

/** A queue for each name; one that wants nothing takes no memory. */
export class NamedQueues {
  readonly #options: QueueOptions;
  readonly #all = new Map<string, WorkQueue>();

  constructor(options: QueueOptions = {}) {
    this.#options = options;
  }

  /** Throws Problem busy where too many wait. */
  async pass<T>(name: string, work: () => Promise<T>): Promise<T> {
    const own = this.#all.get(name) ?? new WorkQueue(this.#options);
    if (own.full) throw new Problem("busy", "too much waits for one address", { retryAfter: 1 });
    this.#all.set(name, own);
    try {
      return await own.pass(work);
    } finally {
      void own.rested().then(() => {
        if (own.idle && this.#all.get(name) === own) this.#all.delete(name);
      });
    }
  }
}

/** Lets all who want the same at the same time wait for one piece of work. */
export class Shared<T> {
  readonly #underWay = new Map<string, Promise<T>>();

  /** What `work` gives for `name`. Whoever comes after it called `begun` has it done anew. */
  once(name: string, work: (begun: () => void) => Promise<T>): Promise<T> {
    const running = this.#underWay.get(name);
    if (running !== undefined) return running;
    const begun = (): void => {
      if (this.#underWay.get(name) === made) this.#underWay.delete(name);
    };
    const made = Promise.resolve().then(() => work(begun));
    this.#underWay.set(name, made);
    made.then(begun, begun);
    return made;
  }
}

/** Does `work` for each item, `atOnce` at a time. */
export async function forEachOf<T>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const left = [...items].values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** What `work` gives, if that comes within `ms`; else throws `late`. */
export async function within<T>(
  work: Promise<T>,
  ms: number,
  clock: Pick<Clock, "sleep">,
  late: () => Problem,
): Promise<T> {
  work.catch(() => undefined);
  const waiting = new AbortController();
  const over = clock.sleep(ms, waiting.signal).then(() => "late" as const);
  try {
    const first = await Promise.race([work.then((got) => ({ got })), over]);
    if (first === "late") throw late();
    return first.got;
  } finally {
    waiting.abort();
  }
}
