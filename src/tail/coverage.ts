// Coverage: what the configured sources mean and nobody seals, as the last whole sweep saw it.
//
// - A source without a file may be a slip of the pen, or wait for its file: it is said once, and
//   again after it had one.
// - What a sweep under way has found so far is no answer: it would look as if all were well.

import type { BytePath } from "./byte-path.ts";
import type { Discover } from "./discover.ts";
import type { FollowedFiles } from "./followed-files.ts";

export class Coverage {
  readonly #discover: Discover;
  readonly #followed: FollowedFiles;
  /** Files outside the grant, with the name of the source that means them. */
  outside: ReadonlyMap<BytePath, string> = new Map();
  /** Names of sources that no file belongs to. */
  empty: ReadonlySet<string> = new Set();

  constructor(discover: Discover, followed: FollowedFiles) {
    this.#discover = discover;
    this.#followed = followed;
  }

  /** A sweep is over. */
  swept(): void {
    // What hints find until the next sweep is in it as well.
    this.outside = this.#discover.outside;
    // Files that may be what is awaited are followed later.
    if (this.#followed.awaited.length > 0) return;
    const having = new Set(this.outside.values());
    for (const { name } of this.#followed) having.add(name);
    const before = this.empty;
    this.empty = new Set(this.#discover.sourceNames.filter((name) => !having.has(name)));
    for (const source of this.empty) if (!before.has(source)) this.#discover.sayEmpty(source);
  }
}
