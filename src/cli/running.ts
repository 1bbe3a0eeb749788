// What the long-running commands share: signals, the ways to the machine, and how they end.

import { lstatSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import type { Suite } from "../core/digest.ts";
import { type Clock, systemClock } from "../host/clock.ts";
import type { ConfigWarning } from "../host/config.ts";
import { createDiag, type Diag, type DiagLevel } from "../host/diag.ts";
import { type Files, systemFiles } from "../host/files.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { type Random, systemRandom } from "../host/random.ts";

/** Everything outside that a program needs, the real thing. */
export interface Machine {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly files: Files;
  readonly random: Random;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly host: string;
}

export function ownMachine(): Machine {
  return {
    suite: nativeSuite,
    clock: systemClock,
    files: systemFiles,
    random: systemRandom,
    env: process.env,
    host: hostname(),
  };
}

/** A signal that comes again so soon is the same one: a terminal and npm both deliver it. */
const echoMicros = 250_000;

export interface StopSignals {
  /** Called at each SIGTERM and SIGINT, with the signal's name. */
  readonly stop: (reason: string) => void;
  /**
   * Called at SIGHUP: by habit it asks daemons to read their configuration again. Without it a
   * SIGHUP is a stop as well: the terminal is gone.
   */
  readonly hangUp?: () => void;
  readonly clock?: Pick<Clock, "mono">;
}

/** Listens to signals until disposed. None of them ends the process by itself. */
export function onStopSignals({ stop, hangUp, clock = systemClock }: StopSignals): Disposable {
  let last = Number.NEGATIVE_INFINITY;
  const handle = (signal: NodeJS.Signals): void => {
    const now = clock.mono();
    if (now - last < echoMicros) return;
    last = now;
    stop(signal.toLowerCase());
  };
  const handlers = { SIGTERM: handle, SIGINT: handle, SIGHUP: hangUp ?? handle };
  const each = Object.entries(handlers) as [NodeJS.Signals, typeof handle][];
  for (const [signal, handler] of each) process.on(signal, handler);
  return {
    [Symbol.dispose]() {
      for (const [signal, handler] of each) process.off(signal, handler);
    },
  };
}

/** What a daemon answers to SIGHUP: it must not die of it, and has nothing to read again. */
export function sayHangUp(diag: Diag): void {
  diag.warn("SIGHUP changes nothing: the configuration is read at the start", {
    hint: "restart to take up a change; an agent reads its TLS files and an awaited grant anew",
  });
}

/** Diagnostics on stderr, beginning with what the configuration made us warn about. */
export function ownDiag(level: DiagLevel, warnings: readonly ConfigWarning[]): Diag {
  const diag = createDiag({ level });
  for (const { place, message } of warnings) diag.warn("configuration", { place, message });
  return diag;
}

/** Files that our own output goes to: tailing them would never end. */
export function ownOutputs(): string[] {
  const outputs: string[] = [];
  for (const descriptor of [1, 2]) {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`);
      if (lstatSync(path).isFile()) outputs.push(path);
    } catch {
      // Not a file, or no /proc: nothing that a glob could match.
    }
  }
  return outputs;
}
