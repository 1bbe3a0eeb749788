// Begins a chain in place of all older ones, and takes over what these hold.
//
// - Order of a beginning: a mark that nothing of it was sent → first secret, key file synced →
//   what it goes on from → genesis in the WAL, synced → all of the old buffers → shipped → receipt
//   → the grant's private key destroyed.
//   A crash before the genesis is durable begins anew; one before all is taken over goes on with
//   it.
// - Nothing is shipped before all is taken over. So what is not whole is at no vault.

import { hex } from "../core/bytes.ts";
import { inScope } from "../core/grant.ts";
import { textOf } from "../core/json.ts";
import type { PredecessorRecord, SourcePosition } from "../core/record.ts";
import { SourceTable } from "../core/sources.ts";
import { writeChecked } from "../host/checked-file.ts";
import { makeDirDurably, writeFileDurably } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import { newHead } from "../seal/head.ts";
import { KeyState } from "../seal/key-state.ts";
import type { ChainFacts, Sealer } from "../seal/sealer.ts";
import { Ledger, statedIn } from "../succession/ledger.ts";
import { type BytesByPath, formatOrigin, leftOutOf, leftOutText } from "../succession/origin.ts";
import type { Plan } from "../succession/plan.ts";
import { takeOver } from "../succession/take-over.ts";
import { openWal } from "./buffer.ts";
import { type ChainContext, type LiveChain, maxSilenceOf, newSealer, runStart } from "./chain.ts";
import { keepOwnGrant, type UsableGrant } from "./grant-files.ts";
import type { OldChains } from "./old-chains.ts";
import type { ChainDir } from "./state-dir.ts";

/** Returns when the genesis is durable. `unread`: bytes of files held open, by path. */
export async function beginChain(
  context: ChainContext,
  dir: ChainDir,
  usable: UsableGrant,
  plan: Plan,
  unread: BytesByPath,
): Promise<LiveChain> {
  const { files, suite, random } = context;
  const grant = { ...usable.grant, bytes: usable.bytes };
  await makeDirDurably(files, dir.wal, 0o700);
  await keepOwnGrant(context, dir.grant, usable.bytes);
  await writeFileDurably(files, dir.unsent, new Uint8Array(0));
  const secret = random.bytes(32);
  const keys = await KeyState.create(files, suite, dir.keys, { blockNo: 1, secret });
  failpoint("enrol-after-key");
  const covers = (path: string): boolean => inScope(grant, path);
  const leftOut = leftOutOf(covers, plan.bytes, unread);
  const goesOn = plan.stretches.length > 0 || plan.origin.named !== undefined;
  const { named, positions, forkedAt } = plan.origin;
  const isInside = ({ record }: SourcePosition): boolean => covers(textOf(record["path"]));
  const outside = positions.filter((each) => !isInside(each));
  const origin = { named, positions, outside, leftOut, forkedAt };
  if (goesOn) await writeChecked(files, suite, dir.origin, formatOrigin(origin));
  const wal = await openWal(context, dir);
  const head = newHead(suite, secret);
  const sources = new SourceTable(suite);
  const facts: ChainFacts = {
    seq: 0,
    lastHash: new Uint8Array(32),
    config: {},
    receiptHash: new Uint8Array(32),
    receiptSize: 0,
  };
  let granted: UsableGrant["signer"] | undefined = usable.signer;
  const sealer = newSealer(context, wal, { head, facts, sources, keys }, grant, (message) => {
    if (granted === undefined) throw new TypeError("a grant's key signs one genesis");
    const signature = granted.sign(message);
    // The last hold on the key in memory.
    granted = undefined;
    return signature;
  });
  const inside = { named, positions: positions.filter(isInside) };
  const predecessor = predecessorOf(inside, leftOut);
  sayLeftOut(context, leftOut);
  const start = runStart(context);
  // Without a predecessor to say it of, it is said beside what else the operator is told.
  const silent = predecessor === undefined && leftOut.size > 0;
  const labels = silent ? { ...start.labels, "left-out": leftOutText(leftOut) } : start.labels;
  await orStop(context, sealer, async () => {
    await sealer.startRun({ ...start, labels, predecessor });
    await sealer.flush();
  });
  failpoint("enrol-after-genesis");
  return {
    ...{ id: hex(head.chainId), dir, wal, sealer, sources, seq: sealer.seq, head, keys, grant },
    maxSilenceMs: maxSilenceOf(context, grant),
    receipt: undefined,
    tails: new Map(),
    firstStart: !goesOn,
  };
}

function predecessorOf(
  { named, positions }: Plan["origin"],
  leftOut: BytesByPath,
): PredecessorRecord | undefined {
  if (named === undefined) return undefined;
  const reason = leftOut.size === 0 ? named.reason : `${named.reason}; ${leftOutText(leftOut)}`;
  return { type: "predecessor", ...named, reason, positions };
}

// What the new grant does not cover stays behind: that is said to whoever issued it, and signed.
function sayLeftOut({ diag, onLeftOut }: ChainContext, leftOut: BytesByPath): void {
  for (const [path, bytes] of leftOut) {
    diag.error("unsealed bytes are outside the grant and left out", { path, bytes });
    onLeftOut(bytes);
  }
}

/**
 * Takes over what the older chains hold; after a crash it goes on where it was. False when told to
 * stop before the end.
 */
export async function succeed(
  context: ChainContext,
  live: LiveChain,
  older: OldChains,
  { stretches, closed }: Pick<Plan, "stretches" | "closed">,
  drafts: readonly Uint8Array[],
): Promise<boolean> {
  const { suite, diag, stopping, files } = context;
  const { sealer, sources, grant, wal, dir } = live;
  const stated = await statedIn(suite, wal.scan());
  const ledger = new Ledger(suite, {
    positions: sources.positions(),
    closed: [...closed, ...stated.closed],
    edits: stated.edits,
    scope: (path) => inScope(grant, path),
  });
  const all = await orStop(context, sealer, () =>
    takeOver(
      {
        ...{ suite, ledger, receiver: sealer, stopping },
        free: (stretch, index) => older.free(stretch, index),
        onDamage: (_, { code }) =>
          diag.error("a buffered block is damaged, the rest is read from the sources again", {
            code,
          }),
      },
      stretches,
      drafts,
    ),
  );
  if (!all) return false;
  await writeFileDurably(files, dir.succeeded, new Uint8Array(0));
  if (stretches.length > 0) diag.info("took over what was left of older chains", {});
  return true;
}

// A full disk must not keep a stop from ending.
async function orStop<T>(
  { stopping }: ChainContext,
  sealer: Sealer,
  work: () => Promise<T>,
): Promise<T> {
  const hurry = (): void => sealer.waitNoLonger();
  stopping.addEventListener("abort", hurry);
  if (stopping.aborted) hurry();
  try {
    return await work();
  } finally {
    stopping.removeEventListener("abort", hurry);
  }
}
