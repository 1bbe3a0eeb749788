// The agent's state directory: one folder a chain, numbered; the highest one is the current chain.
//
//   lock                      one process per state directory
//   frontiers                 advisory: hashes of the newest sealed bytes of each source
//   reserve                   room for what must be sealed on a full disk; see reserve.ts
//   chains/0000/grant         the grant note that the chain began with
//   chains/0000/keys          two slots of the evolving key
//   chains/0000/wal/          sealed blocks that the vault has not receipted, and a few that it has
//   chains/0000/receipt       newest verified receipt
//   chains/0001/succeeded     what chain 0000 still held is sealed in this one
//   chains/0000/replaced      why this chain ended and the next one begins; written before it does

import { utf8 } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { makeDirDurably, readWhole, unlinkIfPresent, writeFileDurably } from "../host/durable.ts";
import type { Files } from "../host/files.ts";

export interface ChainDir {
  readonly number: number;
  readonly path: string;
  readonly wal: string;
  readonly keys: string;
  readonly grant: string;
  readonly receipt: string;
  readonly replaced: string;
  readonly succeeded: string;
}

export class StateDir {
  readonly path: string;
  readonly #files: Files;

  constructor(files: Files, path: string) {
    this.#files = files;
    this.path = path;
  }

  get frontiers(): string {
    return `${this.path}/frontiers`;
  }

  get reserve(): string {
    return `${this.path}/reserve`;
  }

  /** Makes the directory. Throws state-unwritable where this user cannot write to it. */
  async prepare(): Promise<void> {
    try {
      await makeDirDurably(this.#files, this.path, 0o700);
      await makeDirDurably(this.#files, `${this.path}/chains`, 0o700);
      // A life before may have been killed between making a chain's folder and its sync.
      await this.#files.syncDir(`${this.path}/chains`);
      await writeFileDurably(this.#files, `${this.path}/.probe`, utf8("probe"));
      await unlinkIfPresent(this.#files, `${this.path}/.probe`);
    } catch (cause) {
      if (cause instanceof SealtailError && cause.kind === "unsafe") throw cause;
      // A full disk is waited out later, with the files held open.
      if (cause instanceof SealtailError && cause.code === "disk-full") return;
      throw new SealtailError("state-unwritable", "couldn't write to the state directory", {
        place: this.path,
        cause,
      });
    }
  }

  chain(number: number): ChainDir {
    const path = `${this.path}/chains/${String(number).padStart(4, "0")}`;
    return {
      number,
      path,
      wal: `${path}/wal`,
      keys: `${path}/keys`,
      grant: `${path}/grant`,
      receipt: `${path}/receipt`,
      replaced: `${path}/replaced`,
      succeeded: `${path}/succeeded`,
    };
  }

  /** The current chain's folder; undefined before the first chain. */
  async newest(): Promise<ChainDir | undefined> {
    const items = (await this.#files.list(`${this.path}/chains`)) ?? [];
    const numbers = items
      .filter(({ kind, name }) => kind === "dir" && /^[0-9]{4,}$/.test(String(name)))
      .map(({ name }) => Number(name));
    return numbers.length === 0 ? undefined : this.chain(Math.max(...numbers));
  }

  async replacedBecause(dir: ChainDir): Promise<string | undefined> {
    const bytes = await readWhole(this.#files, dir.replaced, 4096);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes).trim();
  }

  /** From here on nothing is sealed for this chain any more, whatever happens. */
  async markReplaced(dir: ChainDir, reason: string): Promise<void> {
    await writeFileDurably(this.#files, dir.replaced, utf8(`${reason}\n`));
  }

  /** Removes what an enrolment left that never became a chain. */
  async clear(dir: ChainDir): Promise<void> {
    await this.clearWal(dir);
    await unlinkIfPresent(this.#files, dir.keys);
    await unlinkIfPresent(this.#files, dir.grant);
    await this.#files.syncDir(dir.path);
  }

  /** Removes a chain's buffered blocks. */
  async clearWal(dir: ChainDir): Promise<void> {
    for (const { name, kind } of (await this.#files.list(dir.wal)) ?? []) {
      if (kind === "file") await unlinkIfPresent(this.#files, `${dir.wal}/${String(name)}`);
    }
  }
}
