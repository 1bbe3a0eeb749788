// Serves the table of endpoints: from a Request to a Response, without a socket.
//
// - Every answer that is no success is a problem document; no other text of an error gets out.
// - Reading is open to whoever reaches the vault, or closed: for this machine only, and the vault
//   does not even listen elsewhere. Writes need nobody's leave: a block carries its own authority.

import { Hono } from "hono";
import { SealtailError } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { FetchHandler, Peer } from "../host/http-listener.ts";
import { isLoopback } from "../host/listen-address.ts";
import { Damage, damageOf } from "./damage.ts";
import { type Endpoint, Given } from "./endpoint.ts";
import type { VaultObserver } from "./observer.ts";
import { Problem, storeProblem } from "./problem.ts";
import type { Readers } from "./readers.ts";

export interface RoutesOptions {
  readonly endpoints: readonly Endpoint[];
  readonly clock: Pick<Clock, "mono">;
  readonly diag: Diag;
  readonly observer: VaultObserver;
  /** Whether anyone may read. */
  readonly open: boolean;
  readonly readers: Readers;
  /** For answers that open stored payloads, in addition. */
  readonly heavyReaders: Readers;
}

type Env = { Bindings: { readonly peer: Peer } };

/** The vault's API as one function. */
export function apiHandler(options: RoutesOptions): FetchHandler {
  const app = new Hono<Env>({ strict: true });
  const { clock, observer } = options;
  for (const endpoint of options.endpoints) {
    const path = endpoint.path.replaceAll(/\{([a-z]+)\}/g, ":$1");
    app.on(endpoint.method, path, async (context) => {
      const started = clock.mono();
      const { peer } = context.env;
      const request = context.req.raw;
      const params = context.req.param() as Record<string, string>;
      const response = await answer(options, endpoint, request, peer, params);
      observer.request(endpoint.name, response.status, (clock.mono() - started) / 1e6);
      return response;
    });
  }
  for (const path of new Set(options.endpoints.map((each) => each.path))) {
    const methods = options.endpoints.filter((each) => each.path === path);
    const allow = methods.map(({ method }) => (method === "GET" ? "GET, HEAD" : method)).join(", ");
    app.all(path.replaceAll(/\{([a-z]+)\}/g, ":$1"), () => {
      const response = new Problem("method-not-allowed", `want ${allow}`).response();
      response.headers.set("allow", allow);
      return response;
    });
  }
  app.notFound(() => new Problem("not-found", "there is no such address").response());
  app.onError((error) => failed(options, "routing", error));
  return async (request, peer) => await app.fetch(request, { peer });
}

async function answer(
  options: RoutesOptions,
  endpoint: Endpoint,
  request: Request,
  peer: Peer,
  path: Readonly<Record<string, string>>,
): Promise<Response> {
  const { open, readers, heavyReaders } = options;
  try {
    if (endpoint.access === "read") assertMayRead(request, peer, open);
    const given = new Given(request, path, endpoint);
    const made = (): Promise<Response> => endpoint.answer({ request, peer, given });
    if (endpoint.access === "write") return await made();
    const heavy = endpoint.heavy === true;
    const served = await readers.serve(
      peer.address,
      heavy ? () => heavyReaders.serve(peer.address, made) : made,
    );
    return request.method === "HEAD" ? await withoutBody(served) : served;
  } catch (error) {
    return failed(options, endpoint.name, error);
  }
}

/** Throws Problem read-forbidden for who may not read. */
function assertMayRead(request: Request, peer: Peer, open: boolean): void {
  if (open) return;
  // A page in a browser here could else read through a name that it makes point at this machine.
  const { hostname } = new URL(request.url);
  if (peer.loopback && isLoopback(hostname.replace(/^\[|\]$/g, ""))) return;
  throw new Problem("read-forbidden", "the request does not come from this machine");
}

async function withoutBody(response: Response): Promise<Response> {
  await response.body?.cancel();
  const { status, headers } = response;
  return new Response(null, { status, headers });
}

function failed({ diag }: RoutesOptions, endpoint: string, error: unknown): Response {
  if (error instanceof Problem) return error.response();
  if (error instanceof Damage) return new Problem("chain-damaged", error.message).response();
  diag.error("request failed", { endpoint, error: error as Error });
  // What the machine can't read now, it may soon: whoever asks again is served.
  const passes = error instanceof SealtailError && damageOf(error) === undefined;
  if (passes) return storeProblem(error).response();
  return new Problem("internal-error", "the vault's diagnostics say why").response();
}
