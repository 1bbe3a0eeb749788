// The agent's state directory: one folder a chain, numbered; the highest one is the current chain.
//
//   lock                      one process per state directory
//   frontiers                 advisory: hashes of the newest sealed bytes of each source
//   reserve                   room for what must be sealed on a full disk; see reserve.ts
//   chains/0000/grant         two slots of the grant note that the chain began with
//   chains/0000/keys          two slots of the evolving key
//   chains/0000/wal/          sealed blocks that the vault has not receipted, and a few that it has
//   chains/0000/receipt       two slots of the newest verified receipt
//   chains/0000/unsent        no block of this chain ever reached anybody, for certain
//   chains/0001/origin        what this chain went on from, with all sources; see succession/
//   chains/0001/succeeded     what older chains held is sealed in this one; only then it is shipped
//   chains/0000/replaced      why this chain ended and the next one begins; written before it does
//
// - It is this user's and nobody else may write to it: whoever could would put in chains and keys.
//   What only we can have written to is made ours again: a new volume, one widened to its group.

import { utf8 } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { makeDirDurably, readWhole, unlinkIfPresent, writeFileDurably } from "../host/durable.ts";
import { currentUser, type Files } from "../host/files.ts";

const worldWrite = 0o002;
const othersWrite = 0o022;

function unsafe(place: string, why: string): SealtailError {
  return new SealtailError("state-unsafe", `the state directory is not safe: ${why}`, { place });
}

export interface ChainDir {
  readonly number: number;
  readonly path: string;
  readonly wal: string;
  readonly keys: string;
  readonly grant: string;
  readonly receipt: string;
  readonly replaced: string;
  readonly succeeded: string;
  readonly origin: string;
  readonly unsent: string;
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

  /**
   * Makes the directory. Throws state-unwritable where this user cannot write to it, and
   * state-unsafe where somebody else can.
   */
  async prepare(): Promise<void> {
    try {
      await makeDirDurably(this.#files, this.path, 0o700);
      await this.#claim(this.path);
      await makeDirDurably(this.#files, `${this.path}/chains`, 0o700);
      await this.#claim(`${this.path}/chains`);
      // A life before may have been killed between making a chain's folder and its sync.
      await this.#files.syncDir(`${this.path}/chains`);
      await writeFileDurably(this.#files, `${this.path}/.probe`, utf8("probe"));
      await unlinkIfPresent(this.#files, `${this.path}/.probe`);
    } catch (cause) {
      if (cause instanceof SealtailError && cause.kind === "unsafe") throw cause;
      if (cause instanceof SealtailError && cause.code === "state-unsafe") throw cause;
      // A full disk is waited out later, with the files held open.
      if (cause instanceof SealtailError && cause.code === "disk-full") return;
      throw new SealtailError("state-unwritable", "couldn't write to the state directory", {
        place: this.path,
        cause,
      });
    }
  }

  /**
   * A new volume is everybody's, and one that is mounted again may have been widened to its group:
   * it is made ours alone, as long as nothing in it can be another's.
   */
  async #claim(dir: string): Promise<void> {
    const user = currentUser();
    const info = await this.#files.stat(dir);
    if (user === undefined || info === undefined) return;
    if (info.uid !== user) throw unsafe(dir, `it belongs to user ${info.uid}, want ${user}`);
    if ((info.mode & othersWrite) === 0) return;
    const items = (await this.#files.list(dir)) ?? [];
    const found = items.filter(({ name }) => String(name) !== "lost+found");
    if ((info.mode & worldWrite) !== 0 && found.length > 0)
      throw unsafe(dir, "everybody may write to it");
    for (const { name } of found) {
      const item = await this.#files.linkStat(`${dir}/${String(name)}`);
      if (item !== undefined && item.uid !== user)
        throw unsafe(dir, `user ${item.uid} wrote to it`);
    }
    await this.#files.chmod(dir, 0o700).catch(() => undefined);
    const left = (await this.#files.stat(dir))?.mode ?? 0;
    if ((left & othersWrite) !== 0) throw unsafe(dir, "others may write to it");
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
      origin: `${path}/origin`,
      unsent: `${path}/unsent`,
    };
  }

  /** The folders of all chains, the oldest first; the last one is the current chain's. */
  async all(): Promise<ChainDir[]> {
    const items = (await this.#files.list(`${this.path}/chains`)) ?? [];
    return items
      .filter(({ kind, name }) => kind === "dir" && /^[0-9]{4,}$/.test(String(name)))
      .map(({ name }) => Number(name))
      .sort((a, b) => a - b)
      .map((number) => this.chain(number));
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
    await unlinkIfPresent(this.#files, dir.origin);
    await this.#files.syncDir(dir.path);
  }

  /**
   * Removes a chain's buffered blocks, for good: that they are there says that no newer chain holds
   * them.
   */
  async clearWal(dir: ChainDir): Promise<void> {
    const found = await this.#files.list(dir.wal);
    if (found === undefined) return;
    for (const { name, kind } of found) {
      if (kind === "file") await unlinkIfPresent(this.#files, `${dir.wal}/${String(name)}`);
    }
    await this.#files.syncDir(dir.wal);
  }
}
