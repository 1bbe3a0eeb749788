// A shipper with fakes around it, and everything it told.

import type { Receipt } from "../../src/core/checkpoint.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import type { UnusableReason } from "../../src/ship/delivery.ts";
import { Shipper, type ShipperOptions } from "../../src/ship/shipper.ts";
import type { Sink } from "../../src/ship/sink.ts";
import type { SinkReport } from "../../src/ship/sink-health.ts";
import { FakeClock, settle } from "../fakes/clock.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { SeededRandom } from "../fakes/random.ts";
import type { TestChain, VaultSigner } from "./chain.ts";

export interface Setup extends AsyncDisposable {
  readonly shipper: Shipper;
  readonly clock: FakeClock;
  readonly diag: RecordingDiag;
  /** Sizes that were saved, and those told afterwards: what may be freed. */
  readonly saved: number[];
  readonly freed: number[];
  readonly reports: SinkReport[];
  readonly unusable: UnusableReason[];
  readonly running: Promise<void>;
}

export function ship(
  chain: TestChain,
  sink: Sink & { readonly signer?: VaultSigner },
  options: Partial<ShipperOptions> & { readonly signer?: VaultSigner } = {},
): Setup {
  const clock = (options.clock as FakeClock | undefined) ?? new FakeClock();
  const diag = new RecordingDiag();
  const saved: number[] = [];
  const freed: number[] = [];
  const reports: SinkReport[] = [];
  const unusable: UnusableReason[] = [];
  const signer = options.signer ?? sink.signer;
  const shipper = new Shipper({
    chainId: chain.id,
    feed: chain,
    tree: chain,
    sink,
    suite: nativeSuite,
    vaults: signer === undefined ? [] : [signer.keys],
    random: new SeededRandom(),
    receipts: {
      newest: undefined,
      save: async (_note: Uint8Array, { size }: Receipt) => void saved.push(size),
    },
    onReceipt: ({ size }) => void freed.push(size),
    onSink: (report) => void reports.push(report),
    onChainUnusable: (reason) => void unusable.push(reason),
    // Tests of it say how long.
    patienceMs: 0,
    ...options,
    clock,
    diag,
  });
  const running = shipper.run();
  // Tests that expect an error look at `running` themselves.
  running.catch(() => undefined);
  return {
    shipper,
    clock,
    diag,
    saved,
    freed,
    reports,
    unusable,
    running,
    [Symbol.asyncDispose]: () => shipper.close(),
  };
}

/** Lets real sockets work until `holds`; the fake clock stands still meanwhile. */
export async function until(holds: () => boolean, limitMs = 5000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error("what was waited for did not happen");
    await settle();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
