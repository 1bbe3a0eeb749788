// A sealer on fake files with a real WAL, and the verifier as its judge.

import { concat, hex, utf8 } from "../../src/core/bytes.ts";
import { formatGrant, parseGrant } from "../../src/core/grant.ts";
import { formatNote, type VerifierKey, verifierKey } from "../../src/core/note.ts";
import type { SourceRecord } from "../../src/core/record.ts";
import { encodeRecord, sourceIdOf } from "../../src/core/record.ts";
import { SourceTable } from "../../src/core/sources.ts";
import { silentDiag } from "../../src/host/diag.ts";
import { signer } from "../../src/host/keys.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { newHead } from "../../src/seal/head.ts";
import { KeyState } from "../../src/seal/key-state.ts";
import type { SealedBlock } from "../../src/seal/pipeline.ts";
import { recoverChain } from "../../src/seal/recovery.ts";
import { Sealer, type SealerOptions, type SealLimits } from "../../src/seal/sealer.ts";
import type { Finding } from "../../src/verify/finding.ts";
import type { ChainReport } from "../../src/verify/report.ts";
import { verifyChain } from "../../src/verify/verify.ts";
import { Wal } from "../../src/wal/wal.ts";
import { plainChain } from "../fakes/chain-store.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FakeFiles } from "../fakes/files.ts";
import { SeededRandom } from "../fakes/random.ts";

const root = signer(new Uint8Array(32).fill(1));
const grantKey = signer(new Uint8Array(32).fill(2));
export const rootKey: VerifierKey = verifierKey(suite, "test-root", 1, root.publicKey);

export function grantNote(): Uint8Array {
  const text = formatGrant({
    id: new Uint8Array(16).fill(3),
    role: "write",
    subject: "test",
    audience: "vault.test",
    sources: [],
    notBefore: 0,
    notAfter: 4_000_000_000,
    maxChains: 1,
    maxSilenceMs: 60_000,
    key: grantKey.publicKey,
  });
  const signature = root.sign(utf8(text));
  return utf8(formatNote(text, [{ name: rootKey.name, keyId: rootKey.keyId, signature }]));
}

export const limits: SealLimits = {
  maxBytes: 65_536,
  maxLines: 65_536,
  maxAgeMs: 1000,
  maxSilenceMs: 60_000,
};

export function sourceRecord(name: string): SourceRecord {
  return {
    type: "source",
    name,
    path: `/var/log/${name}`,
    dev: "1",
    ino: "2",
    birth: "3",
    generation: 0,
    fingerprint: hex(suite.sha256(new Uint8Array(0))),
    fingerprint_len: 0,
  };
}

export function sourceIdFor(record: SourceRecord): Uint8Array {
  return sourceIdOf(suite, encodeRecord(record));
}

export interface World {
  readonly files: FakeFiles;
  readonly clock: FakeClock;
  readonly random: SeededRandom;
  readonly grant: Uint8Array;
  readonly sealed: SealedBlock[];
}

export function newWorld(): World {
  return {
    files: new FakeFiles(),
    clock: new FakeClock(),
    random: new SeededRandom(7),
    grant: grantNote(),
    sealed: [],
  };
}

export interface Chain {
  readonly sealer: Sealer;
  readonly wal: Wal;
  readonly keys: KeyState;
}

const openWal = (world: World): Promise<Wal> =>
  Wal.open({
    files: world.files,
    dir: "/state/wal",
    diag: silentDiag,
    clock: world.clock,
    segmentBytes: 100_000,
  });

function sealerOn(
  world: World,
  wal: Wal,
  chain: Pick<SealerOptions, "head" | "facts" | "sources" | "keys">,
  over: Partial<SealerOptions>,
): Sealer {
  return new Sealer({
    suite,
    clock: world.clock,
    random: world.random,
    log: wal,
    ...chain,
    limits,
    grantHash: parseGrant(suite, world.grant).hash,
    runId: world.random.bytes(16),
    onSealed: (block) => world.sealed.push(block),
    genesisSigner: (message) => grantKey.sign(message),
    ...over,
  });
}

const run = { host: "h", version: "0.0.0", labels: {}, config: { version: 1 } };

export async function begin(world: World, over: Partial<SealerOptions> = {}): Promise<Chain> {
  await world.files.mkdir("/state/wal", 0o700);
  await world.files.syncDir("/state");
  await world.files.syncDir("/");
  const secret = world.random.bytes(32);
  const keys = await KeyState.create(world.files, suite, "/state/keys", { blockNo: 1, secret });
  const wal = await openWal(world);
  const facts = {
    seq: 0,
    lastHash: new Uint8Array(32),
    config: {},
    receiptHash: new Uint8Array(32),
    receiptSize: 0,
  };
  const head = newHead(suite, secret);
  const chain = { head, facts, sources: new SourceTable(suite), keys };
  const sealer = sealerOn(world, wal, chain, over);
  await sealer.startRun(run);
  await sealer.flush();
  return { sealer, wal, keys };
}

/** Opens the chain again, as after a restart; "lost" where it must not be gone on with. */
export async function reopen(
  world: World,
  over: Partial<SealerOptions> = {},
): Promise<Chain | "lost" | "empty"> {
  const wal = await openWal(world);
  if (wal.next === wal.first) return "empty";
  const blocks = wal.scan(wal.firstIndexOfNewestSegment);
  const recovery = await recoverChain({
    suite,
    files: world.files,
    keyPath: "/state/keys",
    blocks,
  });
  if ("lost" in recovery) return "lost";
  const sealer = sealerOn(world, wal, recovery.chain, over);
  await sealer.startRun(run);
  return { sealer, wal, keys: recovery.chain.keys };
}

/** What a fake clock begins at: lines are read as the first block is sealed. */
const firstTime = new FakeClock().now();

export async function addLines(
  sealer: Sealer,
  record: SourceRecord,
  offset: number,
  text: string,
): Promise<void> {
  const bytes = utf8(text);
  let at = 0;
  while (at < bytes.length) {
    const room = await sealer.room();
    const part = bytes.subarray(at, at + room.length);
    room.set(part);
    await sealer.addSpan(
      { source: sourceIdFor(record), offset: offset + at, time: firstTime },
      part.length,
    );
    at += part.length;
  }
}

/** Verifies everything that lies in the WAL from the genesis on. */
export async function verifyWal(
  world: World,
  wal: Wal,
): Promise<{ report: ChainReport; findings: Finding[]; lines: Uint8Array }> {
  const blocks: Uint8Array[] = [];
  for await (const frame of wal.scan()) blocks.push(frame.bytes);
  const first = blocks[0] as Uint8Array;
  const id = hex(suite.sha256(concat(Uint8Array.of(0), first.subarray(0, 448))));
  const findings: Finding[] = [];
  const lines: Uint8Array[] = [];
  const report = await verifyChain(plainChain(id, world.grant, blocks), {
    suite,
    roots: [rootKey],
    vaults: [],
    report: (finding) => findings.push(finding),
    onItem: (item, raw) => {
      if (item.kind === "span") lines.push(raw.slice(item.start, item.end));
    },
  });
  return { report, findings, lines: concat(...lines) };
}
