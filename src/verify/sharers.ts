// Reads of a place what must be known to judge the uses of the grants of some of its chains.
//
// - Of other chains the grants are read, and the first heads, which say by which grant they began.
// - Those that may share a grant beyond what it allows are walked by whoever asks.
//
// Spec: docs/spec/grant.md, "Uses".

import { type Authority, judgeGrant, trusting } from "../core/authority.ts";
import { headLength } from "../core/block.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import type { ChainSource, Contents, StoredObject } from "../core/chain-source.ts";
import type { Grant } from "../core/grant.ts";
import { blockHash, headerOf, isSignedBy } from "../core/header.ts";
import { type Member, sharedGrants, toBeWalked, unwalked } from "./grant-uses.ts";
import { firstBytes } from "./piece-reader.ts";
import { ask, Unreadable } from "./unreadable.ts";
import { type JudgedBy, neverBegan } from "./verify.ts";

export interface Sharers {
  /** All chains of the place; but for what never began, as far as that was looked for. */
  readonly members: readonly Member[];
  /** Ids of chains, asked for or not, that must be walked: perhaps too many for one grant. */
  readonly together: ReadonlySet<string>;
}

const none: Sharers = { members: [], together: new Set() };

/** What shares its uses with the chains of the ids `asked`, or may. */
export async function sharersOf(
  { chains, unread }: Contents,
  asked: ReadonlySet<string>,
  by: JudgedBy,
): Promise<Sharers> {
  // Without a root key nobody says whose grants these are.
  if (by.roots.length === 0) return none;
  const grants = new Map<string, KeyAndHash>();
  const judged = new Map<string, Authority>();
  const members: Member[] = [];
  for (const chain of chains) {
    const { id } = chain;
    const { grant, uses = [] } = (await authorityOf(chain, by, judged)) ?? {};
    if (grant !== undefined) grants.set(id, { key: grant.key, hash: grant.hash });
    const grantKey = grant && hex(grant.key);
    members.push(unwalked({ chain: id, uses, maxChains: grant?.maxChains, grantKey }));
  }
  const shared = [...sharedGrants(members, asked)];
  if (shared.length === 0) return none;
  // Where a grant has room for all that is there nothing more needs to be known.
  const room = unread.length === 0 && shared.every(({ most }) => most >= chains.length);
  if (room) return { members, together: new Set() };
  const known: Member[] = [];
  for (const [at, chain] of chains.entries()) {
    const one = members[at] as Member;
    const seen = await lookedAt(chain, one, grants.get(one.chain), by);
    if (seen !== undefined) known.push(seen);
  }
  return { members: known, together: toBeWalked(by.suite, known, unread, asked) };
}

type KeyAndHash = Pick<Grant, "key" | "hash">;

/** The same with what its first head says; undefined where the chain never began. */
async function lookedAt(
  chain: ChainSource,
  one: Member,
  grant: KeyAndHash | undefined,
  by: JudgedBy,
): Promise<Member | undefined> {
  const head = await firstHead(chain);
  const namesGrant = head && isNamed(grant, head, chain.id, by);
  if (one.uses.length > 0 && namesGrant !== false) return { ...one, namesGrant };
  if (await neverBegan(chain, by)) return undefined;
  const begun = grant !== undefined && head !== undefined && isSignedBy(by.suite, grant.key, head);
  return { ...one, namesGrant, begun, genesisHead: namesGrant === undefined ? undefined : head };
}

// A chain's id is the hash of its genesis, whoever laid it there.
function isNamed(
  grant: KeyAndHash | undefined,
  head: Uint8Array,
  id: string,
  { suite }: JudgedBy,
): boolean | undefined {
  const header = headerOf(head);
  if (header?.kind !== "genesis" || hex(blockHash(suite, head)) !== id) return undefined;
  return grant !== undefined && equalBytes(header.receiptHash, grant.hash);
}

/**
 * Undefined where its grant could not be read. Tens of thousands of chains may have one grant: what
 * was `judged` is kept by its bytes.
 */
async function authorityOf(
  chain: ChainSource,
  { suite, roots, vaults }: JudgedBy,
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

/** Undefined where it is not there, or could not be read. */
async function firstHead(chain: ChainSource): Promise<Uint8Array | undefined> {
  try {
    const [object] = await ask("the list of blocks", () => chain.blocks());
    const head = await headIn(object);
    if (head !== undefined) return head;
    // Of a chain whose oldest blocks were deleted there are copies of their heads.
    const [copies] = await ask("the list of headers", () => chain.headers());
    return await headIn(copies);
  } catch (caught) {
    if (caught instanceof Unreadable) return undefined;
    throw caught;
  }
}

async function headIn(object: StoredObject | undefined): Promise<Uint8Array | undefined> {
  if (object?.firstBlock !== 0) return undefined;
  const head = await firstBytes(object, headLength);
  return head.length === headLength ? head : undefined;
}
