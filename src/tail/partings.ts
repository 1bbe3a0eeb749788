// Partings: how files leave, and what is owed to the chain about it until somebody takes it.
//
// - A file leaves in one way: out of the followed files, out of every queue, and its descriptor is
//   closed.
// - What is owed is kept in the order in which it came up, each group for one block.

import type { Active } from "./active.ts";
import type { Discover } from "./discover.ts";
import { abandoned, declareUnread, emptied, lastWords } from "./ending.ts";
import type { Follow } from "./follow.ts";
import type { FollowedFiles } from "./followed-files.ts";
import type { Statement } from "./item.ts";
import type { OpenFiles } from "./open-files.ts";
import { resolveChange } from "./resolve-change.ts";
import type { Schedule } from "./schedule.ts";

export interface PartingsContext {
  readonly followed: FollowedFiles;
  readonly discover: Discover;
  readonly schedule: Schedule;
  readonly active: Active;
  readonly partials: Set<Follow>;
  readonly open: OpenFiles;
}

export class Partings {
  readonly #context: PartingsContext;
  /** What next() hands over before any line. */
  owed: Statement[][] = [];

  constructor(context: PartingsContext) {
    this.#context = context;
  }

  /** The file is gone for good. States how it ended. */
  bury(follow: Follow): void {
    const statements = lastWords(follow);
    if (statements.length > 0) this.owed.push(statements);
    this.release(follow);
  }

  /** Lets go of a file without a word. */
  release(follow: Follow): void {
    this.#context.followed.forget(follow);
    this.forget(follow);
    // Nothing is read of it any more, and closing a file that was only read cannot lose anything.
    void this.#context.open.close(follow);
  }

  /** Nobody's turn is it any more; the file itself may be followed on by another. */
  forget(follow: Follow): void {
    const { schedule, active, partials } = this.#context;
    schedule.drop(follow);
    active.drop(follow);
    partials.delete(follow);
  }

  /**
   * Sources whose files were not met: what was not sealed of them is lost. The configuration may
   * not mean them any more, then nobody reads them to their end.
   */
  abandonMissing(): void {
    const { discover, followed } = this.#context;
    for (const item of followed.awaited) {
      const base = followed.baseOf(item.record);
      if (base !== undefined && discover.missing !== undefined) continue;
      followed.dismiss(item);
      const cause = base === undefined ? "skipped" : "rotated-away";
      this.owed.push([abandoned(item, cause, base?.counts)]);
    }
  }

  /** All is read: what could not be known after a restart is owed now. */
  stateEnds(): void {
    for (const follow of [...this.#context.followed]) {
      // A deleted file cannot be found again.
      if (follow.place.unlinkedAt !== undefined && follow.lag === 0) this.bury(follow);
      // Nor would the next run know that the same bytes, written again, are another generation.
      else if (follow.emptied && follow.ref !== undefined) this.owed.push([emptied(follow)]);
    }
  }

  /**
   * Before an agent ends with bytes unread: what no later start could know of is owed now. Of a
   * deleted file the rest is a gap; one that was never declared is declared, so that it is looked
   * for. `known`: also files that the chain knows. Returns all that is owed.
   */
  async farewell(known: boolean, mayDeclare: () => boolean): Promise<Statement[][]> {
    for (const follow of [...this.#context.followed]) {
      if (follow.pending === 0 || (!known && follow.ref !== undefined)) continue;
      if (follow.ref === undefined && !mayDeclare()) continue;
      if (follow.place.unlinkedAt !== undefined) this.bury(follow);
      else if (follow.ref === undefined) {
        const said = await this.#declare(follow);
        if (said.length > 0) this.owed.push(said);
      }
    }
    const { owed } = this;
    this.owed = [];
    return owed;
  }

  // Where bytes that were seen may be gone, that is said first: a later start sees what is there.
  async #declare(follow: Follow): Promise<Statement[]> {
    const { file } = follow.handle;
    const known = follow.doubt || follow.generation.print !== undefined;
    const settled = known && file !== undefined ? await resolveChange(follow, file) : [];
    if (follow.ref !== undefined || follow.pending === 0) return settled;
    return [...settled, await declareUnread(follow)];
  }
}
