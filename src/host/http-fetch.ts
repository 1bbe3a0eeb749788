// Lets a fetch-style function, Request to Response, serve node's HTTP requests.
//
// - Only here is the adapter imported, and only when such a function is served: it and the web
//   classes that it needs take 17 MB.
// - No error text reaches a client: a thrown error is an empty 500, a body that fails is cut off.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { FetchHandler, NodeHandler, Peer } from "./http-listener.ts";
import { relayed } from "./relay.ts";

export interface FetchOptions {
  readonly peerOf: (request: IncomingMessage) => Peer;
  /** Told what the handler threw, except when the client went away meanwhile. */
  readonly onFault: (fault: unknown) => void;
  /** How long a client may leave a piece of an answer unread. */
  readonly writeTimeoutMs: number;
  /** The answer to a request without a usable address. */
  readonly nonsense: () => Response;
}

export async function fetchListener(
  handle: FetchHandler,
  options: FetchOptions,
): Promise<NodeHandler> {
  const { getRequestListener } = await import("@hono/node-server");
  const { peerOf, onFault, nonsense } = options;
  return getRequestListener(
    async (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      try {
        return guarded(await handle(request, peerOf(incoming)), outgoing, options);
      } catch (fault) {
        const left = incoming.destroyed && !incoming.complete;
        if (!left) onFault(fault);
        return new Response(null, { status: 500 });
      }
    },
    { overrideGlobalObjects: false, errorHandler: nonsense },
  );
}

/**
 * The same response. When its body fails, or its reader takes nothing for too long, the connection
 * is cut; when the connection goes, the body is let go of.
 */
function guarded(
  response: Response,
  outgoing: ServerResponse,
  { onFault, writeTimeoutMs }: FetchOptions,
): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  let slow: NodeJS.Timeout | undefined;
  outgoing.once("close", () => {
    clearTimeout(slow);
    reader.cancel().catch(() => undefined);
  });
  const body = relayed(reader, {
    asked: () => clearTimeout(slow),
    came: () => {
      if (outgoing.destroyed) return;
      slow = setTimeout(() => outgoing.destroy(), writeTimeoutMs);
    },
    failed: (fault) => {
      onFault(fault);
      outgoing.destroy();
    },
  });
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}
