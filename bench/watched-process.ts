// A process under measurement: started, watched through /proc, stopped.
//
// - CPU is user and system time of all its threads, good to the kernel's tick of 10 ms.
// - Peak memory is VmHWM, current memory VmRSS. Linux only.

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export interface Usage {
  readonly cpuSeconds: number;
  readonly rssMiB: number;
  readonly peakMiB: number;
}

export interface Outcome {
  readonly code: number | null;
  readonly seconds: number;
  readonly usage: Usage;
  readonly stdout: string;
}

const ticksPerSecond = 100;
const lookMs = 10;

export class WatchedProcess {
  readonly #child: ChildProcess;
  readonly #began = process.hrtime.bigint();
  readonly #done: Promise<number | null>;
  #last: Usage = { cpuSeconds: 0, rssMiB: 0, peakMiB: 0 };
  #stdout = "";
  #stderr = "";

  /** Starts node with `args`. */
  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.#child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#child.stdout?.on("data", (bytes: Buffer) => {
      this.#stdout += bytes;
    });
    this.#child.stderr?.on("data", (bytes: Buffer) => {
      this.#stderr += bytes;
    });
    this.#done = new Promise((resolve) => this.#child.on("close", (code) => resolve(code)));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What it used so far; of a process that is gone, what was seen last. */
  usage(): Usage {
    try {
      const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "latin1");
      // Behind the name, which may hold anything: state is field 3, user and system 14 and 15.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const status = readFileSync(`/proc/${this.#child.pid}/status`, "latin1");
      const mib = (key: string): number =>
        Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN) / 1024;
      const [rssMiB, peakMiB] = [mib("VmRSS"), mib("VmHWM")];
      // A zombie has no memory any more.
      if (Number.isNaN(rssMiB)) return this.#last;
      const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
      this.#last = { cpuSeconds, rssMiB, peakMiB };
    } catch {
      // Gone: what was seen last stands.
    }
    return this.#last;
  }

  /** The first line of its diagnostics that says `phrase`, as JSON. Fails when the process ends. */
  async said(phrase: string): Promise<Record<string, unknown>> {
    for (;;) {
      for (const line of this.#stderr.split("\n").slice(0, -1)) {
        if (line.includes(`"${phrase}"`)) return JSON.parse(line) as Record<string, unknown>;
      }
      if (this.ended) {
        throw new Error(`a measured process ended early: ${this.#stderr || this.#stdout}`);
      }
      await sleep(lookMs);
    }
  }

  /** Lets it run to its end. */
  async finished(): Promise<Outcome> {
    const looks = setInterval(() => this.usage(), lookMs);
    const code = await this.#done;
    clearInterval(looks);
    const seconds = Number(process.hrtime.bigint() - this.#began) / 1e9;
    return { code, seconds, usage: this.#last, stdout: this.#stdout || this.#stderr };
  }

  async stop(): Promise<Outcome> {
    this.#child.kill("SIGTERM");
    return await this.finished();
  }

  /** For a process that may not be needed any more: ends it in whatever state. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#done;
  }
}
