// The one decision: which of the blocks that came may be stored.
//
// - A block is verified completely, header, signature, links, payload, envelopes and records,
//   before a byte of it is stored. What verification refuses is refused here, with its finding.
// - Blocks are judged in order up to the first that is refused; what came before it is good and
//   is stored. A block that is stored already, byte for byte the same head, is passed over.
// - Another block at a stored height is a fork if the key of that height signed it.
//
// Reference: docs/reference/http.md, "Posting blocks".

import { concat, equalBytes, hex, isZero } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import type { Fault } from "../core/fault.ts";
import { blockHash, decodeHeader, type Header, isSignedBy } from "../core/header.ts";
import type { FoundHead, WholeBlock } from "../core/whole-blocks.ts";
import { nextTurn } from "../host/turn.ts";
import type { ForkProof } from "../store/store.ts";
import { type Finding, isRefusal } from "../verify/finding.ts";
import type { HeadJudgement } from "../verify/head.ts";
import type { ChainHead } from "./bring-back.ts";
import { Damage } from "./damage.ts";
import { Problem, type ProblemCode, type ProblemDetail } from "./problem.ts";
import { headAt, runsBelow } from "./stored-heads.ts";

export interface Admission {
  /** Blocks to be stored, in order. */
  readonly accepted: readonly WholeBlock[];
  /** What the chain comes to with them; undefined if there are none. */
  readonly end: { readonly root: Uint8Array; readonly stopped: boolean } | undefined;
  /** Blocks that were stored already. */
  readonly known: number;
  /** Why the blocks after these are refused; undefined if there are none. */
  readonly refusal: Problem | undefined;
  /** Proven: the stored head and the one that was refused. */
  readonly fork: ForkProof | undefined;
  /** What was found and is no reason to refuse. */
  readonly findings: readonly Finding[];
  /** The walk took in a part of a refused block: it must be dropped. */
  readonly spoiled: boolean;
}

interface Refused {
  readonly kind: "refused";
  readonly problem: Problem;
}

type Verdict =
  | { readonly kind: "next"; readonly judged: HeadJudgement }
  | { readonly kind: "known" }
  | { readonly kind: "fork"; readonly fork: ForkProof }
  | Refused;

/** What a block is judged against: a head, and the blocks of the same request before it. */
interface Bench {
  readonly suite: Suite;
  readonly head: ChainHead;
  readonly accepted: readonly WholeBlock[];
}

/** Judges blocks in order. The caller has the chain to itself. */
export async function admit(
  suite: Suite,
  head: ChainHead,
  blocks: readonly WholeBlock[],
): Promise<Admission> {
  const accepted: WholeBlock[] = [];
  const findings: Finding[] = [];
  const bench = { suite, head, accepted };
  let known = 0;
  let end: Admission["end"];
  const done = (more: Partial<Admission>): Admission => ({
    ...{ accepted, end, known, findings, spoiled: false },
    ...{ refusal: undefined, fork: undefined, ...more },
  });
  for (const block of blocks) {
    const verdict = await judge(bench, block.head, block.header);
    if (verdict.kind === "known") known += 1;
    else if (verdict.kind === "fork") {
      const { fork } = verdict;
      const text = `another block ${fork.block}, signed by the same key, is stored`;
      const of = { finding: "FORK", block: fork.block };
      return done({ refusal: problemOf(head, "fork", text, of), fork });
    } else if (verdict.kind === "refused") return done({ refusal: verdict.problem });
    else {
      const said = await take(bench, block, verdict.judged);
      const bad = said.find(({ code }) => isRefusal(code));
      if (bad !== undefined) {
        const { problem } = refused(head, bad.code, bad.message, block.header.blockNo);
        return done({ refusal: problem, spoiled: true });
      }
      findings.push(...said);
      accepted.push(block);
      // Before a refused block may spoil the walk.
      end = { root: rootOf(head), stopped: head.walk.thread.stopped === true };
    }
    // A body may hold thousands of blocks: others get their turn between them.
    await nextTurn();
  }
  return done({});
}

/**
 * Judges the first head of a request that is not stored before its payload is read: only who holds
 * a key of the chain gets the vault to take in a body. Others may be working on the chain.
 */
export async function judgeEarly(
  suite: Suite,
  head: ChainHead,
  first: FoundHead,
): Promise<Verdict> {
  const { blockNo } = first.header;
  if (blockNo < head.walk.thread.blockNo && blockNo >= head.writer.size) {
    // It is just being stored: what becomes of it shows when its turn comes.
    const key = head.walk.recent.get(blockNo)?.key;
    if (key === undefined) {
      const problem = new Problem("busy", "the block is being stored", { retryAfter: 1 });
      return { kind: "refused", problem };
    }
    return isSignedBy(suite, key, first.head) ? { kind: "known" } : badSignature(head, blockNo);
  }
  return await judge({ suite, head, accepted: [] }, first.head, first.header);
}

async function judge(bench: Bench, bytes: Uint8Array, header: Header): Promise<Verdict> {
  const { suite, head } = bench;
  const { walk, chain } = head;
  const own = header.kind === "genesis" ? hex(blockHash(suite, bytes)) : hex(header.chainId);
  if (own !== chain || (header.kind === "genesis" && !isZero(header.chainId))) {
    return refused(head, "WRONG_CHAIN", "block belongs to another chain", header.blockNo);
  }
  const { blockNo } = walk.thread;
  if (header.blockNo > blockNo && !walk.thread.final) {
    return wrongHead(head, header.blockNo);
  }
  if (header.blockNo < blockNo) return await judgeOld(bench, bytes, header);
  let judged = judgedBefore(head, bytes) ?? walk.judge(bytes);
  // Only a block of the agent's own makes us read all heads of its chain.
  if (judged.authenticated && (await learnRuns(head, header))) judged = walk.judge(bytes);
  const fault = judged.faults.find(({ code }) => isRefusal(code));
  if (fault === undefined && judged.place === "next") {
    head.judged = { judged, after: walk.thread.prevHash };
    return { kind: "next", judged };
  }
  if (fault === undefined) return wrongHead(head, header.blockNo);
  if (judged.authenticated && linkCodes.includes(fault.code)) {
    return wrongHead(head, header.blockNo, fault);
  }
  return refused(head, fault.code, fault.message, header.blockNo);
}

// Before its payload came a head was judged already; a signature costs more than all else.
function judgedBefore({ walk, judged }: ChainHead, bytes: Uint8Array): HeadJudgement | undefined {
  if (judged === undefined || judged.after !== walk.thread.prevHash) return undefined;
  return equalBytes(judged.judged.head, bytes) ? judged.judged : undefined;
}

const linkCodes: readonly string[] = ["BAD_PREV", "CHAIN_ROOT_MISMATCH"];

// Runs that began before the walk did matter only when another run begins.
async function learnRuns(head: ChainHead, header: Header): Promise<boolean> {
  const { run } = head.walk.thread;
  if (head.allRuns || run === undefined || equalBytes(run.runId, header.runId)) return false;
  head.walk.runs.know(await runsBelow(head.reader, head.writer.size));
  head.allRuns = true;
  return true;
}

/** A block at a height that is taken: the same, a fork, or nothing that concerns us. */
async function judgeOld(bench: Bench, bytes: Uint8Array, header: Header): Promise<Verdict> {
  const { suite, head } = bench;
  const { blockNo } = header;
  const ours = await headOf(bench, blockNo);
  if (equalBytes(ours, bytes)) return { kind: "known" };
  const key =
    blockNo === 0 ? head.grant.key : decodeHeader(await headOf(bench, blockNo - 1)).nextPub;
  // Somebody may have edited either: nobody is told of a fork, or refused, for that.
  if (!isSignedBy(suite, key, ours)) {
    throw new Damage(`head of stored block ${blockNo} is not signed by the key before it`);
  }
  if (!isSignedBy(suite, key, bytes)) return badSignature(head, blockNo);
  const hash = hex(blockHash(suite, bytes));
  return { kind: "fork", fork: { block: blockNo, hash, proof: concat(ours, bytes) } };
}

async function headOf(
  { head, accepted }: Omit<Bench, "suite">,
  block: number,
): Promise<Uint8Array> {
  const stored = head.writer.size;
  if (block < stored) return await headAt(head.reader, block);
  return (accepted[block - stored] as WholeBlock).head;
}

async function take(bench: Bench, block: WholeBlock, judged: HeadJudgement): Promise<Finding[]> {
  const { head } = bench;
  const { walk, findings } = head;
  const size = block.header.receiptSize;
  if (size > 0 && size < block.header.blockNo && walk.recent.rootAt(size) === undefined) {
    // The root over the first `size` blocks stands in the header of block `size`.
    walk.recent.learn(size, decodeHeader(await headOf(bench, size)).chainRoot);
  }
  findings.length = 0;
  walk.unchecked.clear();
  head.judged = undefined;
  walk.block(block.head, block.payload, {}, judged);
  return findings.splice(0);
}

function rootOf({ walk, chain }: ChainHead): Uint8Array {
  const root = walk.thread.frontier?.root();
  if (root === undefined) throw new RangeError(`tree of chain ${chain} is not known`);
  return root;
}

function problemOf(
  { stored }: ChainHead,
  code: ProblemCode,
  message: string,
  of: Pick<ProblemDetail, "finding" | "block">,
): Problem {
  const { size = 0, root } = stored ?? {};
  return new Problem(code, message, { ...of, size, ...(root && { root: hex(root) }) });
}

function wrongHead(head: ChainHead, block: number, fault?: Fault): Refused {
  const { size } = head.walk.thread.final ? head.writer : { size: head.walk.thread.blockNo };
  const why = fault?.message ?? `block is numbered ${block}, want ${size}`;
  const of = fault === undefined ? { block } : { finding: fault.code, block };
  return { kind: "refused", problem: problemOf(head, "wrong-head", why, of) };
}

function badSignature(head: ChainHead, block: number): Refused {
  return refused(head, "BAD_SIGNATURE", "signature is not by the key that must sign", block);
}

function refused(head: ChainHead, finding: string, message: string, block: number): Refused {
  return {
    kind: "refused",
    problem: problemOf(head, "block-refused", message, { finding, block }),
  };
}
