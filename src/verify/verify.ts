// Verifies chains: reads them from any source, walks them, and sums up.
//
// - Chains are judged one by one, and then against each other: predecessors and grants' uses.
// - Trusts keys that it was given and nothing else.
//
// Spec: docs/spec/verification.md.

import { headLength } from "../core/block.ts";
import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import type { Grant } from "../core/grant.ts";
import { type Header, headerLength, signedBytes } from "../core/header.ts";
import type { VerifierKey } from "../core/note.ts";
import type { PayloadItem } from "../core/payload.ts";
import { judgeAge, judgeDates, judgeReceipt } from "./ending.ts";
import type { Finding } from "./finding.ts";
import type { ForkProofs } from "./forks.ts";
import { audiencesOf, type JudgedGrant, judgeGrant } from "./grant.ts";
import type { ChainReport } from "./report.ts";
import { chainReport } from "./report.ts";
import type { ChainSource } from "./source.ts";
import { type FoundBlock, HeadCopies, storedBlocks } from "./stored-blocks.ts";
import { ChainWalk, type WalkOptions } from "./walk.ts";

export interface VerifyOptions {
  readonly suite: Suite;
  readonly roots: readonly VerifierKey[];
  readonly vaults: readonly VaultKeys[];
  /** Unix microseconds at which the age of heads is judged; undefined: it is not. */
  readonly at?: number | undefined;
  readonly headersOnly?: boolean;
  readonly report: (finding: Finding) => void;
  /** Called per stored block; for progress. */
  readonly onBlock?: (chain: string, bytes: number) => void;
  /** Called with each block that became part of the thread, after it was judged. */
  readonly onAccepted?: (header: Header, walk: ChainWalk, head: Uint8Array) => void;
  readonly onItem?: (item: PayloadItem, raw: Uint8Array, seq: number, count: number) => void;
  readonly onEnvelope?: (preimage: Uint8Array, hash: Uint8Array, item: PayloadItem) => void;
  /** Sizes of this chain at which others name its root. */
  readonly rootsAt?: ReadonlySet<number>;
}

/** Walks one chain to its end. */
export async function verifyChain(
  chain: ChainSource,
  options: VerifyOptions,
): Promise<ChainReport> {
  const receipt = await chain.receipt();
  const judged = judgeGrant(
    { suite: options.suite, roots: options.roots, audiences: audiencesOf(options.vaults) },
    await chain.grant(),
  );
  const run = await walkBlocks(chain, options, judged);
  const { walk } = run;
  if (judged.fault !== undefined) {
    walk.report(judged.fault.code, judged.fault.message, { object: "grant" });
  }
  judgeReceipt(walk, receipt);
  judgeDates(walk, judged.grant);
  walk.finish();
  if (options.at !== undefined) judgeAge(walk, options.at);
  walk.unchecked.add("revocations: no list was given");
  return chainReport(chain.id, walk, judged.grant, judged.root);
}

async function walkBlocks(
  chain: ChainSource,
  options: VerifyOptions,
  judged: JudgedGrant,
): Promise<{ walk: ChainWalk }> {
  const forks = await forkProofs(chain);
  const [blocks, headers] = [await chain.blocks(), await chain.headers()];
  let walk: ChainWalk | undefined;
  const begin = (grant: Grant | undefined): ChainWalk =>
    new ChainWalk(walkOptions(chain, options, judged, grant, forks));
  const position = (): number => walk?.length ?? 0;
  const copies = new HeadCopies(headers, (object, message) =>
    walk?.report("MALFORMED", message, { object }),
  );
  for await (const found of storedBlocks(
    { blocks, headers },
    position,
    options.headersOnly === true,
  )) {
    walk ??= begin(usableGrant(options.suite, judged, found.stored.head));
    options.onBlock?.(chain.id, found.stored.head.length + found.stored.payload.length);
    const header = feed(walk, found);
    if (header === undefined) continue;
    options.onAccepted?.(header, walk, found.stored.head);
    const copy = found.payload instanceof Uint8Array ? await copies.at(header.blockNo) : undefined;
    if (copy !== undefined) {
      walk.copy(header.blockNo, copy.head, found.stored.head, {
        object: copy.object,
        byte: copy.byte,
      });
    }
  }
  return { walk: walk ?? begin(judged.grant) };
}

function walkOptions(
  chain: ChainSource,
  options: VerifyOptions,
  judged: JudgedGrant,
  grant: Grant | undefined,
  forks: ForkProofs,
): WalkOptions {
  const { suite, vaults, report, onItem, onEnvelope, rootsAt } = options;
  return {
    suite,
    vaults,
    report,
    grant,
    forks,
    chain: chain.id,
    grantHash: judged.fault === undefined ? grant?.hash : undefined,
    ...(onItem === undefined ? {} : { onItem }),
    ...(onEnvelope === undefined ? {} : { onEnvelope }),
    ...(rootsAt === undefined ? {} : { rootsAt }),
  };
}

// A grant that was bent may name a bent key: then the genesis is not judged by it.
function usableGrant(suite: Suite, judged: JudgedGrant, head: Uint8Array): Grant | undefined {
  const { grant, fault } = judged;
  if (grant === undefined || fault === undefined) return grant;
  const signed = suite.verifyEd25519(grant.key, signedBytes(head), head.subarray(headerLength));
  return signed ? grant : undefined;
}

function feed(walk: ChainWalk, found: FoundBlock): Header | undefined {
  const { stored, object, payload } = found;
  const place = { object, byte: stored.at };
  if (found.ends === "newest" && stored.shape === "cut" && isTorn(walk, stored.head))
    return undefined;
  const extra =
    stored.shape === "junk" &&
    (found.ends === "newest"
      ? stored.head.length < headLength
      : found.ends === "object" && found.nextObject === walk.thread.blockNo);
  if (extra) {
    walk.report("NON_CANONICAL", "bytes follow the last block", place);
    return undefined;
  }
  return walk.block(stored.head, payload, place);
}

// An incomplete newest block is no fault: its writer may be at it, or was cut off by a crash.
function isTorn(walk: ChainWalk, head: Uint8Array): boolean {
  if (head.length < headLength) return true;
  const judged = walk.judge(head);
  return judged.place === "next" && judged.faults.length === 0;
}

// More proofs than this prove nothing more.
const maxForks = 1000;

async function forkProofs(chain: ChainSource): Promise<ForkProofs> {
  const proofs = new Map<number, Uint8Array[]>();
  for (const { block, proof } of (await chain.forks()).slice(0, maxForks)) {
    proofs.set(block, [...(proofs.get(block) ?? []), proof]);
  }
  return proofs;
}
