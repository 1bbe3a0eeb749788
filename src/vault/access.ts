// Who may read. Writes need nobody's leave: a block carries its own authority.
//
// - Open: whoever reaches the vault. Closed: this machine only, and the vault does not even listen
//   elsewhere. Roles come later.
// - Closed, a request must also name this machine in its Host header: a page in a browser here
//   could otherwise read through a name that it makes point at this machine.

import type { Peer } from "../host/http-listener.ts";
import { isLoopback, parseListenAddress } from "../host/listen-address.ts";
import { Problem } from "./problem.ts";

/** Whether other machines could reach a vault that listens there. */
export function isOpenToOthers(listen: string): boolean {
  return !isLoopback(parseListenAddress(listen)?.host ?? "");
}

/** Throws Problem read-forbidden for who may not read. */
export function assertMayRead(request: Request, peer: Peer, open: boolean): void {
  if (open) return;
  const { hostname } = new URL(request.url);
  if (peer.loopback && isLoopback(hostname.replace(/^\[|\]$/g, ""))) return;
  throw new Problem("read-forbidden", "the request does not come from this machine");
}
