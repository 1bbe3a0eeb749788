// One life of a program: its clock and its view of the disk, both of which end with it.
//
// - A dead program hangs for ever in whatever it waits for: it catches nothing, cleans up nothing,
//   writes nothing, as after kill -9.
// - Death may come at any call to the disk, before it or after it. Calls may be slow, may fail, and
//   may be overtaken by what others do to the same files meanwhile.

import type { Path } from "../../src/host/file-error.ts";
import type { FileInfo, OpenFile, OpenMode } from "../../src/host/files.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import type { FakeFiles } from "../fakes/files.ts";
import type { FileCall } from "../fakes/open-file.ts";
import { type LifeClock, never } from "./time.ts";

export interface Death {
  /** Calls to the disk that are left. */
  calls: number;
  readonly after: boolean;
  /** What dies with it. */
  readonly how: () => void;
}

/**
 * A file was found so long, under this path: that of the look, or that it was opened by. `open`:
 * through a descriptor. `exact`: no longer than that.
 */
type Seen = (
  info: Pick<FileInfo, "ino" | "size">,
  path: string,
  how: { readonly open: boolean; readonly exact: boolean },
) => void;

export interface LifeHooks {
  /** Milliseconds that a call takes. */
  readonly slowness: (call: FileCall, path: string) => number;
  /** Just before a call is done. */
  readonly before?: (call: FileCall, path: string) => void;
  /** A file was looked at, by path or through an open file, and is so long. */
  readonly seen?: Seen;
}

export class Life {
  readonly clock: LifeClock;
  readonly files: LifeFiles;
  death: Death | undefined;

  constructor(clock: LifeClock, disk: FakeFiles, hooks: LifeHooks) {
    this.clock = clock;
    this.files = new LifeFiles(disk, this, hooks);
  }

  get dead(): boolean {
    return this.clock.dead;
  }

  die(): void {
    this.death = undefined;
    this.clock.die();
  }

  /** Whether the program is dead now, at a call to the disk. */
  struck(after: boolean): boolean {
    const { death } = this;
    if (death !== undefined) {
      if (!after) death.calls -= 1;
      if (death.calls <= 0 && death.after === after) {
        this.die();
        death.how();
      }
    }
    return this.dead;
  }
}

class LifeFiles extends FaultyFiles {
  readonly #life: Life;
  readonly #hooks: LifeHooks;

  constructor(disk: FakeFiles, life: Life, hooks: LifeHooks) {
    super(disk);
    this.#life = life;
    this.#hooks = hooks;
  }

  override async do<T>(
    call: FileCall,
    path: Path,
    work: () => Promise<T>,
    half?: () => Promise<unknown>,
  ): Promise<T> {
    const { clock } = this.#life;
    if (clock.dead) return never();
    const text = String(path);
    const ms = this.#hooks.slowness(call, text);
    if (ms > 0) await clock.sleep(ms);
    if (this.#life.struck(false)) return never();
    this.#hooks.before?.(call, text);
    try {
      const done = await super.do(call, path, work, half);
      return this.#life.struck(true) ? never() : done;
    } catch (error) {
      if (this.#life.struck(true)) return never();
      throw error;
    }
  }

  override async stat(path: Path): Promise<FileInfo | undefined> {
    const info = await super.stat(path);
    if (info?.kind === "file") this.#hooks.seen?.(info, String(path), { open: false, exact: true });
    return info;
  }

  override async open(path: Path, mode: OpenMode, perm?: number): Promise<OpenFile> {
    const file = await super.open(path, mode, perm);
    const { seen } = this.#hooks;
    return mode !== "read" || seen === undefined ? file : new SeenFile(file, seen, String(path));
  }
}

/** An open file that tells what is learnt of its length. */
class SeenFile implements OpenFile {
  readonly #file: OpenFile;
  readonly #seen: Seen;
  readonly #path: string;
  #ino: bigint | undefined;

  constructor(file: OpenFile, seen: Seen, path: string) {
    this.#file = file;
    this.#seen = seen;
    this.#path = path;
  }

  async stat(): Promise<FileInfo> {
    const info = await this.#file.stat();
    this.#ino = info.ino;
    this.#seen(info, this.#path, { open: true, exact: true });
    return info;
  }

  async read(into: Uint8Array, at: number, length: number, position: number): Promise<number> {
    const got = await this.#file.read(into, at, length, position);
    if (this.#ino !== undefined && got > 0) {
      const how = { open: true, exact: got < length };
      this.#seen({ ino: this.#ino, size: position + got }, this.#path, how);
    }
    return got;
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#file.write(bytes, position);
  }

  writev(parts: readonly Uint8Array[], position: number): Promise<void> {
    return this.#file.writev(parts, position);
  }

  truncate(size: number): Promise<void> {
    return this.#file.truncate(size);
  }

  datasync(): Promise<void> {
    return this.#file.datasync();
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
