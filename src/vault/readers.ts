// Bounds how many answers to readers are under way at once, in all and of one address.
//
// - An answer is under way until its last piece was taken. Whoever leaves a piece untaken for too
//   long, or falls as far behind a least pace, keeps the place only while nobody else wants it.
// - Only the time counts in which a piece waits for its reader, none in which it is made.
// - Who finds no place is told to come back: readers never keep agents from writing.

import type { Clock } from "../host/clock.ts";
import { relayed } from "../host/relay.ts";
import { Problem } from "./problem.ts";

export interface ReaderLimits {
  /** Answers at once. */
  readonly readers: number;
  /** Percent of them that one address may have. */
  readonly addressShare: number;
  /** How long a piece may be left untaken, and how far a reader may fall behind the pace. */
  readonly patienceMs: number;
}

/** The least pace, in bytes a second, of who keeps a place that others want. */
const pace = 262_144;

export const readerLimits: ReaderLimits = { readers: 32, addressShare: 75, patienceMs: 5000 };

interface Place {
  readonly address: string;
  /** When its reader got a piece and asked for no more, in monotonic microseconds. */
  waitingSince: number | undefined;
  /** How long that piece is. */
  bytes: number;
  /** How far its reader was behind the pace before that piece, in microseconds. */
  behind: number;
  cut: () => void;
}

export class Readers {
  readonly #limits: ReaderLimits;
  readonly #clock: Pick<Clock, "mono">;
  readonly #onCut: () => void;
  readonly #places = new Set<Place>();

  constructor(limits: ReaderLimits, clock: Pick<Clock, "mono">, onCut: () => void = () => {}) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onCut = onCut;
  }

  get count(): number {
    return this.#places.size;
  }

  /** Runs `answer`; the place is free again once its body has ended. Throws Problem busy. */
  async serve(address: string, answer: () => Promise<Response>): Promise<Response> {
    const place = this.#enter(address);
    const leave = (): void => void this.#places.delete(place);
    try {
      return this.#watched(await answer(), place, leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  #enter(address: string): Place {
    const { readers, addressShare } = this.#limits;
    const share = Math.max(1, Math.floor((readers * addressShare) / 100));
    const own = [...this.#places].filter((each) => each.address === address);
    const crowded = own.length >= share ? own : [...this.#places];
    if (own.length >= share || this.#places.size >= readers) this.#cutOne(crowded);
    const nothing = { waitingSince: undefined, bytes: 0, behind: 0 };
    const place: Place = { address, ...nothing, cut: () => {} };
    this.#places.add(place);
    return place;
  }

  /** A piece was taken, and another one is asked for. */
  #taken(place: Place): void {
    if (place.waitingSince === undefined) return;
    const late = this.#clock.mono() - place.waitingSince - (place.bytes / pace) * 1_000_000;
    place.behind = Math.max(0, place.behind + late);
    place.waitingSince = undefined;
  }

  /** Takes the place of whoever is furthest behind. */
  #cutOne(places: readonly Place[]): void {
    const now = this.#clock.mono();
    // Who waits for us is behind by what they left untaken before.
    const waits = ({ behind, waitingSince }: Place): number => behind + now - (waitingSince ?? now);
    const [slowest] = places.toSorted((a, b) => waits(b) - waits(a));
    if (slowest === undefined || waits(slowest) < this.#limits.patienceMs * 1000) {
      throw new Problem("busy", "as many readers are answered as may be", { retryAfter: 1 });
    }
    this.#places.delete(slowest);
    this.#onCut();
    slowest.cut();
  }

  #watched(response: Response, place: Place, leave: () => void): Response {
    if (response.body === null) {
      leave();
      return response;
    }
    const reader = response.body.getReader();
    let cut = false;
    place.cut = () => {
      cut = true;
      reader.cancel().catch(() => undefined);
    };
    const body = relayed(reader, {
      asked: () => this.#taken(place),
      came: ({ done, value }) => {
        if (cut) throw new ReaderCut();
        if (done) leave();
        [place.waitingSince, place.bytes] = [this.#clock.mono(), value?.length ?? 0];
      },
      failed: (error) => {
        leave();
        throw error;
      },
      left: leave,
    });
    const { status, headers } = response;
    return new Response(body, { status, headers });
  }
}

/** The reader's place was taken: the answer must not look whole. */
export class ReaderCut extends Error {
  override readonly name = "ReaderCut";
}
