// The operations listener of a program: metrics, probes and status, apart from its work.
//
// - On an address of this machine only, a request must name this machine in its Host header: a page
//   in a browser here could otherwise read through a name that it makes point at this machine.
// - It shows and changes nothing: GET and HEAD are all that it takes.
// - Who listens here measures its own process as well.

import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { Clock } from "./clock.ts";
import type { Diag } from "./diag.ts";
import { type HttpListener, openHttpListener } from "./http-listener.ts";
import { isLoopback, parseListenAddress } from "./listen-address.ts";
import type { Metrics } from "./metrics.ts";

/** Whether all is well, and each thing that was looked at. */
export interface Probe {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, boolean | string>>;
  /** Stands beside the checks in the answer. */
  readonly detail?: object;
}

export interface OperationsOptions {
  readonly listen: string;
  readonly clock: Pick<Clock, "now">;
  readonly diag: Diag;
  readonly metrics: Metrics;
  /** Red: a restart would help. */
  readonly alive: () => Probe;
  /** Red: it is not begun yet. */
  readonly started: () => Probe;
  /** Red: somebody has to act. */
  readonly ready: () => Probe | Promise<Probe>;
  /** As JSON for `sealtail status`. */
  readonly status: () => object | Promise<object>;
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: OutgoingHttpHeaders;
}

const wrongHost = json(421, {
  code: "wrong-host",
  detail: "this address answers to localhost, 127.0.0.1 and [::1] only",
});
const wrongMethod = {
  ...json(405, { code: "method-not-allowed" }),
  headers: { allow: "GET, HEAD" },
};

/** Opens the listener. Throws port-in-use and the like. */
export function openOperations(options: OperationsOptions): Promise<HttpListener> {
  const { listen, clock, diag, metrics } = options;
  metrics.addProcess();
  return openHttpListener({
    clock,
    listen,
    onFault: (fault) => diag.debug("operations listener fault", { fault: String(fault) }),
    handler: {
      node: async (request, response) => {
        const { status, type, body, headers } = await answer(request, options);
        const given = { "content-type": type, "cache-control": "no-store", ...headers };
        response.writeHead(status, given).end(body);
      },
    },
  });
}

async function answer(request: IncomingMessage, options: OperationsOptions): Promise<Reply> {
  if (!isForUs(request, options.listen)) return wrongHost;
  if (request.method !== "GET" && request.method !== "HEAD") return wrongMethod;
  const { metrics, alive, ready, started, status } = options;
  switch ((request.url ?? "/").split("?")[0]) {
    case "/metrics":
      return { status: 200, type: metrics.contentType, body: await metrics.text() };
    case "/livez":
      return probed(alive());
    case "/readyz":
      return probed(await ready());
    case "/startupz":
      return probed(started());
    case "/status":
      return json(200, await status());
    default:
      return json(404, { code: "not-found" });
  }
}

function probed({ ok, checks, detail }: Probe): Reply {
  return json(ok ? 200 : 503, { ok, checks, ...detail });
}

function json(status: number, value: object): Reply {
  const body = JSON.stringify(value, (_, each) => (typeof each === "bigint" ? String(each) : each));
  return { status, type: "application/json", body: `${body}\n` };
}

/** Whether the request names whom it has reached. */
function isForUs(request: IncomingMessage, listen: string): boolean {
  const bound = parseListenAddress(listen)?.host ?? "";
  const reached = (request.socket.localAddress ?? "").replace(/^::ffff:/, "");
  const everywhere = bound === "0.0.0.0" || bound === "::";
  if (everywhere || !(isLoopback(bound) || isLoopback(reached))) return true;
  const named = hostOf(request.headers.host ?? "");
  return named !== undefined && (isLoopback(named) || named === bound.toLowerCase());
}

/** "localhost:9464", "[::1]", "127.0.0.1": without the port and in lower case. */
function hostOf(header: string): string | undefined {
  const text = /:[0-9]+$/.test(header) ? header : `${header}:0`;
  return parseListenAddress(text)?.host.toLowerCase();
}
