// Runs the real command in a directory of its own: in a process of its own, or quickly in ours.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { main } from "../../src/cli/main.ts";
import { startDir } from "../../src/cli/paths.ts";
import { formatVerifierKey } from "../../src/core/note.ts";
import { type ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { type StoreFiles, type StoreOptions, storeChain } from "../fakes/chain-store.ts";

const bin = join(import.meta.dirname, "../../src/cli/bin.ts");

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly bytes: Buffer;
  /** The keys that it named as trusted, which `out` and `err` leave out. */
  readonly trusted: readonly string[];
}

const trustedLine = /^(?:sealtail: )?trusted (?:root|vault|vault-time) key .*\n/gm;

/** What was said besides the keys that were trusted. */
export function withoutKeys(text: string): string {
  return text.replaceAll(trustedLine, "");
}

export class CommandDir implements Disposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), "sealtail-cli-"));

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Starts `sealtail` with these words in a process of its own. */
  start(
    words: readonly string[],
    env: Record<string, string> = {},
  ): ChildProcessByStdio<null, Readable, Readable> {
    const { PATH = "", HOME = "", NODE_COMPILE_CACHE = "" } = process.env;
    return spawn(process.execPath, [bin, ...words], {
      cwd: this.dir,
      env: { PATH, HOME, NODE_COMPILE_CACHE, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Runs `sealtail` with these words; resolves when it has ended. */
  run(words: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
    const child = this.start(words, env);
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (piece: Buffer) => out.push(piece));
    child.stderr.on("data", (piece: Buffer) => err.push(piece));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve(this.#ran(code, out, err)));
    });
  }

  /** The same without a process: for tables of many words. */
  async quick(words: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    const into = (pieces: Buffer[]): PassThrough =>
      new PassThrough().on("data", (piece: Buffer) => pieces.push(piece));
    const [stdout, stderr] = [into(out), into(err)];
    const cwd = startDir(env, this.dir);
    const code = await main(words, { stdin: Readable.from([]), stdout, stderr, env, cwd });
    return this.#ran(code, out, err);
  }

  #ran(code: number | null, out: Buffer[], err: Buffer[]): Ran {
    const bytes = Buffer.concat(out);
    const text = (from: Buffer): string => from.toString("utf8").replaceAll(this.dir, "DIR");
    const [said, told] = [text(bytes), text(Buffer.concat(err))];
    const trusted = (said + told).match(trustedLine) ?? [];
    return { code, out: withoutKeys(said), err: withoutKeys(told), bytes, trusted };
  }

  write(name: string, content: string | Uint8Array): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), content);
  }

  /** Writes chains as `up` keeps them: data/store and data/keys. */
  store(chain: ChainBuilder, options: StoreOptions = {}): StoreFiles {
    const files = storeChain(new Map(), chain, options);
    for (const [name, bytes] of files) this.write(`data/store/${name}`, bytes);
    this.keys();
    return files;
  }

  keys(): void {
    const { receipt, time } = testVault.keys;
    for (const [name, key] of [
      ["root", testRoot.key],
      ["vault", receipt],
      ["vault-time", time],
    ] as const) {
      this.write(`data/keys/${name}.pub`, `${formatVerifierKey(key)}\n`);
    }
  }
}

/** The options that say which keys are trusted. */
export const keyWords: readonly string[] = [
  ...["--root", "data/keys/root.pub"],
  ...["--vault-key", "data/keys/vault.pub", "--vault-key", "data/keys/vault-time.pub"],
];
