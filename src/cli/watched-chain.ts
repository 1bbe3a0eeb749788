// The same chain, with someone told whenever something of it cannot be read.
//
// - A verifier makes a verdict of such a failure and drops its cause; here the cause is kept.

import type { ByteRange, Pieces, StoredObject } from "../core/chain-source.ts";
import type { OpenedChain } from "./chains-source.ts";

/** `told` is called with what the place threw, before it is thrown on. */
export function watchedChain(chain: OpenedChain, told: (error: unknown) => void): OpenedChain {
  return new WatchedChain(chain, told);
}

// One of as many as a place holds: it holds no closure.
class WatchedChain implements OpenedChain {
  readonly #chain: OpenedChain;
  readonly #told: (error: unknown) => void;

  constructor(chain: OpenedChain, told: (error: unknown) => void) {
    this.#chain = chain;
    this.#told = told;
  }

  get id(): string {
    return this.#chain.id;
  }

  get grant(): OpenedChain["grant"] {
    return () => watched(this.#chain.grant(), this.#told);
  }

  get receipt(): OpenedChain["receipt"] {
    return () => watched(this.#chain.receipt(), this.#told);
  }

  get blocks(): OpenedChain["blocks"] {
    return () => this.#objects(this.#chain.blocks());
  }

  get headers(): OpenedChain["headers"] {
    return () => this.#objects(this.#chain.headers());
  }

  get forks(): OpenedChain["forks"] {
    return () => this.#objects(this.#chain.forks());
  }

  get unread(): OpenedChain["unread"] {
    return () => watched(this.#chain.unread(), this.#told);
  }

  async #objects(list: Promise<readonly StoredObject[]>): Promise<StoredObject[]> {
    return (await watched(list, this.#told)).map((each) => new WatchedObject(each, this.#told));
  }
}

// One of as many as somebody put in: it holds no closure.
class WatchedObject implements StoredObject {
  readonly #object: StoredObject;
  readonly #told: (error: unknown) => void;

  constructor(object: StoredObject, told: (error: unknown) => void) {
    this.#object = object;
    this.#told = told;
  }

  get name(): string {
    return this.#object.name;
  }

  get firstBlock(): number {
    return this.#object.firstBlock;
  }

  size(): Promise<number> {
    return this.#object.size();
  }

  open(range?: ByteRange): Pieces {
    return watchedPieces(this.#object.open(range), this.#told);
  }
}

/** The same promise, with someone told of its failure. */
export async function watched<T>(work: Promise<T>, told: (error: unknown) => void): Promise<T> {
  try {
    return await work;
  } catch (error) {
    told(error);
    throw error;
  }
}

async function* watchedPieces(
  pieces: AsyncIterable<Uint8Array>,
  told: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* pieces;
  } catch (error) {
    told(error);
    throw error;
  }
}

/** Runs `work` on a chain; if something of the chain could not be read, throws what it threw. */
export async function readingAll<T>(
  chain: OpenedChain,
  work: (chain: OpenedChain) => Promise<T>,
): Promise<T> {
  const failures: unknown[] = [];
  const result = await work(watchedChain(chain, (error) => failures.push(error)));
  if (failures.length > 0) throw failures[0];
  return result;
}
