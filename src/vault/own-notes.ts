// What the vault writes down for itself about each chain, apart from the store: the grant that it
// began with, its newest receipt, a note about what it checked, and proofs of forks that the store
// did not take.
//
// - Nothing here is believed unless the vault's own keys signed it, or, of grants, a root; proofs
//   of forks are judged by themselves. A chain of which the vault wrote anything down began,
//   whatever became of it in the store.
// - Without its note a chain is read again as a whole. Without its receipt, a store that was set
//   back as a whole, together with its own copy of the receipt, is not noticed here: agents notice
//   it at their next request.
// - Written without a sync: after a power cut some of it may be older, or gone. Only that a note
//   counts no more, and proofs of forks, are durable.

import { headLength } from "../core/block.ts";
import { maxReceiptLength } from "../core/checkpoint.ts";
import { SealtailError } from "../core/errors.ts";
import { maxGrantLength } from "../core/grant.ts";
import {
  makeDirDurably,
  readWhole,
  replaceFile,
  unlinkIfPresent,
  writeFileDurably,
} from "../host/durable.ts";
import type { Files } from "../host/files.ts";
import { forkName, forkOf, isChainId } from "../store/layout.ts";
import type { ForkProof } from "../store/store.ts";
import { headNoteBytesMax } from "./head-note.ts";

/** The notes of a chain that are one file each: how long one may be. */
const lengthMax = {
  grant: maxGrantLength,
  receipt: maxReceiptLength,
  checked: headNoteBytesMax,
};

export type OwnNote = keyof typeof lengthMax;

/**
 * In the state directory: `grant`, `receipt`, `checked` and the folder `forks` in `chains/<chain>`.
 */
export class OwnNotes {
  readonly #files: Files;
  readonly #dir: string;

  constructor(files: Files, stateDir: string) {
    this.#files = files;
    this.#dir = `${stateDir}/chains`;
  }

  /** Undefined where there is none, or nothing that can be one. */
  read(chain: string, what: OwnNote): Promise<Uint8Array | undefined> {
    return this.#read(`${chain}/${what}`, lengthMax[what]);
  }

  async keep(chain: string, what: OwnNote, bytes: Uint8Array): Promise<void> {
    const folder = `${this.#dir}/${chain}`;
    try {
      await replaceFile(this.#files, `${folder}/${what}`, bytes);
    } catch (error) {
      if (!(error instanceof SealtailError) || error.code !== "file-missing") throw error;
      await this.#files.mkdir(folder, 0o700);
      await replaceFile(this.#files, `${folder}/${what}`, bytes);
    }
  }

  /** The chain must be checked as a whole, also after a power cut. */
  async dropChecked(chain: string): Promise<void> {
    const folder = `${this.#dir}/${chain}`;
    await unlinkIfPresent(this.#files, `${folder}/checked`);
    if ((await this.#files.stat(folder)) !== undefined) await this.#files.syncDir(folder);
  }

  /** Chains of which something was written down. */
  async chains(): Promise<string[]> {
    const found = (await this.#files.list(this.#dir)) ?? [];
    return found.map(({ name }) => String(name)).filter(isChainId);
  }

  /** Proofs of forks as they were kept: whoever reads them judges them. */
  async forks(chain: string): Promise<ForkProof[]> {
    const folder = `${this.#dir}/${chain}/forks`;
    const found: ForkProof[] = [];
    for (const { name } of (await this.#files.list(folder)) ?? []) {
      const named = forkOf(String(name));
      const proof = named && (await this.#read(`${chain}/forks/${name}`, 2 * headLength));
      if (proof !== undefined && named !== undefined) found.push({ ...named, proof });
    }
    return found;
  }

  /** False if it is there. Durable. */
  async keepFork(chain: string, fork: ForkProof): Promise<boolean> {
    const folder = `${this.#dir}/${chain}/forks`;
    const path = `${folder}/${forkName(fork)}`;
    if ((await this.#files.stat(path)) !== undefined) return false;
    await makeDirDurably(this.#files, folder);
    await writeFileDurably(this.#files, path, fork.proof);
    return true;
  }

  async dropFork(chain: string, fork: ForkProof): Promise<void> {
    await unlinkIfPresent(this.#files, `${this.#dir}/${chain}/forks/${forkName(fork)}`);
  }

  async #read(path: string, most: number): Promise<Uint8Array | undefined> {
    try {
      return await readWhole(this.#files, `${this.#dir}/${path}`, most);
    } catch (error) {
      if (error instanceof SealtailError && error.code === "file-too-large") return undefined;
      throw error;
    }
  }
}
