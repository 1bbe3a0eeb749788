// Which chains of a place may have used the same grants as some of them: what whoever reads a part
// of the place must know of the rest.
//
// - Of the others only the grants are read; and the first head of those whose grant no given root
//   key signed, for a chain is begun by the key that its grant names.
// - What may be a use and can't be told is a doubt, where the grant has no room for it.
//
// Spec: docs/spec/grant.md, "Judging a chain's grant", step 8.

import { type Authority, judgeGrant, trusting } from "../core/authority.ts";
import { headLength } from "../core/block.ts";
import { hex } from "../core/bytes.ts";
import { type ChainSource, type Contents, limited } from "../core/chain-source.ts";
import type { Grant } from "../core/grant.ts";
import { isSignedBy } from "../core/header.ts";
import { type ChosenBy, unreadId } from "./chosen.ts";
import { PieceReader } from "./piece-reader.ts";
import { ask, Unreadable } from "./unreadable.ts";
import { neverBegan } from "./verify.ts";

export interface Sharers {
  /** Ids of chains, asked for or not, that must be judged together: too many for one grant. */
  readonly together: ReadonlySet<string>;
  /** What else may have used their grants beyond what these allow, and why nobody can tell. */
  readonly doubts: readonly string[];
}

interface Use {
  readonly id: string;
  readonly maxChains: number;
  /** The grant's key, in hex. */
  readonly key: string;
}

const none: Sharers = { together: new Set(), doubts: [] };

/** What shares its uses with the chains of the ids `asked`. */
export async function sharersOf(
  { chains, unread }: Contents,
  asked: ReadonlySet<string>,
  by: ChosenBy,
): Promise<Sharers> {
  // Without a root key nobody says whose grants these are.
  if (by.roots.length === 0) return none;
  const uses = new Map<string, Use[]>();
  const silent: (readonly [chain: ChainSource, authority: Authority | undefined])[] = [];
  const judged = new Map<string, Authority>();
  for (const chain of chains) {
    const authority = await authorityOf(chain, by, judged);
    const { grant, uses: names = [] } = authority ?? {};
    if (grant === undefined || names.length === 0) silent.push([chain, authority]);
    if (grant === undefined) continue;
    const use = { id: chain.id, maxChains: grant.maxChains, key: hex(grant.key) };
    for (const name of names) {
      const same = uses.get(name) ?? [];
      same.push(use);
      uses.set(name, same);
    }
  }
  const shared = [...uses.values()].filter((same) => same.some(({ id }) => asked.has(id)));
  if (shared.length === 0) return none;
  const hidden: string[] = [];
  const keys = new Set(shared.flat().map(({ key }) => key));
  for (const [chain, authority] of silent) {
    if (asked.has(chain.id) || !(await mayHaveBegunBy(keys, chain, authority?.grant, by))) continue;
    const why = authority?.fault?.message ?? "its grant could not be read";
    hidden.push(`chain ${chain.id} may be under the same grant: ${why}`);
  }
  const together = shared.filter((same) => isBeyond(same, 0)).flat();
  const known = unread.every((each) => unreadId(each) !== undefined);
  const more = known ? unread.length + hidden.length : Number.POSITIVE_INFINITY;
  const full = more > 0 && shared.some((same) => isBeyond(same, more));
  const doubts = full ? [...unread, ...limited(hidden)] : [];
  return { together: new Set(together.map(({ id }) => id)), doubts };
}

function isBeyond(same: readonly Use[], more: number): boolean {
  return same.some(({ maxChains }) => same.length + more > maxChains);
}

/**
 * Undefined where its grant could not be read. Tens of thousands of chains may have one grant: what
 * was `judged` is kept by its bytes.
 */
async function authorityOf(
  chain: ChainSource,
  { suite, roots, vaults }: ChosenBy,
  judged: Map<string, Authority>,
): Promise<Authority | undefined> {
  try {
    const bytes = await ask("the grant", chain.grant);
    const hash = bytes === undefined ? "" : hex(suite.sha256(bytes));
    const authority = judged.get(hash) ?? judgeGrant(suite, trusting(roots, vaults), bytes);
    if ((authority.grant?.maxChains ?? 1) > 1) judged.set(hash, authority);
    return authority;
  } catch (caught) {
    if (caught instanceof Unreadable) return undefined;
    throw caught;
  }
}

// False only where the chain's own grant names another key, and that key signed its first head.
async function mayHaveBegunBy(
  keys: ReadonlySet<string>,
  chain: ChainSource,
  grant: Grant | undefined,
  by: ChosenBy,
): Promise<boolean> {
  if (grant !== undefined && !keys.has(hex(grant.key))) {
    const head = await firstHead(chain);
    if (head !== undefined && isSignedBy(by.suite, grant.key, head)) return false;
  }
  return !(await neverBegan(chain, by));
}

async function firstHead(chain: ChainSource): Promise<Uint8Array | undefined> {
  try {
    const [object] = await ask("the list of blocks", chain.blocks);
    if (object === undefined) return undefined;
    const reader = new PieceReader(object);
    try {
      return (await reader.has(headLength)) ? reader.peek(headLength) : undefined;
    } finally {
      await reader.close();
    }
  } catch (caught) {
    if (caught instanceof Unreadable) return undefined;
    throw caught;
  }
}
