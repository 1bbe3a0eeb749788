// A clock by which a vault's looks at what it stores follow each other in a moment.

import { type Clock, systemClock } from "../../src/host/clock.ts";
import { rescanEveryMs } from "../../src/vault/rescan.ts";

export const hurried: Clock = {
  ...systemClock,
  // Looks are so short that no pause has to follow one.
  mono: () => Math.floor(systemClock.mono() / 100),
  sleep: (ms, signal) => systemClock.sleep(ms === rescanEveryMs ? 20 : ms, signal),
};
