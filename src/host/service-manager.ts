// Tells systemd how this process is: ready, alive, stopping (sd_notify(3), sd_watchdog_enabled(3)).
//
// - Outside a unit of Type=notify (no NOTIFY_SOCKET) nothing is told and nothing is started.
// - Node has no datagram sockets of the UNIX kind, so systemd's own command speaks for us. The unit
//   must allow that with NotifyAccess=all.
// - "Alive" is said from the main loop: one that hangs falls silent, and systemd restarts it.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Clock } from "./clock.ts";
import type { Diag } from "./diag.ts";

export interface ServiceManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly diag: Diag;
  /** Runs a command and waits for its end; the real one unless told. */
  readonly run?: (command: string, args: readonly string[]) => Promise<unknown>;
}

/** The longest that systemd-notify may take; it waits until systemd has read the message. */
const tellMs = 10_000;

export class ServiceManager {
  readonly #options: ServiceManagerOptions;
  readonly #ended = new AbortController();
  #saidFailure = false;

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
  }

  /** Half of the unit's WatchdogSec in ms; undefined where there is no watchdog. */
  get watchdogMs(): number | undefined {
    const micros = Number(this.#options.env.WATCHDOG_USEC ?? Number.NaN);
    return micros > 0 ? Math.max(1, Math.floor(micros / 2000)) : undefined;
  }

  /** Says that start-up is over; from now on the watchdog is fed for as long as `alive` holds. */
  async ready(alive: () => boolean): Promise<void> {
    await this.#tell("--ready");
    const period = this.watchdogMs;
    if (period !== undefined) void this.#feed(period, alive);
  }

  /** Says that a stop was begun. The watchdog is fed until the process ends: a drain may take long. */
  async stopping(): Promise<void> {
    await this.#tell("STOPPING=1");
  }

  /** Lets the process end. */
  close(): void {
    this.#ended.abort();
  }

  async #feed(period: number, alive: () => boolean): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      if (alive()) await this.#tell("WATCHDOG=1");
      await clock.sleep(period, signal);
    }
  }

  async #tell(message: string): Promise<void> {
    const { env, diag, run = runCommand } = this.#options;
    if (env.NOTIFY_SOCKET === undefined) return;
    try {
      await run("systemd-notify", [message]);
      this.#saidFailure = false;
    } catch (error) {
      if (!this.#saidFailure)
        diag.warn("couldn't tell systemd how we are", { error: String(error) });
      this.#saidFailure = true;
    }
  }
}

async function runCommand(command: string, args: readonly string[]): Promise<void> {
  await promisify(execFile)(command, [...args], { timeout: tellMs });
}
