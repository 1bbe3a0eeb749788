// Answers those who judge the store itself: its objects by name, byte for byte, damage and all.
//
// - Nothing is judged, mended or left out here, and nothing waits for a chain's head: what a
//   directory shows to an auditor, this shows to one who is elsewhere. A receipt that is still to
//   be written is written before it is asked for.
// - Names come sorted, in pages; what seems to be an object and can't be read is named, too.
//
// Reference: docs/reference/http.md, "The store as it is".

import { SealtailError } from "../core/errors.ts";
import { chainPath, receiptPath } from "../store/layout.ts";
import type { ChainReader, ReadableStore } from "../store/store.ts";
import { type ApiRequest, maxSafe } from "./endpoint.ts";
import { Problem } from "./problem.ts";
import { json, raw } from "./reads.ts";
import type { ReceiptKeeper } from "./receipts.ts";

export interface StoreReadsOptions {
  readonly store: ReadableStore;
  /** Writes the receipts that are given and not stored yet. */
  readonly keeper: Pick<ReceiptKeeper, "keep">;
}

const namesMax = 10_000;

export class StoreReads {
  readonly #options: StoreReadsOptions;

  constructor(options: StoreReadsOptions) {
    this.#options = options;
  }

  readonly chains = async ({ given }: ApiRequest): Promise<Response> => {
    const { after, limit } = pageOf(given);
    const { chains, unread } = await this.#options.store.contents();
    const names = chains.map(({ id }) => id);
    return json({ ...page("chains", names, after, limit), unread: after === "" ? unread : [] });
  };

  readonly objects = async ({ given }: ApiRequest): Promise<Response> => {
    const chain = this.#chain(given.text("chain") as string);
    const { after, limit } = pageOf(given);
    const lists = [await chain.blocks(), await chain.forks(), await chain.headers()];
    const start = chainPath(chain.id).length + 1;
    const names = lists.flat().map(({ name }) => name.slice(start));
    const unread = after === "" ? await chain.unread() : [];
    return json({ ...page("objects", names.sort(), after, limit), unread });
  };

  readonly object = async ({ given }: ApiRequest): Promise<Response> => {
    const chain = this.#chain(given.text("chain") as string);
    const name = `${chainPath(chain.id)}/${given.text("name") ?? ""}`;
    if (name === receiptPath(chain.id)) await this.#settle(chain.id);
    const object = await chain.object(name);
    if (object === undefined) throw new Problem("not-found", "there is no such object");
    const start = given.integer("from") ?? 0;
    const limit = given.integer("limit") ?? maxSafe;
    const size = await object.size();
    const end = Math.max(start, Math.min(size, start + limit));
    return raw(object.open({ start, end }), { "sealtail-size": String(size) });
  };

  // Where it can't be written, what is stored is the older one, here as in the directory.
  async #settle(chain: string): Promise<void> {
    try {
      await this.#options.keeper.keep(chain);
    } catch (error) {
      if (!(error instanceof SealtailError) || error.kind === "unsafe") throw error;
    }
  }

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
