// Answers those who judge the store itself: its objects by name, byte for byte, damage and all.
//
// - Nothing is judged, mended or left out here, and nothing waits for a chain's head: what a
//   directory shows to an auditor, this shows to one who is elsewhere. Only the receipt may be
//   newer than the stored one.
// - Names come sorted, in pages; what seems to be an object and can't be read is named, too.
//
// Reference: docs/reference/http.md, "The store as it is".

import type { Pieces } from "../core/chain-source.ts";
import { chainPath, receiptPath } from "../store/layout.ts";
import type { ChainReader, ReadableStore } from "../store/store.ts";
import { type ApiRequest, maxSafe } from "./endpoint.ts";
import { Problem } from "./problem.ts";
import { json, raw } from "./reads.ts";

export interface StoreReadsOptions {
  readonly store: ReadableStore;
  /** A receipt that may be newer than the stored one. */
  readonly newestReceipt: (chain: string) => Promise<Uint8Array | undefined>;
}

const namesMax = 10_000;
const unreadMax = 100;

export class StoreReads {
  readonly #options: StoreReadsOptions;

  constructor(options: StoreReadsOptions) {
    this.#options = options;
  }

  readonly chains = async ({ given }: ApiRequest): Promise<Response> => {
    const { store } = this.#options;
    const { after, limit } = pageOf(given);
    const names = await store.chainIds();
    const unread = after === "" ? await store.unread() : [];
    return json({ ...page("chains", names, after, limit), ...unreadIn(unread) });
  };

  readonly objects = async ({ given }: ApiRequest): Promise<Response> => {
    const chain = this.#chain(given.text("chain") as string);
    const { after, limit } = pageOf(given);
    const lists = [await chain.blocks(), await chain.forks(), await chain.headers()];
    const start = chainPath(chain.id).length + 1;
    const names = lists.flat().map(({ name }) => name.slice(start));
    const unread = after === "" ? await chain.unread() : [];
    return json({ ...page("objects", names.sort(), after, limit), ...unreadIn(unread) });
  };

  readonly object = async ({ given }: ApiRequest): Promise<Response> => {
    const chain = this.#chain(given.text("chain") as string);
    const name = `${chainPath(chain.id)}/${given.text("name") ?? ""}`;
    const asked = name === receiptPath(chain.id);
    const held = asked ? await this.#options.newestReceipt(chain.id) : undefined;
    const object = held === undefined ? await chain.object(name) : inMemory(held);
    if (object === undefined) throw new Problem("not-found", "there is no such object");
    const start = given.integer("from") ?? 0;
    const limit = given.integer("limit") ?? maxSafe;
    const size = await object.size();
    const end = Math.max(start, Math.min(size, start + limit));
    return raw(object.open({ start, end }), { "sealtail-size": String(size) });
  };

  #chain(id: string): ChainReader {
    return this.#options.store.reader(id);
  }
}

function pageOf(given: ApiRequest["given"]): { after: string; limit: number } {
  return { after: given.text("after") ?? "", limit: given.integer("limit") ?? namesMax };
}

function page(what: string, names: readonly string[], after: string, limit: number): object {
  const rest = names.filter((name) => name > after);
  const shown = rest.slice(0, limit);
  return { [what]: shown, ...(rest.length > limit ? { next: shown.at(-1) } : {}) };
}

function unreadIn(unread: readonly string[]): object {
  const more = unread.length - unreadMax;
  const shown = unread.slice(0, unreadMax);
  return { unread: more > 0 ? [...shown, `and ${more} more like these`] : shown };
}

function inMemory(bytes: Uint8Array): {
  size: () => Promise<number>;
  open: (range: { start: number; end: number }) => Pieces;
} {
  return {
    size: async () => bytes.length,
    open: async function* ({ start, end }) {
      yield bytes.subarray(start, end);
    },
  };
}
