// What the vault's operations listener says of it: is it alive, started, ready.
//
// - /livez is about this process only. /startupz turns green once the chains are listed; /readyz
//   goes red while it takes no blocks: while it stops, must stop because a sync failed, or finds no
//   room in its store. That is asked anew each time: nobody may have to write to turn it green.

import type { Probe } from "../host/operations-listener.ts";
import type { Unable } from "./metrics.ts";

export interface Health {
  readonly started: boolean;
  /** A sync failed. */
  readonly unsafe: boolean;
  readonly closing: boolean;
  /** Whether the store takes another request. */
  readonly room: boolean;
  /** Chains whose stored objects fail: the vault serves all others, so this turns nothing red. */
  readonly damaged: Unable;
  /** Chains whose receipts can't be kept: this turns nothing red either. */
  readonly unkept: Unable;
}

export function liveness({ unsafe }: Pick<Health, "unsafe">): Probe {
  return { ok: !unsafe, checks: { store: !unsafe } };
}

export function startup({ started }: Pick<Health, "started">): Probe {
  return { ok: started, checks: { started } };
}

export function readiness({ started, unsafe, closing, room, damaged, unkept }: Health): Probe {
  const checks = { started, store: !unsafe, open: !closing, room };
  const ok = Object.values(checks).every((check) => check);
  const detail = {
    ...(damaged.count === 0 ? {} : { damaged }),
    ...(unkept.count === 0 ? {} : { unkept }),
  };
  return { ok, checks, detail };
}
