// The parts of a vault, each with those that it needs. Nothing serves or works yet: vault.ts sees
// to their beginning and end.
//
// - Opening reads the names of the chains and the indexes, and nothing of the chains.

import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { parseVerifierKey } from "../core/note.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Files } from "../host/files.ts";
import type { FetchHandler } from "../host/http-listener.ts";
import { openDirStore } from "../store/dir.ts";
import { type ObjectLimits, objectLimits } from "../store/dir-chain.ts";
import type { Store } from "../store/store.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { endpoints } from "./api.ts";
import { type Bounds, type BoundsLimits, openBounds } from "./bounds.ts";
import { BringBack } from "./bring-back.ts";
import { Catalog } from "./catalog.ts";
import { CatalogIndex } from "./catalog-index.ts";
import type { VaultConfig } from "./config.ts";
import type { Gate } from "./gate.ts";
import { Heads } from "./heads.ts";
import { Intake } from "./intake.ts";
import { ForkKeeper } from "./kept-forks.ts";
import { Leftovers } from "./leftovers.ts";
import { VaultMetrics, type VaultReading } from "./metrics.ts";
import { OpenFindings } from "./open-findings.ts";
import { OwnNotes } from "./own-notes.ts";
import { Reads } from "./reads.ts";
import { ReceiptKeeper } from "./receipts.ts";
import { apiHandler } from "./routes.ts";
import type { ReceiptSigner } from "./signer.ts";
import { StoreReads } from "./store-reads.ts";
import { Watch } from "./watch.ts";

/** Memory for open heads, unless told. */
const headBytesMax = 256 * 1024 * 1024;

export interface VaultLimits extends BoundsLimits {
  readonly objects: ObjectLimits;
  /** Memory for open heads. */
  readonly headBytes: number;
}

export interface PartsDeps {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly files: Files;
  readonly diag: Diag;
  readonly version: string;
  readonly limits?: Partial<VaultLimits>;
}

export interface VaultParts {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly findings: OpenFindings;
  readonly watch: Watch;
  readonly keeper: ReceiptKeeper;
  readonly heads: Heads;
  readonly intake: Intake;
  readonly bounds: Bounds;
  readonly metrics: VaultMetrics;
  readonly api: FetchHandler;
}

/** `read`: what the metrics are read from. Throws what opening the store throws. */
export async function openParts(
  config: VaultConfig,
  deps: PartsDeps,
  signer: ReceiptSigner,
  gate: Gate,
  read: () => Promise<VaultReading>,
): Promise<VaultParts> {
  const { suite, clock, files, diag, version, limits = {} } = deps;
  const { state_dir: stateDir, expect, name: audience } = config;
  const { keys } = signer;
  const roots = config.trust.root_keys.map((text) => parseVerifierKey(suite, text));
  const policy = { suite, keys: { roots, vaults: [keys] } };
  const store = await openDirStore({
    ...{ files, suite, now: () => clock.now(), dir: config.store.path },
    ...{ asideDir: `${stateDir}/quarantine`, limits: limits.objects ?? objectLimits },
  });
  const notes = new OwnNotes(files, stateDir);
  const findings = new OpenFindings({ files, diag, path: `${stateDir}/findings.ndjson` });
  const index = new CatalogIndex({ files, diag, roots, path: `${stateDir}/chains.ndjson` });
  const catalog = new Catalog({
    ...{ store, notes, index, findings, diag, keys, policy, startedAt: clock.now() },
    clear: (chain) => leftovers.clear(chain),
  });
  const metrics = new VaultMetrics({ version, now: () => clock.now(), read });
  const keeper = new ReceiptKeeper({
    ...{ store, notes, clock, diag, gate },
    onFault: async (error, chain) => {
      if (error instanceof SealtailError) metrics.storeFailed(error.code);
      if (heads.damage(chain) === undefined) await heads.condemn(chain, error);
    },
  });
  const bringBack = new BringBack({
    ...{ store, keys, policy, notes, clock, diag, catalog, keeper, signers: signer.signers },
  });
  const heads = new Heads({
    ...{ store, suite, diag, clock, notes, gate, catalog, bringBack },
    bytesMax: limits.headBytes ?? headBytesMax,
  });
  const leftovers = new Leftovers({ store, notes, heads, diag });
  const forks = new ForkKeeper({ suite, store, notes, diag, gate });
  const watch = new Watch({
    ...{ suite, keys, diag, gate, store, heads, forks, catalog, findings, expect },
  });
  const acknowledgements = new Acknowledgements({
    ...{ suite, clock, diag, gate, store, catalog, findings, roots, audience },
  });
  await catalog.load();
  await findings.load((chain) => catalog.get(chain) !== undefined);
  await acknowledgements.load();
  const bounds = openBounds(config.limits, limits, clock, metrics);
  const intake = new Intake({
    ...{ suite, clock, diag, gate, store, heads, catalog, keeper, policy, watch },
    ...{ signer, forks, leftovers, room: bounds.room, observer: metrics },
  });
  const reads = new Reads({ suite, keys, clock, store, catalog, heads, keeper, watch });
  const storeReads = new StoreReads({ store, keeper });
  const table = endpoints({ intake, reads, storeReads, acknowledgements, clock }, version);
  metrics.expect(table);
  const open = config.access.open;
  const api = apiHandler({ endpoints: table, clock, diag, observer: metrics, open, ...bounds });
  return { store, catalog, findings, watch, keeper, heads, intake, bounds, metrics, api };
}
