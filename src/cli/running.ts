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

/** Calls `stop` at each SIGTERM and SIGINT, with the signal's name, until disposed. */
export function onStopSignals(stop: (reason: string) => void): Disposable {
  let last = Number.NEGATIVE_INFINITY;
  const handle = (signal: NodeJS.Signals): void => {
    const now = systemClock.mono();
    const echo = now - last < echoMicros;
    last = now;
    if (!echo) stop(signal.toLowerCase());
  };
  const signals = ["SIGTERM", "SIGINT"] as const;
  for (const signal of signals) process.on(signal, handle);
  return {
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, handle);
    },
  };
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
