// What the agent's operations listener says of it: is it alive, started, ready, and how it stands.
//
// - /livez is about this process only: a dead network must not restart it.
// - /startupz turns green once the configuration was read and the WAL opened. Neither a missing
//   grant nor a full disk keeps it red: a restart would help neither, and let go of open files.
// - /readyz goes red when somebody has to act (a grant, a refusal, certificates), not when the
//   vault is away. Its checks say what is so even where that does not make it red.

import type { Probe } from "../host/operations-listener.ts";
import type { ShipStatus } from "../ship/status.ts";
import type { Search } from "../tail/report.ts";
import type { Gauge } from "./gauge.ts";
import type { Session } from "./session.ts";

/** The main loop turns twice a second; longer than this and it hangs. */
const stuckMicros = 60_000_000;

export function liveness(gauge: Gauge, mono: number): Probe {
  const turning = gauge.lastTurn === 0 || mono - gauge.lastTurn < stuckMicros;
  return { ok: turning, checks: { loop: turning } };
}

export function startup(gauge: Gauge): Probe {
  const begun = gauge.chain !== undefined;
  return { ok: begun || gauge.state !== "starting", checks: { chain: begun, state: gauge.state } };
}

export function readiness(gauge: Gauge, ship: ShipStatus | undefined): Probe {
  const begun = gauge.chain !== undefined && !gauge.state.startsWith("needs-");
  const chain = waitsFor(gauge) ?? begun;
  const undamaged = gauge.damagedSegments === 0;
  const taken = ship === undefined || !needsSomebody(ship);
  const sink = sinkText(ship);
  // A buffer that is full for a vault that is away comes back by itself, these do not.
  const room = gauge.state !== "disk-full" && gauge.state !== "no-descriptors";
  // What was not seen may hold logs that nobody seals.
  const search = gauge.tail()?.search();
  const missing = search?.missing;
  const files = missing ?? uncovered(search) ?? true;
  const checks = { chain, buffer: undamaged, room, files, sink, state: gauge.state };
  return { ok: begun && undamaged && room && taken && missing === undefined, checks };
}

/** Grants and patterns may be meant so, and a file may come: an alert says it, not readiness. */
function uncovered(search: Search | undefined): string | undefined {
  if (search === undefined) return undefined;
  if (search.outside.length > 0) return "some files are outside the grant";
  return search.empty.length > 0 ? "a source has no file" : undefined;
}

function waitsFor({ state, waits }: Gauge): string | undefined {
  return state === "needs-vault" ? waits : undefined;
}

function sinkText(ship: ShipStatus | undefined): string {
  if (ship === undefined) return "no chain is sent yet";
  return ship.code === "" ? ship.state : `${ship.state}: ${ship.code}`;
}

// A vault that is away comes back by itself; one that refuses does not, nor do certificates mend.
function needsSomebody({ state, code }: ShipStatus): boolean {
  return state === "refused" || (state === "unreachable" && /^(?:tls|certificate)/.test(code));
}

/** Per-file detail and the state of shipping, as JSON for `sealtail status`. */
export function statusOf(gauge: Gauge, session: Session | undefined): object {
  return {
    program: "agent",
    state: gauge.state,
    waits: waitsFor(gauge) ?? null,
    chain: gauge.chain ?? null,
    head: { block: gauge.headBlock, seq: gauge.headSeq, time: gauge.lastSealedTime ?? null },
    buffer: { bytes: gauge.walBytes, limit: gauge.walLimit },
    gaps: gauge.gaps,
    ship: session?.shipper.status() ?? null,
    search: gauge.tail()?.search() ?? null,
    files: gauge.tail()?.status() ?? [],
  };
}
