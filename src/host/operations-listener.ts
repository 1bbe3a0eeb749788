// The operations listener: metrics, probes and status of a program, apart from its work.
//
// - On an address of this machine only, a request must name this machine in its Host header: a page
//   in a browser here could otherwise read through a name that it makes point at this machine.

import type { IncomingMessage } from "node:http";
import type { Clock } from "./clock.ts";
import type { Diag } from "./diag.ts";
import { type HttpListener, openHttpListener } from "./http-listener.ts";
import { isLoopback, parseListenAddress } from "./listen-address.ts";

export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export function json(status: number, value: object): Reply {
  const body = JSON.stringify(value, (_, each) => (typeof each === "bigint" ? String(each) : each));
  return { status, type: "application/json", body: `${body}\n` };
}

export interface OperationsListenerOptions {
  readonly listen: string;
  readonly clock: Pick<Clock, "now">;
  readonly diag: Diag;
  /** By path. */
  readonly routes: Readonly<Record<string, () => Reply | Promise<Reply>>>;
}

const wrongHost = json(421, {
  code: "wrong-host",
  detail: "this address answers to localhost, 127.0.0.1 and [::1] only",
});

/** Opens the listener. Throws port-in-use and the like. */
export function openOperationsListener(options: OperationsListenerOptions): Promise<HttpListener> {
  const { listen, clock, diag, routes } = options;
  return openHttpListener({
    clock,
    listen,
    onFault: (fault) => diag.debug("operations listener fault", { fault: String(fault) }),
    handler: {
      node: async (request, response) => {
        const { status, type, body } = await answer(request, listen, routes);
        response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
        response.end(body);
      },
    },
  });
}

function answer(
  request: IncomingMessage,
  listen: string,
  routes: OperationsListenerOptions["routes"],
): Reply | Promise<Reply> {
  if (!isForUs(request, listen)) return wrongHost;
  const path = (request.url ?? "/").split("?")[0] ?? "/";
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return route === undefined ? json(404, { code: "not-found" }) : route();
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
