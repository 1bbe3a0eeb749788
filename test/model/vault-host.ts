// The vault's machine: a real vault on a disk of its own, and the road to it, which has moods.
//
// - What the agent's shipper gets is what the vault's own API answered, read by the code that reads
//   it in production; only the socket is missing.
// - Moods are those of networks, proxies and vaults in trouble; a lost answer is the worst of them.

import { base64 } from "../../src/core/bytes.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { readAnswer } from "../../src/ship/answer.ts";
import type { Answer, Sink, Submission } from "../../src/ship/sink.ts";
import type { VaultConfig } from "../../src/vault/config.ts";
import { type RunningVault, startVault } from "../../src/vault/vault.ts";
import { testVault } from "../fakes/chain-builder.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { FakeFiles } from "../fakes/files.ts";
import { signers, vaultConfigOf } from "../vault/rig.ts";
import { Life, type LifeHooks } from "./life.ts";
import { LifeClock, type VirtualTime, type Wall } from "./time.ts";

export const moods = [
  "fine",
  "away",
  "silent",
  "slow",
  "answer-lost",
  "request-cut",
  "throttled",
  "broken",
  "refusing",
  "stale",
  "babbling",
] as const;
export type Mood = (typeof moods)[number];

/** Who asks. */
export const peer = {
  address: "127.0.0.1",
  loopback: true,
  secure: false,
};
const noLock = { release: () => {}, [Symbol.dispose]: () => {} };

export class VaultHost {
  disk: FakeFiles = new FakeFiles(2n);
  readonly diag: RecordingDiag = new RecordingDiag();
  readonly wall: Wall;
  readonly config: VaultConfig;
  mood: Mood = "fine";
  life: Life | undefined;
  vault: RunningVault | undefined;
  /** When the newest life began after a power cut; undefined: no power was ever cut. */
  recovering: number | undefined;
  /** The first honest receipt since the mood became stale. */
  oldAnswer: Answer | undefined;
  readonly #time: VirtualTime;
  readonly #hooks: LifeHooks;

  constructor(time: VirtualTime, root: string, hooks: LifeHooks, now: number) {
    this.#time = time;
    this.#hooks = hooks;
    this.wall = { offset: now };
    this.config = vaultConfigOf("/vault", {
      trust: { root_keys: [root] },
      diagnostics: { level: "error" },
    });
  }

  /** Begins a life, unless one goes on. */
  start(): void {
    if (this.life !== undefined && !this.life.dead) return;
    const life = new Life(new LifeClock(this.#time, this.wall), this.disk, this.#hooks);
    this.life = life;
    this.vault = undefined;
    if (this.recovering !== undefined) this.recovering = this.#time.mono;
    const { diag } = this;
    const { clock, files } = life;
    const started = startVault(this.config, {
      ...{ suite, signers, clock, diag, files, version: "0", listens: false },
      lock: async () => noLock,
    });
    started.then(
      (vault) => {
        if (this.life === life && !life.dead) this.vault = vault;
        // A failed sync ends the process, with code 74.
        vault.failed.catch(() => life.die());
      },
      (error) => {
        diag.error("vault did not start", { error });
        life.die();
      },
    );
  }

  kill(): void {
    this.life?.die();
  }

  cutPower(seed: number | undefined): void {
    this.kill();
    this.disk.crash(seed);
    this.recovering = this.#time.mono;
  }

  /** Hands a request to the vault; its answer, or undefined if the vault died over it. */
  async deliver(
    { chainId, blocks, grant }: Submission,
    cut: number | undefined,
  ): Promise<Answer | undefined> {
    const { vault, life } = this;
    if (vault === undefined || life === undefined || life.dead) return undefined;
    const whole = Buffer.concat(blocks);
    const body = cut === undefined ? whole : whole.subarray(0, Math.floor(whole.length * cut));
    const request = new Request(`http://127.0.0.1/v1/chains/${chainId}/blocks`, {
      ...{ method: "POST", body },
      headers: {
        "content-length": String(whole.length),
        ...(grant === undefined ? {} : { "sealtail-grant": base64(grant) }),
      },
    });
    const response = await vault.fetch(request, peer);
    const header = (name: string): string | undefined => response.headers.get(name) ?? undefined;
    return readAnswer(
      {
        status: response.status,
        contentType: header("content-type"),
        retryAfter: header("retry-after"),
        date: header("date"),
        body: new Uint8Array(await response.arrayBuffer()),
      },
      Math.floor(life.clock.now() / 1000),
    );
  }

  get keys(): typeof testVault.keys {
    return testVault.keys;
  }
}

/** The road from one life of the agent to the vault. */
export class Road implements Sink {
  readonly certificateNotAfter: undefined = undefined;
  readonly #host: VaultHost;
  readonly #clock: LifeClock;
  readonly #chance: () => number;

  constructor(host: VaultHost, clock: LifeClock, chance: () => number) {
    this.#host = host;
    this.#clock = clock;
    this.#chance = chance;
  }

  async post(sent: Submission, signal: AbortSignal): Promise<Answer> {
    const { mood } = this.#host;
    await this.#clock.sleep(mood === "slow" ? 5000 + this.#chance() * 60_000 : 2, signal);
    const cut = new Promise<Answer>((resolve) => {
      const over = (): void => resolve({ outcome: "timeout", code: "aborted" });
      signal.addEventListener("abort", over, { once: true });
      if (signal.aborted) over();
    });
    return await Promise.race([cut, this.#answer(sent)]);
  }

  async #answer(sent: Submission): Promise<Answer> {
    const host = this.#host;
    const lost = { outcome: "transport", code: "connection-reset" } as const;
    if (host.mood !== "stale") host.oldAnswer = undefined;
    switch (host.mood) {
      case "away":
        return { outcome: "transport", code: "connection-refused" };
      case "silent":
        return await new Promise(() => undefined);
      case "answer-lost":
        await this.#deliver(sent);
        return lost;
      case "request-cut":
        await this.#deliver(sent, this.#chance());
        return lost;
      case "throttled":
        return { outcome: "throttled", code: "http-429", retryAfterMs: this.#chance() * 20_000 };
      case "broken":
        return { outcome: "server-error", code: "http-500" };
      case "refusing":
        return { outcome: "refused", code: "http-403" };
      case "babbling":
        return { outcome: "receipt", code: "receipt", note: new TextEncoder().encode("welcome\n") };
      case "stale": {
        const answer = await this.#deliver(sent);
        host.oldAnswer ??= answer;
        return host.oldAnswer ?? lost;
      }
      default:
        return (await this.#deliver(sent)) ?? lost;
    }
  }

  /** As long as the vault lives: a dead one's connection ends. */
  async #deliver(sent: Submission, cut?: number): Promise<Answer | undefined> {
    const { life } = this.#host;
    let over = false;
    const answer = this.#host.deliver(sent, cut).finally(() => {
      over = true;
    });
    const death = (async () => {
      while (!over && life?.dead !== true) await this.#clock.sleep(50);
      return undefined;
    })();
    return await Promise.race([answer, death]);
  }

  async close(): Promise<void> {}
}
