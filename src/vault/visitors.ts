// Brings chains back for those who name them.
//
// - A chain's id is all that it takes, so no stranger gets it for many at once: those of one
//   address get it one at a time, with rests between. Who has sent blocks of a chain's own does
//   not wait.
// - However many ask for one chain, it is brought back once, and they hold no stop up.

import type { Clock } from "../host/clock.ts";
import type { Peer } from "../host/http-listener.ts";
import type { ChainHead } from "./bring-back.ts";
import type { Gate } from "./gate.ts";
import type { Heads } from "./heads.ts";
import { NamedQueues, Shared } from "./queue.ts";

export class Visitors {
  readonly #heads: Pick<Heads, "peek" | "use">;
  readonly #gate: Pick<Gate, "assertOpen">;
  readonly #opening = new Shared<ChainHead | undefined>();
  readonly #strangers: NamedQueues;

  constructor(
    heads: Pick<Heads, "peek" | "use">,
    clock: Pick<Clock, "mono" | "sleep">,
    gate: Pick<Gate, "assertOpen">,
  ) {
    this.#heads = heads;
    this.#gate = gate;
    this.#strangers = new NamedQueues({ clock, waitingMax: 1000, restMaxMs: 100 });
  }

  /** The head of a chain, to be read and without a turn of its own. Throws as Heads.use() does. */
  async head(chain: string, { address, known }: Peer): Promise<ChainHead | undefined> {
    const open = this.#heads.peek(chain);
    if (open !== undefined) return open;
    const bring = (): Promise<ChainHead | undefined> => {
      this.#gate.assertOpen();
      return this.#opening.once(chain, () => this.#heads.use(chain, async (head) => head));
    };
    return await (known?.() === true ? bring() : this.#strangers.pass(address, bring));
  }
}
