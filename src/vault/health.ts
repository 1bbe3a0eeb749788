// The operations listener: metrics and health, apart from the API.
//
// - /livez is about this process only. /startupz turns green once the chains are listed; /readyz
//   goes red while it takes no blocks: while it stops, must stop because a sync failed, or finds no
//   room in its store. That is asked anew each time: nobody may have to write to turn it green.

import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { HttpListener } from "../host/http-listener.ts";
import { json, openOperationsListener, type Reply } from "../host/operations-listener.ts";
import type { VaultMetrics } from "./metrics.ts";

export interface Health {
  readonly started: () => boolean;
  readonly unsafe: () => boolean;
  readonly closing: () => boolean;
  /** What is served at /status, as JSON for `sealtail status`. */
  readonly status: () => Promise<object>;
  /** Chains whose stored objects fail: the vault serves all others, so this turns nothing red. */
  readonly damaged: () => { readonly count: number };
  /** Chains whose receipts can't be kept: likewise. */
  readonly unkept: () => { readonly count: number };
  /** Whether the store takes another request. */
  readonly room: () => Promise<boolean>;
}

export interface OperationsOptions {
  readonly listen: string;
  readonly clock: Pick<Clock, "now">;
  readonly diag: Diag;
  readonly metrics: VaultMetrics;
  readonly health: Health;
}

export async function openOperations(options: OperationsOptions): Promise<HttpListener> {
  const { listen, clock, diag, metrics } = options;
  metrics.addProcess();
  const { started, unsafe, closing, room, status, damaged, unkept } = options.health;
  const probe = (checks: Readonly<Record<string, boolean>>, detail: object = {}): Reply => {
    const ok = Object.values(checks).every((check) => check);
    return json(ok ? 200 : 503, { ok, checks, ...detail });
  };
  const routes: Readonly<Record<string, () => Reply | Promise<Reply>>> = {
    "/metrics": async () => ({
      ...{ status: 200, type: metrics.contentType },
      body: await metrics.text(),
    }),
    "/livez": () => probe({ store: !unsafe() }),
    "/readyz": async () =>
      probe(
        { started: started(), store: !unsafe(), open: !closing(), room: await room() },
        {
          ...(damaged().count === 0 ? {} : { damaged: damaged() }),
          ...(unkept().count === 0 ? {} : { unkept: unkept() }),
        },
      ),
    "/startupz": () => probe({ started: started() }),
    "/status": async () => json(200, { program: "vault", ...(await status()) }),
  };
  return await openOperationsListener({ listen, clock, diag, routes });
}
