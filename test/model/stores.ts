// What happens to a vault's store behind its back: it is restored from an older copy, or edited.
//
// - The vault is killed before and started again afterwards. A copy is of the store alone or of
//   the vault's state directory, too.
// - A copy keeps modes, as a backup does: by them a store knows which of its objects are complete.
// - An edit shows in the file's times, as the kernel sees to.
// - Which block an edit hit is remembered: no receipt that is made later may cover its head.

import { headLength } from "../../src/core/block.ts";
import { openReceipt } from "../../src/core/checkpoint.ts";
import { Fault } from "../../src/core/fault.ts";
import { decodeHeader } from "../../src/core/header.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { testVault } from "../fakes/chain-builder.ts";
import type { FakeFiles } from "../fakes/files.ts";
import type { VaultHost } from "./vault-host.ts";

type Chance = () => number;
interface CopiedFile {
  readonly bytes: Uint8Array;
  readonly mode: number;
}

type Copy = ReadonlyMap<string, CopiedFile>;

interface Edit {
  readonly chain: string;
  readonly path: string;
  readonly block: number;
  readonly at: number;
  readonly byte: number;
  readonly was: number;
  /** The vault's clock, in seconds. */
  readonly time: number;
}

export class StoreMishaps {
  /** The store is not what the vault made of it. */
  hurt = false;
  readonly #vault: VaultHost;
  readonly #now: () => number;
  #copy: Copy | undefined;
  #copied = "";
  /** The copy's store is older than the vault's state that it is put beside. */
  #isOlder = false;
  /** What was there before an older store was put in its place. */
  #whole: Copy | undefined;
  readonly #edits: Edit[] = [];
  readonly #said: string[] = [];

  constructor(vault: VaultHost, now: () => number) {
    this.#vault = vault;
    this.#now = now;
  }

  copy(chance: Chance): void {
    this.#copied = chance() < 0.5 ? this.#store : "/vault";
    // A store that is older than what the vault itself remembers has to be mended.
    this.#isOlder = this.#copied === this.#store || this.#whole !== undefined;
    this.#copy = new Map(filesOf(this.#vault.disk, this.#copied));
  }

  restore(): void {
    if (this.#copy === undefined) return;
    this.hurt = true;
    this.#vault.kill();
    if (this.#isOlder) this.#whole ??= new Map(filesOf(this.#vault.disk, "/vault"));
    this.#put(this.#copied, this.#copy);
    this.#vault.start();
  }

  #put(dir: string, copy: Copy): void {
    const { disk } = this.#vault;
    for (const [path] of filesOf(disk, dir)) if (!copy.has(path)) disk.remove(path);
    for (const [path, { bytes, mode }] of copy) {
      disk.put(path, bytes);
      const node = disk.node(path);
      if (node !== undefined) node.mode = mode;
    }
    disk.syncAll();
  }

  /** A person puts back what was there before; false: there was nothing to do. */
  repair(): boolean {
    const isBent = ({ path, at, byte }: Edit): boolean => this.#byteAt(path, at) === byte;
    if (this.#whole === undefined && !this.#edits.some(isBent)) return false;
    this.#said.push(...this.#covered());
    this.#vault.kill();
    if (this.#whole !== undefined) this.#put("/vault", this.#whole);
    this.#whole = undefined;
    // What is put back may have been edited before an older store took its place.
    for (const edit of this.#edits.toReversed()) {
      if (isBent(edit)) this.#bend(edit.path, edit.at, edit.was);
    }
    this.#vault.disk.syncAll();
    this.#vault.start();
    return true;
  }

  #byteAt(path: string, at: number): number | undefined {
    return this.#vault.disk.node(path)?.bytes.content[at];
  }

  #bend(path: string, at: number, byte: number): void {
    const node = this.#vault.disk.node(path);
    if (node === undefined) return;
    node.bytes.change(at, Uint8Array.of(byte));
    node.bytes.sync();
    this.#vault.disk.touch(node);
  }

  get #store(): string {
    return this.#vault.config.store.path;
  }

  /** Bends one byte of some stored block's head. */
  edit(chance: Chance): string {
    const objects = [...filesOf(this.#vault.disk, this.#store)].filter(([path]) =>
      path.endsWith(".blocks"),
    );
    const [path, file] = objects[Math.floor(chance() * objects.length)] ?? [];
    if (path === undefined || file === undefined) return "nothing";
    const { bytes } = file;
    const heads = [...headsIn(bytes)];
    const head = heads[Math.floor(chance() * heads.length)];
    if (head === undefined) return "nothing";
    this.hurt = true;
    this.#vault.kill();
    const at = head.at + Math.floor(chance() * headLength);
    const was = bytes[at] as number;
    const byte = was ^ (1 << Math.floor(chance() * 8));
    this.#bend(path, at, byte);
    const chain = path.split("/").at(-2) as string;
    this.#edits.push({ chain, path, block: head.block, at, byte, was, time: this.#now() });
    this.#vault.start();
    return `${path} at ${at}, block ${head.block}`;
  }

  /** Receipts that were made after an edit and covered it. */
  get complaints(): readonly string[] {
    return [...this.#said, ...this.#covered()];
  }

  #covered(): string[] {
    const { disk } = this.#vault;
    return this.#edits.flatMap(({ chain, path, block, at, byte, time }) => {
      if (this.#byteAt(path, at) !== byte) return [];
      const note = disk.node(`${this.#store}/chains/${chain}/receipt`)?.bytes.content;
      if (note === undefined) return [];
      try {
        const receipt = openReceipt(suite, note, [testVault.keys]);
        if (receipt === undefined || receipt.time <= time + 1 || receipt.size <= block) return [];
        return [`a receipt over ${receipt.size} blocks covers edited block ${block} of ${path}`];
      } catch (caught) {
        if (!(caught instanceof Fault)) throw caught;
        return [];
      }
    });
  }
}

function* filesOf(disk: FakeFiles, dir: string): Generator<[string, CopiedFile]> {
  for (const [name, node] of disk.node(dir)?.names ?? []) {
    const path = `${dir}/${name}`;
    if (node.kind === "dir") yield* filesOf(disk, path);
    else yield [path, { bytes: node.bytes.content.slice(), mode: node.mode }];
  }
}

function* headsIn(bytes: Uint8Array): Generator<{ readonly at: number; readonly block: number }> {
  try {
    for (let at = 0; at + headLength <= bytes.length; ) {
      const { blockNo, storedLength } = decodeHeader(bytes.subarray(at));
      yield { at, block: blockNo };
      at += headLength + storedLength;
    }
  } catch (caught) {
    // Edited before.
    if (!(caught instanceof Fault)) throw caught;
  }
}
