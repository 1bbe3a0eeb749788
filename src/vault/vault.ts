// The vault: joins store, heads, intake and HTTP, and sees to their beginning and end.
//
// - Starting reads the names of the chains and nothing of them; the rest is surveyed while the
//   vault serves. Nobody can begin a chain before all stored grants are known.
// - One process per state directory and per store: both are locked.
// - close() lets requests under way finish, keeps the newest receipts, and lets go of the locks.

import { refusalError } from "../host/config-error.ts";
import { makeDirDurably } from "../host/durable.ts";
import type { FetchHandler, HttpListener } from "../host/http-listener.ts";
import { loadSigningKey } from "../host/keys.ts";
import { lockStateDir, type StateLock } from "../host/lock.ts";
import { openOperations } from "../host/operations-listener.ts";
import { openApiListener } from "./bounds.ts";
import type { VaultConfig } from "./config.ts";
import { Gate } from "./gate.ts";
import { liveness, readiness, startup } from "./health.ts";
import { shown, type Unable, type VaultReading } from "./metrics.ts";
import { openParts, type PartsDeps, type VaultParts } from "./parts.ts";
import { rescan } from "./rescan.ts";
import { ReceiptSigner, type VaultSigners } from "./signer.ts";
import { refusalsOf } from "./startable.ts";
import { bodyBytesMax } from "./stream.ts";

export interface VaultDeps extends PartsDeps {
  /** SEALTAIL_PASSPHRASE opens encrypted keys. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The two keys, instead of those in the configured files. */
  readonly signers?: VaultSigners;
  /** Another lock than the machine's own; undefined: that one. */
  readonly lock?: (dir: string) => Promise<StateLock>;
  /** False: no socket is opened, the API is reached through fetch alone. */
  readonly listens?: boolean;
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
  const gate = new Gate(deps.diag);
  let vault: Vault | undefined;
  const read = (): Promise<VaultReading> => (vault as Vault).read();
  try {
    const parts = await openParts(config, deps, signer, gate, read);
    vault = new Vault(config, deps, gate, parts, locks);
    await vault.start();
    return vault;
  } catch (error) {
    if (vault === undefined) release(locks);
    else await vault.close(0);
    throw error;
  }
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
    release(locks);
    throw error;
  }
}

function release(locks: readonly StateLock[]): void {
  for (const each of locks) each.release();
}

class Vault implements RunningVault {
  readonly failed: Promise<never>;
  readonly surveyed: Promise<void>;
  readonly fetch: FetchHandler;
  readonly #config: VaultConfig;
  readonly #deps: VaultDeps;
  readonly #gate: Gate;
  readonly #parts: VaultParts;
  readonly #locks: readonly StateLock[];
  readonly #surveyDone = Promise.withResolvers<void>();
  #listener: HttpListener | undefined;
  #operations: HttpListener | undefined;
  #survey: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(
    config: VaultConfig,
    deps: VaultDeps,
    gate: Gate,
    parts: VaultParts,
    locks: readonly StateLock[],
  ) {
    this.#config = config;
    this.#deps = deps;
    this.#gate = gate;
    this.#parts = parts;
    this.#locks = locks;
    this.failed = gate.failed;
    this.surveyed = this.#surveyDone.promise;
    this.fetch = parts.api;
  }

  get url(): string {
    return this.#listener?.url ?? "";
  }

  get operationsUrl(): string {
    return this.#operations?.url ?? "";
  }

  async start(): Promise<void> {
    if (this.#deps.listens !== false) await this.#listen();
    this.#parts.keeper.start();
    this.#survey = this.#runSurvey();
  }

  async #listen(): Promise<void> {
    const { clock, diag, limits = {} } = this.#deps;
    const { metrics, api } = this.#parts;
    const unsafe = (): boolean => this.#gate.unsafe !== undefined;
    const started = (): boolean => this.#listener !== undefined;
    this.#operations = await openOperations({
      ...{ clock, diag, metrics: metrics.page, listen: this.#config.metrics.listen },
      alive: () => liveness({ unsafe: unsafe() }),
      started: () => startup({ started: started() }),
      ready: async () => {
        const room = ((await this.#freeBytes()) ?? bodyBytesMax) >= bodyBytesMax;
        const closing = this.#closed !== undefined;
        const [damaged, unkept] = [this.#damaged(), this.#unkept()];
        return readiness({ started: started(), unsafe: unsafe(), closing, room, damaged, unkept });
      },
      status: async () => ({ program: "vault", ...(await this.read()) }),
    });
    const { http = {} } = limits;
    this.#listener = await openApiListener(api, this.#config, http, clock, diag, metrics);
  }

  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async #runSurvey(): Promise<void> {
    const { catalog, watch, heads, intake } = this.#parts;
    const { signal } = this.#gate;
    // An index that can't be written keeps nobody from looking.
    for (const part of [catalog, watch]) {
      try {
        await part.survey(signal);
      } catch (error) {
        this.#deps.diag.error("couldn't survey the stored chains", { error: error as Error });
        this.#gate.fault(error);
      }
    }
    this.#surveyDone.resolve();
    await rescan({ ...this.#deps, catalog, heads, intake, signal });
  }

  async #freeBytes(): Promise<number | undefined> {
    const free = await this.#parts.store.freeBytes().catch(() => undefined);
    return free === Number.POSITIVE_INFINITY ? undefined : free;
  }

  /** How everything stands, for metrics and status. */
  async read(): Promise<VaultReading> {
    const { watch, heads, bounds, keeper } = this.#parts;
    const { open, replays, wholeChecks } = heads.counts;
    return {
      watched: watch.read(this.#deps.clock.now()),
      damaged: this.#damaged(),
      connections: this.#listener?.connections ?? 0,
      readers: bounds.readers.count,
      requestBytes: bounds.room.bytes,
      ...{ headsOpen: open, replays, wholeChecks },
      receiptsPending: keeper.pending,
      unkept: this.#unkept(),
      freeBytes: await this.#freeBytes(),
      certificateNotAfter: (this.#listener?.certificateNotAfter ?? 0) / 1e6,
    };
  }

  #unkept(): Unable {
    const { keeper, catalog } = this.#parts;
    return shown(keeper.overdue(), (chain) => {
      const subject = catalog.get(chain)?.subject ?? "";
      return { chain, subject, why: "its receipts can't be kept" };
    });
  }

  /** Chains whose stored objects fail: some, for people, and how many there are. */
  #damaged(): Unable {
    return shown(this.#parts.catalog.damages(), ({ chain, subject = "", damage = "" }) => {
      return { chain, subject, why: damage };
    });
  }

  async #close(deadlineMs: number): Promise<void> {
    const { watch, keeper, heads, catalog, findings } = this.#parts;
    await this.#listener?.close(deadlineMs);
    await this.#gate.close();
    await this.#survey;
    await watch.idle;
    await keeper.stop();
    const last = [
      () => keeper.keepAll(),
      () => heads.noteAll(),
      () => catalog.save(),
      () => findings.save(),
    ];
    try {
      // After a failed sync nothing more is written.
      for (const write of last) if (this.#gate.unsafe === undefined) await write();
    } catch (error) {
      const text = "couldn't write what spares time at the next start";
      this.#deps.diag.warn(text, { error: error as Error });
      this.#gate.fault(error);
    }
    await this.#operations?.close(1000);
    release(this.#locks);
  }
}
