// The demo log of `sealtail up` without files: a small shop's audit trail, written as it goes on.

import { open } from "node:fs/promises";
import type { Clock } from "../host/clock.ts";

const people = ["ada", "grace", "linus", "margaret", "ken", "barbara"];
const doings = [
  "login ok",
  "login failed reason=bad-password",
  "role granted role=auditor",
  "refund issued amount=129.00 order=48213",
  "export started table=customers",
  "password changed",
  "api key created scope=read",
  "logout",
];
const pauseMs = 400;

/** Appends a line now and then until `signal` aborts. `path`'s directory must exist. */
export async function writeDemoLog(path: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const file = await open(path, "a");
  try {
    for (let i = 0; !signal.aborted; i++) {
      const time = new Date(clock.now() / 1000).toISOString();
      const who = people[i % people.length];
      const what = doings[(i * 5) % doings.length];
      await file.write(`${time} user=${who} from=192.0.2.${(i * 7) % 250} ${what}\n`);
      await clock.sleep(pauseMs, signal);
    }
  } finally {
    await file.close();
  }
}
