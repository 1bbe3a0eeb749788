// The operations listener: metrics and health, apart from the API.
//
// - /livez is about this process only. /startupz turns green once the chains are listed; /readyz
//   goes red while it takes no blocks: while it stops, must stop because a sync failed, or finds no
//   room in its store. That is asked anew each time: nobody may have to write to turn it green.

import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { type HttpListener, openHttpListener } from "../host/http-listener.ts";
import type { VaultMetrics } from "./metrics.ts";

export interface Health {
  readonly started: () => boolean;
  readonly unsafe: () => boolean;
  readonly closing: () => boolean;
  /** What is served at /status, as JSON for `sealtail status`. */
  readonly status: () => Promise<object>;
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

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export async function openOperations(options: OperationsOptions): Promise<HttpListener> {
  const { listen, clock, diag, metrics } = options;
  metrics.addProcess();
  const { started, unsafe, closing, room, status } = options.health;
  const probe = (checks: Readonly<Record<string, boolean>>): Reply => {
    const ok = Object.values(checks).every((check) => check);
    return reply(ok ? 200 : 503, { ok, checks });
  };
  const routes: Readonly<Record<string, () => Reply | Promise<Reply>>> = {
    "/metrics": async () => ({
      ...{ status: 200, type: metrics.contentType },
      body: await metrics.text(),
    }),
    "/livez": () => probe({ store: !unsafe() }),
    "/readyz": async () =>
      probe({ started: started(), store: !unsafe(), open: !closing(), room: await room() }),
    "/startupz": () => probe({ started: started() }),
    "/status": async () => reply(200, { program: "vault", ...(await status()) }),
  };
  return await openHttpListener({
    ...{ clock, listen },
    onFault: (fault) => diag.debug("operations listener fault", { fault: String(fault) }),
    handler: {
      node: async (request, response) => {
        const path = (request.url ?? "/").split("?")[0] ?? "/";
        const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
        const { status, type, body } = await (route?.() ?? reply(404, { code: "not-found" }));
        response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
        response.end(body);
      },
    },
  });
}

function reply(status: number, value: object): Reply {
  return { status, type: "application/json", body: `${JSON.stringify(value)}\n` };
}
