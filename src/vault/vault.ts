// The vault: joins store, heads, intake and HTTP, and sees to their beginning and end.
//
// - Starting reads the names of the chains and nothing of them; the rest is surveyed while the
//   vault serves. Nobody can begin a chain before all stored grants are known.
// - One process per state directory and per store: both are locked.
// - close() lets requests under way finish, keeps the newest receipts, and lets go of the locks.

import { judgeGrant } from "../core/authority.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { parseVerifierKey } from "../core/note.ts";
import type { Clock } from "../host/clock.ts";
import { refusalError } from "../host/config-error.ts";
import type { Diag } from "../host/diag.ts";
import { makeDirDurably } from "../host/durable.ts";
import type { Files } from "../host/files.ts";
import type { FetchHandler, HttpListener } from "../host/http-listener.ts";
import { loadSigningKey } from "../host/keys.ts";
import { lockStateDir, type StateLock } from "../host/lock.ts";
import { openDirStore } from "../store/dir.ts";
import { type ObjectLimits, objectLimits } from "../store/dir-chain.ts";
import type { Store } from "../store/store.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { endpoints } from "./api.ts";
import { bodyBytesMax } from "./body.ts";
import { type Bounds, type BoundsLimits, openApiListener, openBounds } from "./bounds.ts";
import { BringBack } from "./bring-back.ts";
import { Catalog } from "./catalog.ts";
import { CatalogIndex } from "./catalog-index.ts";
import type { VaultConfig } from "./config.ts";
import { ownReceipt } from "./floor.ts";
import { isFoundedBy } from "./founding.ts";
import { Heads } from "./heads.ts";
import { openOperations } from "./health.ts";
import { Intake } from "./intake.ts";
import { ForkKeeper } from "./kept-forks.ts";
import { Leftovers } from "./leftovers.ts";
import { shown, type Unable, VaultMetrics, type VaultReading } from "./metrics.ts";
import { OpenFindings } from "./open-findings.ts";
import { StateDirNotes } from "./own-notes.ts";
import { Reads } from "./reads.ts";
import { ReceiptKeeper } from "./receipts.ts";
import { rescan } from "./rescan.ts";
import { apiHandler } from "./routes.ts";
import { ReceiptSigner, type VaultSigners } from "./signer.ts";
import { refusalsOf } from "./startable.ts";
import { StoreReads } from "./store-reads.ts";
import { Visitors } from "./visitors.ts";
import { Watch } from "./watch.ts";

/** Memory for open heads, unless told. */
const headBytesMax = 256 * 1024 * 1024;

export interface VaultDeps {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly files: Files;
  readonly diag: Diag;
  readonly version: string;
  /** SEALTAIL_PASSPHRASE opens encrypted keys. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The two keys, instead of those in the configured files. */
  readonly signers?: VaultSigners;
  /** Another lock than the machine's own; undefined: that one. */
  readonly lock?: (dir: string) => Promise<StateLock>;
  readonly limits?: Partial<VaultLimits>;
  /** False: no socket is opened, the API is reached through fetch alone. */
  readonly listens?: boolean;
}

export interface VaultLimits extends BoundsLimits {
  readonly objects: ObjectLimits;
  /** Memory for open heads. */
  readonly headBytes: number;
}

export interface RunningVault {
  readonly url: string;
  readonly operationsUrl: string;
  /** The API without a socket. */
  readonly fetch: FetchHandler;
  /** Rejects when a sync failed: what is stored is unknown, end the process with code 74. */
  readonly failed: Promise<never>;
  /** Resolves when every stored chain was looked at once; until then some states are unknown. */
  readonly surveyed: Promise<void>;
  /** Finishes what is under way, at most for `deadlineMs`, and stops. Closing twice is fine. */
  close(deadlineMs: number): Promise<void>;
}

/**
 * Starts a vault. Throws access-closed, vault-key-mismatch, state-locked, or what opening keys,
 * directories and listeners throws; then nothing is left running.
 */
export async function startVault(config: VaultConfig, deps: VaultDeps): Promise<RunningVault> {
  const signer = await openSigner(config, deps);
  const locks = await takeLocks(config, deps);
  const vault = new Vault(config, deps, signer, locks);
  try {
    await vault.start();
  } catch (error) {
    await vault.close(0);
    throw error;
  }
  return vault;
}

async function openSigner(config: VaultConfig, deps: VaultDeps): Promise<ReceiptSigner> {
  const { files, env, diag } = deps;
  const load = async (path: string): ReturnType<typeof loadSigningKey> => {
    const passphrase = env?.["SEALTAIL_PASSPHRASE"];
    const given = passphrase === undefined ? undefined : async (): Promise<string> => passphrase;
    const warn = (message: string): void => diag.warn("key file", { message });
    return await loadSigningKey({ files, path, passphrase: given, warn });
  };
  const signers = deps.signers ?? {
    receipt: await load(config.keys.receipt),
    time: await load(config.keys.time),
  };
  const signer = new ReceiptSigner(config.name, signers);
  for (const refusal of refusalsOf(config, signer.keys)) throw refusalError(refusal);
  return signer;
}

async function takeLocks(config: VaultConfig, deps: VaultDeps): Promise<StateLock[]> {
  const { files, lock = lockStateDir } = deps;
  const locks: StateLock[] = [];
  try {
    for (const dir of new Set([config.state_dir, config.store.path])) {
      await makeDirDurably(files, dir, 0o750);
      locks.push(await lock(dir));
    }
    return locks;
  } catch (error) {
    for (const each of locks) each.release();
    throw error;
  }
}

class Vault implements RunningVault {
  readonly failed: Promise<never>;
  readonly surveyed: Promise<void>;
  readonly #config: VaultConfig;
  readonly #deps: VaultDeps;
  readonly #signer: ReceiptSigner;
  readonly #locks: readonly StateLock[];
  readonly #fail: (error: unknown) => void;
  readonly #surveyDone = Promise.withResolvers<void>();
  readonly #stopping = new AbortController();
  #store: Store | undefined;
  #catalog: Catalog | undefined;
  #findings: OpenFindings | undefined;
  #watch: Watch | undefined;
  #keeper: ReceiptKeeper | undefined;
  #intake: Intake | undefined;
  #heads: Heads | undefined;
  #bounds: Bounds | undefined;
  #fetch: FetchHandler | undefined;
  #listener: HttpListener | undefined;
  #operations: HttpListener | undefined;
  #survey: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(
    config: VaultConfig,
    deps: VaultDeps,
    signer: ReceiptSigner,
    locks: readonly StateLock[],
  ) {
    this.#config = config;
    this.#deps = deps;
    this.#signer = signer;
    this.#locks = locks;
    const { promise, reject } = Promise.withResolvers<never>();
    // Whoever does not watch it finds out by the answers.
    promise.catch(() => undefined);
    this.failed = promise;
    this.#fail = (error) => {
      // Whoever surveys the chains writes as well.
      this.#stopping.abort();
      reject(error);
    };
    this.surveyed = this.#surveyDone.promise;
  }

  get url(): string {
    return this.#listener?.url ?? "";
  }

  get operationsUrl(): string {
    return this.#operations?.url ?? "";
  }

  get fetch(): FetchHandler {
    if (this.#fetch === undefined) throw new RangeError("vault is not started");
    return this.#fetch;
  }

  async start(): Promise<void> {
    const { metrics, api } = await this.#build();
    this.#fetch = api;
    if (this.#deps.listens !== false) await this.#listen(metrics, api);
    this.#keeper?.start();
    this.#survey = this.#runSurvey();
  }

  async #listen(metrics: VaultMetrics, api: FetchHandler): Promise<void> {
    const { clock, diag } = this.#deps;
    this.#operations = await openOperations({
      ...{ clock, diag, metrics, listen: this.#config.metrics.listen },
      health: {
        started: () => this.#listener !== undefined,
        unsafe: () => this.#intake?.unsafe === true,
        closing: () => this.#closed !== undefined,
        status: () => this.#read(),
        damaged: () => this.#damaged(),
        unkept: () => this.#unkept(),
        room: async () => ((await this.#freeBytes()) ?? bodyBytesMax) >= bodyBytesMax,
      },
    });
    const limits = this.#deps.limits?.http ?? {};
    const options = { config: this.#config, limits, clock, diag, observer: metrics };
    this.#listener = await openApiListener(api, options);
  }

  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async #build(): Promise<{ metrics: VaultMetrics; api: FetchHandler }> {
    const { suite, clock, files, diag, limits = {} } = this.#deps;
    const { state_dir: stateDir, store: place, name, trust, access } = this.#config;
    const roots = trust.root_keys.map((text) => parseVerifierKey(suite, text));
    const keys = this.#signer.keys;
    const policy = { suite, keys: { roots, vaults: [keys] } };
    const store = await openDirStore({
      ...{ files, suite, now: () => clock.now(), dir: place.path },
      ...{ asideDir: `${stateDir}/quarantine`, limits: limits.objects ?? objectLimits },
    });
    const findings = new OpenFindings({ files, diag, path: `${stateDir}/findings.ndjson` });
    const notes = new StateDirNotes(files, stateDir);
    const index = new CatalogIndex({ files, diag, roots, path: `${stateDir}/chains.ndjson` });
    const catalog = new Catalog({
      ...{ suite, store, notes, index, diag },
      judge: (grant) => judgeGrant(suite, policy.keys, grant),
      opened: (chain, receipt) => ownReceipt(suite, keys, chain, receipt),
      founded: (chain, grant, head) => isFoundedBy(suite, chain, grant, head),
      isStopped: (chain, size) => findings.isStopped(chain, size),
      clear: (chain) => leftovers.clear(chain),
    });
    await catalog.load();
    const keeper = new ReceiptKeeper({
      ...{ store, notes, clock, diag },
      onFault: async (error, chain) => {
        this.#failIfUnsafe(error);
        if (error instanceof SealtailError) metrics.storeFailed(error.code);
        if (heads.damage(chain) === undefined) await heads.condemn(chain, error);
      },
    });
    const heads = new Heads({
      ...{ store, suite, diag, clock, notes, bytesMax: limits.headBytes ?? headBytesMax },
      bringBack: new BringBack({
        ...{ store, suite, keys, roots, notes, clock, diag, signers: this.#signer.signers },
        ...{ catalog, keeper },
      }),
      onDamage: (chain, why) => catalog.damaged(chain, why),
      onWhole: (chain, stored) => catalog.mended(chain, stored?.header),
      onFault: (error) => this.#failIfUnsafe(error),
      isUnsafe: () => this.#intake?.unsafe === true,
    });
    const forks = new ForkKeeper({
      ...{ suite, store, notes, diag, onFault: (error) => this.#failIfUnsafe(error) },
    });
    const leftovers = new Leftovers({ store, notes, heads, diag });
    await findings.load((chain) => catalog.get(chain) !== undefined);
    const watch = new Watch({
      ...{ suite, keys, diag, store, forks, catalog, findings, expect: this.#config.expect },
      onUnreadable: (chain, error) => heads.condemn(chain, error),
      onFault: (error) => this.#failIfUnsafe(error),
    });
    const acknowledgements = new Acknowledgements({
      ...{ suite, clock, diag, store, catalog, findings, roots, audience: name },
      assertOpen: () => this.#intake?.assertOpen(),
      onUnsafe: (error) => this.#intake?.fail(error),
    });
    await acknowledgements.load();
    const visitors = new Visitors(heads, clock, () => this.#intake?.assertOpen());
    const reads = new Reads({
      ...{ suite, vaultKeys: keys, clock, store, catalog, heads, visitors, keeper, watch },
    });
    const metrics = new VaultMetrics({
      ...{ version: this.#deps.version, now: () => clock.now() },
      ...{ nodeVersion: process.version, read: () => this.#read() },
    });
    const bounds = openBounds(this.#config.limits, limits, clock, metrics);
    const { room } = bounds;
    const intake = new Intake({
      ...{ suite, clock, diag, store, heads, visitors, catalog, keeper, room, policy, watch },
      ...{ signer: this.#signer, forks, observer: metrics, leftovers, onUnsafe: this.#fail },
    });
    const storeReads = new StoreReads({ store, keeper });
    const table = endpoints(
      { intake, reads, storeReads, acknowledgements, clock },
      this.#deps.version,
    );
    metrics.expect(table);
    [this.#store, this.#catalog, this.#findings] = [store, catalog, findings];
    [this.#watch, this.#heads, this.#keeper] = [watch, heads, keeper];
    [this.#intake, this.#bounds] = [intake, bounds];
    const api = apiHandler({
      ...{ endpoints: table, clock, diag, observer: metrics, open: access.open },
      ...bounds,
    });
    return { metrics, api };
  }

  /** After a failed sync, of whatever file, nobody knows what the disk holds. */
  #failIfUnsafe(error: unknown): void {
    if (error instanceof SealtailError && error.kind === "unsafe") this.#intake?.fail(error);
  }

  async #runSurvey(): Promise<void> {
    const { signal } = this.#stopping;
    const surveys = [() => this.#catalog?.survey(signal), () => this.#watch?.survey(signal)];
    // An index that can't be written keeps nobody from looking.
    for (const survey of surveys) {
      try {
        await survey();
      } catch (error) {
        this.#deps.diag.error("couldn't survey the stored chains", { error: error as Error });
        this.#failIfUnsafe(error);
      }
    }
    this.#surveyDone.resolve();
    const [catalog, heads, intake] = [this.#catalog, this.#heads, this.#intake];
    if (catalog === undefined || heads === undefined || intake === undefined) return;
    await rescan({ ...this.#deps, catalog, heads, intake, signal });
  }

  async #freeBytes(): Promise<number | undefined> {
    const free = await this.#store?.freeBytes().catch(() => undefined);
    return free === Number.POSITIVE_INFINITY ? undefined : free;
  }

  async #read(): Promise<VaultReading> {
    const { open = 0, replays = 0, wholeChecks = 0 } = this.#heads?.counts ?? {};
    return {
      watched: (this.#watch as Watch).read(this.#deps.clock.now()),
      damaged: this.#damaged(),
      connections: this.#listener?.connections ?? 0,
      readers: this.#bounds?.readers.count ?? 0,
      requestBytes: this.#bounds?.room.bytes ?? 0,
      ...{ headsOpen: open, replays, wholeChecks },
      receiptsPending: this.#keeper?.pending ?? 0,
      unkept: this.#unkept(),
      freeBytes: await this.#freeBytes(),
      certificateNotAfter: (this.#listener?.certificateNotAfter ?? 0) / 1e6,
    };
  }

  #unkept(): Unable {
    return shown(this.#keeper?.overdue() ?? [], (chain) => {
      const subject = this.#catalog?.get(chain)?.subject ?? "";
      return { chain, subject, why: "its receipts can't be kept" };
    });
  }

  /** Chains whose stored objects fail: some, for people, and how many there are. */
  #damaged(): Unable {
    return shown(this.#catalog?.damages() ?? [], ({ chain, subject = "", damage = "" }) => {
      return { chain, subject, why: damage };
    });
  }

  async #close(deadlineMs: number): Promise<void> {
    const { diag } = this.#deps;
    await this.#listener?.close(deadlineMs);
    const settled = this.#intake?.close();
    this.#stopping.abort();
    await settled;
    await this.#survey;
    await this.#watch?.idle;
    await this.#keeper?.stop();
    try {
      const last = [
        () => this.#keeper?.keepAll(),
        () => this.#heads?.noteAll(),
        () => this.#catalog?.save(),
        () => this.#findings?.save(),
      ];
      // After a failed sync nothing more is written.
      for (const write of last) if (this.#intake?.unsafe !== true) await write();
    } catch (error) {
      diag.warn("couldn't write what spares time at the next start", { error: error as Error });
      this.#failIfUnsafe(error);
    }
    await this.#operations?.close(1000);
    for (const lock of this.#locks) lock.release();
  }
}
