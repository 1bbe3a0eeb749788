// What the judge of one file excuses of bytes that are sealed twice, each time under signature.
//
// - Its file was changed in place, or given up, in between.
// - Who sealed it again could know nothing of the first time.

import { inScope } from "../../src/core/grant.ts";
import { holeLeast } from "../../src/tail/nuls.ts";
import type { LifeFacts, Reading } from "./facts.ts";
import type { Testimony } from "./judge.ts";
import type { LogFile, Scope } from "./ledger.ts";
import type { Sealed } from "./sealed.ts";

const forever = Number.POSITIVE_INFINITY;

/** A byte, and when it was sealed. */
interface Known {
  readonly at: number;
  readonly before: number;
}

export class Twice {
  readonly #log: LogFile;
  readonly #readings: readonly Reading[];
  readonly #lives: readonly LifeFacts[];
  readonly #scopes: readonly Scope[];

  constructor(
    log: LogFile,
    readings: readonly Reading[],
    { lives, scopes }: Pick<Testimony, "lives" | "scopes">,
  ) {
    this.#log = log;
    this.#readings = readings;
    this.#lives = lives;
    this.#scopes = scopes;
  }

  /** Whether `item`, read at `tick`, may seal a byte again. */
  isExcused(item: Sealed, tick: number, known: Known): boolean {
    const { before } = known;
    if (this.#changed(before, tick) || this.#doubted(item, before)) return true;
    return this.#underOther(item, tick, known);
  }

  /** Its file was changed in place or given up meanwhile. */
  #changed(before: number, tick: number): boolean {
    // What is dated alike may have been read before a change in that very instant.
    const instant = this.#readings.find((each) => each.first <= before && before <= each.tick);
    const since = instant?.first ?? before;
    if (this.#log.disturbed.some((at) => at > since && at <= tick)) return true;
    if (this.#fewGivenBack().some((at) => at > since && at <= tick)) return true;
    return this.#readings.some(({ item, tick: at }) => {
      const gaveUp =
        (item.kind === "gap" && item.to === undefined && item.cause !== "truncated") ||
        (item.kind === "end" && item.cause === "deleted");
      return gaveUp && at > before && at <= tick;
    });
  }

  /** When a writer gave back so few NULs that they are data, and may have been sealed. */
  #fewGivenBack(): number[] {
    const { versions } = this.#log;
    return versions.flatMap(({ tick, size }, at) => {
      const given = (versions[at - 1]?.size ?? size) - size;
      return given > 0 && given < holeLeast ? [tick] : [];
    });
  }

  /**
   * Whether a process that knows nothing else of the file found it declared with first bytes that
   * it has no more: it must take it for a new one, sealed twice, but visibly. A power cut takes
   * such bytes; and what was known of a file that was changed goes with a life that is killed soon
   * after.
   */
  #doubted({ source }: Sealed, before: number): boolean {
    const ours = this.#readings.filter(({ item }) => item.source === source);
    // Read before: an heir declares it anew, who knows it.
    if (ours.some(({ item, tick }) => item.kind === "span" && tick <= before)) return false;
    const declared = this.#readings.filter(({ item }) => item.kind === "source");
    if (!ours.some(({ item, tick }) => item.kind === "source" && tick > before)) return false;
    const life = this.#lives.findLast(({ begun }) => begun <= before);
    const isKnown = life?.rested.some((at) => at >= before) ?? false;
    const since = declared.findLast(({ tick }) => tick <= before)?.tick ?? forever;
    const changed = this.#log.disturbed.some((at) => since < at && at <= before);
    return this.#log.crashed || (changed && !isKnown);
  }

  /**
   * Whether the grant covers no name under which the byte was sealed before, and the one of `item`:
   * its chain may name no source that is known, so the file is a new one to it.
   */
  #underOther({ record }: Sealed, tick: number, { at, before }: Known): boolean {
    const scope = this.#scopes.findLast((each) => each.tick <= tick);
    if (scope === undefined || !inScope(scope, record.path)) return false;
    const held = this.#readings.filter(({ item, tick: read }) => {
      const { kind, offset, bytes } = item;
      return kind === "span" && offset <= at && at < offset + bytes.length && read <= before;
    });
    return held.length > 0 && held.every(({ item }) => !inScope(scope, item.record.path));
  }

  /**
   * Whether a gap closes one of two sources of the file that its chain found open: a grant covered
   * one name of it only, and the next one both. One file cannot be two open sources.
   */
  isOpenTwice({ kind, cause, source, record, place }: Sealed): boolean {
    if (kind !== "gap" || cause !== "rotated-away") return false;
    const chain = place.slice(0, 6);
    const known = this.#readings.filter(
      ({ item }) => item.kind === "position" && item.place.startsWith(chain),
    );
    const isOurs = known.some(({ item }) => item.source === source);
    return isOurs && known.some(({ item }) => item.record.path !== record.path);
  }
}
