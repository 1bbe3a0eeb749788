// The data directory of `sealtail up`: keys, a grant and both configurations, made on first use.
//
//   keys/     root, vault and vault-time, private and public; unencrypted
//   agent/    the agent's state          vault/   the vault's state
//   store/    the sealed blocks          files    what was tailed last, one pattern a line
//   grant, grant.key                     demo/    the demo log, if no files were named

import { join } from "node:path";
import type { AgentConfig } from "../agent/config.ts";
import { fromUtf8, utf8 } from "../core/bytes.ts";
import { formatGrant } from "../core/grant.ts";
import { formatNote, formatVerifierKey } from "../core/note.ts";
import { makeDirDurably, readWhole, writeFileDurably } from "../host/durable.ts";
import { createDurably, createKey, loadPublicHalf, loadSigningKey } from "../host/keys.ts";
import { limitsByDefault } from "../vault/bounds.ts";
import type { VaultConfig } from "../vault/config.ts";
import type { Machine } from "./running.ts";

/** The one vault of a data directory. */
export const upVault = "sealtail-up";
const subject = "sealtail-up";
const tenYears = 315_360_000;

export class UpData {
  readonly dir: string;
  readonly #machine: Machine;

  constructor(dir: string, machine: Machine) {
    this.dir = dir;
    this.#machine = machine;
  }

  get store(): string {
    return join(this.dir, "store");
  }

  get demoLog(): string {
    return join(this.dir, "demo", "app.log");
  }

  /** Makes what is not there yet. Returns whether anything was made: this is the first use. */
  async prepare(): Promise<boolean> {
    const { files } = this.#machine;
    await makeDirDurably(files, join(this.dir, "keys"), 0o700);
    const fresh = (await files.stat(this.#key("root"))) === undefined;
    await this.#makeKey("root", "sealtail-up-root", 1);
    await this.#makeKey("vault", upVault, 1);
    await this.#makeKey("vault-time", `${upVault}/time`, 4);
    if ((await files.stat(join(this.dir, "grant"))) === undefined) await this.#makeGrant();
    return fresh;
  }

  /** The patterns to tail: those given, which are kept for next time, or those kept. */
  async patterns(given: readonly string[]): Promise<readonly string[]> {
    const { files } = this.#machine;
    const path = join(this.dir, "files");
    if (given.length > 0) {
      await writeFileDurably(files, path, utf8(given.map((each) => `${each}\n`).join("")));
      return given;
    }
    const kept = await readWhole(files, path, 1_048_576);
    return kept === undefined
      ? []
      : fromUtf8(kept)
          .split("\n")
          .filter((line) => line !== "");
  }

  async vaultConfig(listen: string, metrics: string): Promise<VaultConfig> {
    const root = await loadPublicHalf(this.#machine.files, this.#key("root"));
    return {
      version: 1,
      name: upVault,
      state_dir: join(this.dir, "vault"),
      keys: { receipt: this.#key("vault"), time: this.#key("vault-time") },
      listen,
      access: { open: false },
      limits: limitsByDefault,
      store: { type: "dir", path: this.store },
      trust: { root_keys: [formatVerifierKey(root)] },
      expect: [],
      metrics: { listen: metrics },
      diagnostics: { level: "info" },
    };
  }

  async agentConfig(
    url: string,
    metrics: string,
    include: readonly string[],
    drainMs: number,
  ): Promise<AgentConfig> {
    const { files } = this.#machine;
    const keys = [this.#key("vault"), this.#key("vault-time")];
    const halves = await Promise.all(keys.map((path) => loadPublicHalf(files, path)));
    return {
      version: 1,
      name: subject,
      labels: {},
      state_dir: join(this.dir, "agent"),
      sources: [{ name: "files", include, exclude: [], start_at: "beginning" }],
      seal: {
        max_bytes: 1_048_576,
        max_age: 1000,
        max_lines: 65_536,
        partial_age: 5000,
        max_silence: 60_000,
      },
      buffer: { max_bytes: 2_147_483_648 },
      drain: { deadline: drainMs, final: false },
      sink: { url, tls: {}, max_delay: 200, patience: 600_000, when_silent: "begin" },
      trust: { vault_keys: halves.map(formatVerifierKey) },
      grant: { file: join(this.dir, "grant"), key: join(this.dir, "grant.key") },
      metrics: { listen: metrics },
      diagnostics: { level: "info" },
    };
  }

  #key(name: string): string {
    return join(this.dir, "keys", `${name}.key`);
  }

  async #makeKey(file: string, name: string, type: 1 | 4): Promise<void> {
    const { files, random } = this.#machine;
    const path = this.#key(file);
    if ((await files.stat(path)) === undefined)
      await createKey({ files, random, path, name, type });
    const half = await loadPublicHalf(files, path);
    const publicPath = join(this.dir, "keys", `${file}.pub`);
    await writeFileDurably(files, publicPath, utf8(`${formatVerifierKey(half)}\n`), 0o644);
  }

  // Written last, so that a crash in between is repaired by doing it all again.
  async #makeGrant(): Promise<void> {
    const { files, random, clock } = this.#machine;
    const path = join(this.dir, "grant.key");
    if ((await files.stat(path)) === undefined) {
      await createKey({ files, random, path, name: subject, type: 1 });
    }
    const key = (await loadPublicHalf(files, path)).publicKey;
    const root = await loadSigningKey({ files, path: this.#key("root") });
    const now = Math.floor(clock.now() / 1e6);
    const text = formatGrant({
      key,
      subject,
      id: random.bytes(16),
      role: "write",
      audience: upVault,
      sources: [],
      notBefore: now - 300,
      notAfter: now + tenYears,
      maxChains: 1,
      maxSilenceMs: 60_000,
    });
    const note = utf8(formatNote(text, [root.signNote(text)]));
    await createDurably(files, join(this.dir, "grant"), note, 0o644);
  }
}
