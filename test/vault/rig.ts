// A vault for tests, in a directory of its own or in memory, and a client that speaks to it.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { base64, concat } from "../../src/core/bytes.ts";
import { openReceipt, type Receipt } from "../../src/core/checkpoint.ts";
import type { Suite } from "../../src/core/digest.ts";
import { formatVerifierKey } from "../../src/core/note.ts";
import { type Clock, systemClock } from "../../src/host/clock.ts";
import { type Files, systemFiles } from "../../src/host/files.ts";
import type { Peer } from "../../src/host/http-listener.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { limitsByDefault } from "../../src/vault/bounds.ts";
import type { VaultConfig } from "../../src/vault/config.ts";
import type { VaultLimits } from "../../src/vault/parts.ts";
import type { VaultSigners } from "../../src/vault/signer.ts";
import { type RunningVault, startVault } from "../../src/vault/vault.ts";
import {
  type BuiltBlock,
  ChainBuilder,
  type ChainSetup,
  testRoot,
  testVault,
} from "../fakes/chain-builder.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { remembering } from "../fakes/remembering.ts";
import type { TestVault } from "../fakes/signers.ts";

/** Every vault of a file, and every life of it, is given this one. */
export const suite: Suite = remembering(nativeSuite);

/** A test vault's keys, as a vault signs with them. */
export function signersOf({ receiptKey, timeKey }: TestVault): VaultSigners {
  return {
    receipt: { key: receiptKey.key, signNote: (text) => receiptKey.sign(text) },
    time: { key: timeKey.key, cosign: (time, text) => timeKey.cosign(text, time) },
  };
}

export const signers: VaultSigners = signersOf(testVault);

export interface RigOptions {
  readonly suite?: Suite;
  readonly files?: Files;
  readonly clock?: Clock;
  readonly dir?: string;
  readonly limits?: Partial<VaultLimits>;
  readonly config?: Partial<VaultConfig>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  readonly text: string;
}

export class Rig {
  readonly dir: string;
  readonly diag: RecordingDiag = new RecordingDiag();
  readonly #options: RigOptions;
  vault!: RunningVault;
  /** Of the next vault that is opened. */
  signers: VaultSigners = signers;
  #closed = true;

  constructor(dir: string, options: RigOptions) {
    this.dir = dir;
    this.#options = options;
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const inMemory = options.files !== undefined;
    const dir = inMemory ? "/rig" : await mkdtemp(join(tmpdir(), "vault-test-"));
    const rig = new Rig(options.dir ?? dir, options);
    await rig.open();
    return rig;
  }

  async open(): Promise<void> {
    const { files, clock = systemClock, limits, config } = this.#options;
    this.vault = await startVault(vaultConfigOf(this.dir, config), {
      suite: this.#options.suite ?? suite,
      ...{ signers: this.signers, clock, diag: this.diag, version: "0.0.0" },
      files: files ?? systemFiles,
      ...(files === undefined ? {} : { lock: async () => noLock }),
      ...(limits === undefined ? {} : { limits }),
    });
    this.#closed = false;
  }

  /** Another vault on the same directories. */
  async restart(): Promise<void> {
    await this.close();
    await this.open();
  }

  get store(): string {
    return `${this.dir}/store`;
  }

  /** Over a real socket. */
  async http(path: string, init: RequestInit = {}): Promise<Answer> {
    return await answerOf(await fetch(`${this.vault.url}${path}`, init));
  }

  /** Without a socket, from `peer`. */
  async direct(path: string, init: RequestInit = {}, peer: Partial<Peer> = {}): Promise<Answer> {
    const request = new Request(`http://127.0.0.1${path}`, init);
    const from = { address: "127.0.0.1", loopback: true, secure: false, ...peer };
    return await answerOf(await this.vault.fetch(request, from));
  }

  async post(
    chain: ChainBuilder,
    blocks: readonly BuiltBlock[] = chain.blocks,
    grant: Uint8Array | undefined = blocks[0]?.header.blockNo === 0 ? chain.grant : undefined,
  ): Promise<Answer> {
    const body = concat(...blocks.map(({ bytes }) => bytes));
    return await this.postBytes(chain.name, body, grant);
  }

  async postBytes(chain: string, body: Uint8Array, grant?: Uint8Array): Promise<Answer> {
    return await this.direct(`/v1/chains/${chain}/blocks`, {
      method: "POST",
      body: body as Uint8Array<ArrayBuffer>,
      headers: grant === undefined ? {} : { "sealtail-grant": base64(grant) },
    });
  }

  async json(path: string): Promise<Record<string, unknown>> {
    return problemOf(await this.direct(path));
  }

  async metric(name: string): Promise<number | undefined> {
    const { text } = await answerOf(await fetch(`${this.vault.operationsUrl}/metrics`));
    const line = text.split("\n").find((each) => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.vault.close(1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    if (this.#options.files === undefined) await rm(this.dir, { recursive: true, force: true });
  }
}

export function vaultConfigOf(dir: string, more: Partial<VaultConfig> = {}): VaultConfig {
  return {
    version: 1,
    name: testVault.name,
    state_dir: `${dir}/state`,
    keys: { receipt: "unused", time: "unused" },
    listen: "127.0.0.1:0",
    access: { open: false },
    limits: limitsByDefault,
    store: { type: "dir", path: `${dir}/store` },
    trust: { root_keys: [formatVerifierKey(testRoot.key)] },
    expect: [],
    metrics: { listen: "127.0.0.1:0" },
    diagnostics: { level: "info" },
    ...more,
  };
}

const noLock = { release: () => {}, [Symbol.dispose]: () => {} };

async function answerOf(response: Response): Promise<Answer> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = Buffer.from(bytes).toString("utf8");
  return { status: response.status, headers: response.headers, bytes, text };
}

/** What a JSON answer says. */
export function problemOf(answer: Answer): Record<string, unknown> {
  return JSON.parse(answer.text) as Record<string, unknown>;
}

/** `200`, or status, code and finding of a problem: "422 block-refused BAD_SIGNATURE". */
export function gist(answer: Answer): string {
  if (answer.status === 200) return "200";
  const { code, finding } = problemOf(answer);
  return [answer.status, code, finding].filter((each) => each !== undefined).join(" ");
}

/** The receipt in an answer; it must be genuine. */
export function receiptOf(answer: Answer): Receipt {
  const receipt = openReceipt(suite, answer.bytes, [testVault.keys]);
  if (receipt === undefined) throw new Error("receipt is of another vault");
  return receipt;
}

/** A chain for now: its grant holds by the real clock. */
export function chainOf(
  label: string,
  setup: ChainSetup = {},
  now: number = Date.now() / 1000,
): ChainBuilder {
  const from = Math.floor(now) - 3600;
  const terms = { notBefore: from, notAfter: from + 90 * 86_400, ...setup.terms };
  return new ChainBuilder(label, { time: Math.floor(now - 60) * 1_000_000, ...setup, terms });
}
