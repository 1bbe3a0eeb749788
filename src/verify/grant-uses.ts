// Judges the uses of grants among the chains of a place: who shares one, and for whom it was.
//
// - Everybody asks here: who verifies all of a place or a part, prints lines or makes proofs.
// - What may be a use of a grant and can't be told counts as one of which nothing is known: what
//   can't be read, and a chain of which nothing says that it began by the grant that is there.
//
// Spec: docs/spec/grant.md, "Uses".

import { fromHex } from "../core/bytes.ts";
import { type Contents, limited } from "../core/chain-source.ts";
import type { Suite } from "../core/digest.ts";
import { isSignedBy } from "../core/header.ts";
import { unreadId } from "./chosen.ts";
import { type Finding, finding } from "./finding.ts";
import type { ChainReport } from "./report.ts";
import { sharesOf, unknownBeginning } from "./uses.ts";

/** What a walk tells of a chain of the place, or less where it was only looked at. */
export type Member = Pick<
  ChainReport,
  | ("chain" | "uses" | "maxChains" | "grantKey" | "begun" | "namesGrant" | "genesisHead")
  | ("genesis" | "beginning" | "firstTime")
>;

export interface JudgedUses {
  /** GRANT_REUSED. */
  readonly reused: readonly Finding[];
  /** Ids of the chains of which nobody can tell whether their grants were for them. */
  readonly untold: ReadonlySet<string>;
  /** Why, for people. */
  readonly doubts: readonly string[];
}

interface Shared {
  readonly most: number;
  readonly keys: ReadonlySet<string>;
  /** One of each genesis, in the order of their first receipts as far as these are known. */
  readonly chains: readonly Member[];
  readonly ids: ReadonlySet<string>;
}

/** Judges the chains `asked`; `members` are all that the place holds, and began or may have. */
export function judgeUses(
  suite: Suite,
  members: readonly Member[],
  unread: Contents["unread"],
  asked: ReadonlySet<string>,
): JudgedUses {
  const strays = new Strays(suite, members, unread);
  const reused = new Map<string, Finding>();
  const untold = new Set<string>();
  const doubts = new Set<string>();
  for (const shared of sharedGrants(members, asked)) {
    const { chains, most } = shared;
    const { hidden, why } = strays.of(shared);
    const shares = sharesOf(
      chains.map(({ beginning }) => beginning),
      most,
      hidden,
    );
    for (const [at, share] of shares.entries()) {
      const one = chains[at] as Member;
      if (share === "within" || !asked.has(one.chain)) continue;
      if (share === "untold") untold.add(one.chain);
      else if (!reused.has(one.chain)) reused.set(one.chain, reusedBy(one, shared));
    }
    if (shares.some((share, at) => share === "untold" && asked.has((chains[at] as Member).chain))) {
      for (const each of [...why(), ...vague(shared, asked)]) doubts.add(each);
    }
  }
  const hidden = untold.size > 0 ? unread : [];
  return { reused: [...reused.values()], untold, doubts: [...hidden, ...limited([...doubts])] };
}

/** Ids of the chains that must be walked to judge those `asked`: nothing but their grants is known. */
export function toBeWalked(
  suite: Suite,
  members: readonly Member[],
  unread: Contents["unread"],
  asked: ReadonlySet<string>,
): ReadonlySet<string> {
  const strays = new Strays(suite, members, unread);
  const ids = new Set<string>();
  for (const shared of sharedGrants(members, asked)) {
    const [known, { hidden }] = [shared.ids.size, strays.of(shared)];
    // Where what is hidden may be all that the grant allows, no walk tells more than that.
    const tells = known > shared.most || hidden < shared.most;
    if (tells && known + hidden > shared.most) for (const id of shared.ids) ids.add(id);
  }
  return ids;
}

/** The chains by what their grants' uses are counted, where any of them is `asked` for. */
export function* sharedGrants(
  members: readonly Member[],
  asked: ReadonlySet<string>,
): Generator<Shared> {
  const byName = new Map<string, Member[]>();
  for (const each of members) {
    for (const name of each.uses) {
      const same = byName.get(name);
      if (same === undefined) byName.set(name, [each]);
      else same.push(each);
    }
  }
  for (const same of byName.values()) {
    if (!same.some(({ chain }) => asked.has(chain))) continue;
    yield {
      most: same.reduce((least, { maxChains = 1 }) => Math.min(least, maxChains), 65_535),
      keys: new Set(same.flatMap(({ grantKey = [] }) => grantKey)),
      chains: oneOfEach(same),
      ids: new Set(same.map(({ chain }) => chain)),
    };
  }
}

// What one of its copies shows of a chain is known of it; the copy under its own name is meant.
function oneOfEach(same: readonly Member[]): Member[] {
  const chains = new Map<string, Member>();
  for (const each of same) {
    const before = chains.get(each.genesis);
    if (before === undefined) {
      chains.set(each.genesis, each);
      continue;
    }
    const [a, b] = [before.beginning, each.beginning];
    const beginning = {
      sure: a.sure || b.sure,
      earliest: Math.min(a.earliest, b.earliest),
      latest: Math.min(a.latest, b.latest),
    };
    const meant = each.chain === each.genesis ? each : before;
    chains.set(each.genesis, { ...meant, beginning });
  }
  return [...chains.values()].sort(byBeginning);
}

function byBeginning(a: Member, b: Member): number {
  const [one, other] = [a.beginning.latest, b.beginning.latest];
  if (one !== other) return one - other;
  const dates = one === Number.POSITIVE_INFINITY ? (a.firstTime ?? 0) - (b.firstTime ?? 0) : 0;
  return dates || (a.chain < b.chain ? -1 : 1);
}

/** Signatures that are looked at to exclude a chain; beyond that it may be a use. */
const signaturesMax = 20_000;

/** What may be a use of a grant, and does not lie there as one. */
class Strays {
  readonly #suite: Suite;
  /** Of each one chain may be meant; otherwise any number. */
  readonly #unreadCount: number;
  readonly #members: readonly Member[];
  #signaturesLeft = signaturesMax;

  constructor(suite: Suite, members: readonly Member[], unread: Contents["unread"]) {
    this.#suite = suite;
    const known = unread.every((each) => unreadId(each) !== undefined);
    this.#unreadCount = known ? unread.length : Number.POSITIVE_INFINITY;
    // Of others the grant is one that counts, and nothing shows that they began by another one.
    this.#members = members.filter(
      ({ uses, namesGrant }) => uses.length === 0 || namesGrant === false,
    );
  }

  /** How many may be uses of this grant, and why. */
  of({ keys, ids }: Shared): { readonly hidden: number; readonly why: () => string[] } {
    const found = this.#members.filter((each) => !ids.has(each.chain) && this.#mayBe(each, keys));
    return {
      hidden: this.#unreadCount + found.length,
      why: () => limited(found.map(whyStray)),
    };
  }

  // What another key signed was begun by another grant.
  #mayBe({ genesisHead: head, grantKey: key, begun }: Member, keys: ReadonlySet<string>): boolean {
    if (head === undefined) return !begun || key === undefined || keys.has(key);
    this.#signaturesLeft -= keys.size;
    if (this.#signaturesLeft < 0) return true;
    return [...keys].some((each) => isSignedBy(this.#suite, fromHex(each, 32), head));
  }
}

function whyStray({ chain, uses }: Member): string {
  const why =
    uses.length === 0
      ? "it has none that a given root key signed"
      : "its genesis names another one than is there";
  return `chain ${chain} may be under the same grant: ${why}`;
}

/** The chains of which it is not known when, or whether, they began. */
function vague({ chains }: Shared, asked: ReadonlySet<string>): string[] {
  const all = chains.filter(isVague);
  const others = all.filter(({ chain }) => !asked.has(chain));
  return limited(
    (others.length > 0 ? others : all).map(
      ({ chain }) => `chain ${chain} is under the same grant, and nobody can tell when it began`,
    ),
  );
}

function isVague({ beginning: { sure, earliest, latest } }: Member): boolean {
  return !sure || earliest < latest;
}

function reusedBy(one: Member, { chains, most }: Shared): Finding {
  const sure = chains.filter(({ beginning }) => beginning.sure);
  const { earliest, latest } = one.beginning;
  const text = `grant was used for ${sure.length} chains, at most ${most}`;
  const before = sure.filter(({ beginning }) => beginning.latest < earliest).length;
  const vague = chains.find(
    (each) => each !== one && isVague(each) && each.beginning.earliest <= latest,
  );
  const whose = vague ?? one;
  const when = isVague(whose) ? `: nobody can tell when chain ${whose.chain} began` : "";
  const message = before >= most ? text : `${text}${when}`;
  return finding("GRANT_REUSED", message, { chain: one.chain, object: "grant" });
}

/** A chain of which no more is known than its grant. */
export function unwalked(facts: Pick<Member, "chain" | "uses" | "maxChains" | "grantKey">): Member {
  const unknown = { begun: false, namesGrant: undefined, genesisHead: undefined };
  const { chain: genesis } = facts;
  return { ...facts, ...unknown, genesis, beginning: unknownBeginning, firstTime: undefined };
}
