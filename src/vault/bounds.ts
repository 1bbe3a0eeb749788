// What the vault gives to whoever reaches it: room for bodies, places for readers, connections.
//
// - One share says how much of each a single address may have.

import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import {
  type FetchHandler,
  type HttpLimits,
  type HttpListener,
  openHttpListener,
} from "../host/http-listener.ts";
import type { VaultConfig } from "./config.ts";
import type { VaultObserver } from "./observer.ts";
import { unreadProblem } from "./problem.ts";
import { ReaderCut, type ReaderLimits, Readers, readerLimits } from "./readers.ts";
import { Room, type RoomLimits } from "./room.ts";

/** The configured limits, where nothing is said. Here, for a demo reads no configuration. */
export const limitsByDefault = { connections: 2048, readers: 32, address_share: 75 } as const;

type ConfiguredLimits = Readonly<Record<keyof typeof limitsByDefault, number>>;

/** Other limits than the configured and usual ones. */
export interface BoundsLimits {
  readonly room: Partial<RoomLimits>;
  readonly readers: Partial<ReaderLimits>;
  readonly http: Partial<HttpLimits>;
}

export interface Bounds {
  readonly room: Room;
  readonly readers: Readers;
  /** For answers that open stored payloads, in addition. */
  readonly heavyReaders: Readers;
}

export function openBounds(
  { readers, address_share: addressShare }: ConfiguredLimits,
  more: Partial<BoundsLimits>,
  clock: Pick<Clock, "mono">,
  observer: Pick<VaultObserver, "closed">,
): Bounds {
  const limits = { ...readerLimits, readers, addressShare, ...more.readers };
  const onCut = (): void => observer.closed("reader");
  const heavy = { ...limits, readers: Math.max(1, Math.ceil(limits.readers / 8)) };
  return {
    room: new Room({ addressShare, ...more.room }),
    readers: new Readers(limits, clock, onCut),
    heavyReaders: new Readers(heavy, clock, onCut),
  };
}

/** Serves the API. Throws what openHttpListener throws. */
export async function openApiListener(
  api: FetchHandler,
  { listen, tls, limits }: VaultConfig,
  more: Partial<HttpLimits>,
  clock: Pick<Clock, "now">,
  diag: Diag,
  observer: Pick<VaultObserver, "closed">,
): Promise<HttpListener> {
  const { connections: connectionsMax, address_share: addressShare } = limits;
  return await openHttpListener({
    ...{ listen, tls, clock, handler: { fetch: api }, problemOf: unreadProblem },
    limits: { connectionsMax, addressShare, ...more },
    onClosed: (why) => observer.closed(why),
    onFault: (fault) => {
      // A reader that lost its place is no fault.
      if (fault instanceof ReaderCut) return;
      diag.warn("listener fault", { fault: String(fault) });
    },
  });
}
