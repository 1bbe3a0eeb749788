// Pure. Hinted: paths that hints named, gathered for a moment before they are looked at.
//
// - A busy writer must not wake us for every line; a name that came or went cannot wait, for the
//   next one may follow at once.

import type { BytePath } from "./byte-path.ts";
import { hintDelayUs, hintsMax } from "./pace.ts";

export class Hinted {
  #paths = new Set<BytePath>();
  /** Mono µs when they are to be looked at; undefined: there are none. */
  due: number | undefined;

  /** False: which path it is about is not known any more, so everything must be looked at. */
  add(path: BytePath | undefined, now: number, urgent: boolean): boolean {
    this.due = Math.min(this.due ?? Number.POSITIVE_INFINITY, urgent ? now : now + hintDelayUs);
    if (path === undefined || this.#paths.size >= hintsMax) return false;
    this.#paths.add(path);
    return true;
  }

  take(): ReadonlySet<BytePath> {
    const paths = this.#paths;
    this.#paths = new Set();
    this.due = undefined;
    return paths;
  }
}
