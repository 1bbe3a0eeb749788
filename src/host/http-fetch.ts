// Lets a fetch-style function, Request to Response, serve node's HTTP requests.
//
// - Only here is the adapter imported, and only when such a function is served: it and the web
//   classes that it needs take 17 MB.
// - No error text reaches a client: a thrown error is an empty 500, a body that fails is cut off.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { FetchHandler, NodeHandler, Peer } from "./http-listener.ts";

/** `onFault` is told what `handle` threw, except when the client went away meanwhile. */
export async function fetchListener(
  handle: FetchHandler,
  peerOf: (request: IncomingMessage) => Peer,
  onFault: (fault: unknown) => void,
): Promise<NodeHandler> {
  const { getRequestListener } = await import("@hono/node-server");
  const listener = getRequestListener(
    async (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      try {
        const response = await handle(request, peerOf(incoming));
        return guarded(response, outgoing, onFault);
      } catch (fault) {
        const left = incoming.destroyed && !incoming.complete;
        if (!left) onFault(fault);
        return new Response(null, { status: 500 });
      }
    },
    { overrideGlobalObjects: false, errorHandler: () => new Response(null, { status: 400 }) },
  );
  return listener;
}

/** The same response; when its body fails, the connection is cut instead of ended. */
function guarded(
  response: Response,
  outgoing: ServerResponse,
  onFault: (fault: unknown) => void,
): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (fault) {
        onFault(fault);
        outgoing.destroy();
        controller.close();
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}
