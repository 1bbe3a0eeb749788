// Which chains of a place a word names, and what else of the place may belong to them.
//
// - A word is a chain's id, the beginning of one, or a subject. Without a word it is everything.
// - A word that is both means neither: anybody can make a chain whose id begins like a subject of a
//   few digits. With more of them nobody can, and it is the id.
// - Only a grant that a given root key signed says whose a chain is. Where no root key was given,
//   grants are taken at their word, and whoever asks says that nobody judged them.
// - What may belong to the chosen chains and can't be told is a doubt: whoever reads the chosen
//   chains says so, or reads nothing.
//
// Spec: docs/spec/verification.md, "A part of a place".

import { type ChainSource, type Contents, limited } from "../core/chain-source.ts";
import { Fault } from "../core/fault.ts";
import { checkGrantRoots, parseGrant } from "../core/grant.ts";
import { ask, Unreadable } from "./unreadable.ts";
import { type JudgedBy, neverBegan } from "./verify.ts";

export interface Chosen {
  readonly chains: readonly ChainSource[];
  /** What the word was taken for: the chains of both, if it is both. */
  readonly as: "all" | "id" | "subject" | "both";
  /** What else may belong to them, each with why nobody can tell; no more than people read. */
  readonly doubts: readonly string[];
  /** Ids of the chains that are of another subject, as their grants say. */
  readonly others: readonly string[];
}

/** So many digits of an id nobody can find a genesis for that is his own. */
const sureDigits = 16;

/** Never throws for what can't be read. */
export async function chosenOf(
  { chains, unread }: Contents,
  word: string | undefined,
  by: JudgedBy,
): Promise<Chosen> {
  if (word === undefined) return { chains, as: "all", doubts: unread, others: [] };
  const { id, subject } = meaningOf(word);
  const named = id === undefined ? [] : chains.filter((chain) => chain.id.startsWith(id));
  const sure = id !== undefined && id.length >= sureDigits && named.length > 0;
  if (id !== undefined && (subject === undefined || sure)) {
    const doubts = unread.filter((each) => mayBegin(each, id));
    return { chains: named, as: "id", doubts, others: [] };
  }
  const rest = chains.filter((chain) => !named.includes(chain));
  const found = await ofSubject({ chains: rest, unread }, subject ?? word, by);
  if (named.length === 0) return found;
  const as = found.chains.length === 0 ? "id" : "both";
  return { chains: [...named, ...found.chains], as, doubts: found.doubts, others: [] };
}

/** What a word may mean: `id:DIGITS` and `subject:NAME` mean one of them only. */
function meaningOf(word: string): { readonly id?: string; readonly subject?: string } {
  const [, said, name = ""] = /^(id|subject):(.*)$/s.exec(word) ?? [];
  if (said === "subject") return { subject: name };
  if (said === "id" && isDigits(name)) return { id: name };
  return isDigits(word) ? { id: word, subject: word } : { subject: word };
}

function isDigits(text: string): boolean {
  return /^[0-9a-f]{6,64}$/.test(text);
}

function mayBegin(unread: string, digits: string): boolean {
  return unreadId(unread)?.startsWith(digits) ?? true;
}

/** The id of the one chain that can't be read; undefined where more than one may be meant. */
export function unreadId(unread: string): string | undefined {
  return /^chains\/([0-9a-f]{64}) /i.exec(unread)?.[1]?.toLowerCase();
}

async function ofSubject(
  { chains, unread }: Contents,
  word: string,
  by: JudgedBy,
): Promise<Chosen> {
  const [found, doubts, others]: [ChainSource[], string[], string[]] = [[], [], []];
  for (const chain of chains) {
    const { claimed, why } = await subjectOf(chain, by);
    if (claimed === word) found.push(chain);
    else if (why === undefined) others.push(chain.id);
    else if (!(await neverBegan(chain, by))) {
      doubts.push(`chain ${chain.id} may be of ${word}: ${why}`);
    }
  }
  return { chains: found, as: "subject", doubts: [...unread, ...limited(doubts)], others };
}

/** The subject that a chain's grant claims, and why that does not count. */
async function subjectOf(
  chain: ChainSource,
  { suite, roots }: JudgedBy,
): Promise<{ readonly claimed?: string; readonly why?: string }> {
  let claimed: string | undefined;
  try {
    const bytes = await ask("its grant", chain.grant);
    if (bytes === undefined) return { why: "no grant is stored with it" };
    const grant = parseGrant(suite, bytes);
    claimed = grant.subject;
    if (roots.length > 0) checkGrantRoots(suite, grant, roots);
    return { claimed };
  } catch (caught) {
    if (!(caught instanceof Fault || caught instanceof Unreadable)) throw caught;
    return { ...(claimed === undefined ? {} : { claimed }), why: caught.message };
  }
}
