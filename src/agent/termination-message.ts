// What a pod's status says once its container is gone: what was left unsent.
//
// - Kept while we run, so that it is there too when nobody lets us say anything: SIGKILL, OOM.
// - Written in place: in a pod the file is a mount, which no rename can replace.
// - Not evidence and not synced: a message that cannot be written is told once and stops nothing.

import { utf8 } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Files, OpenFile } from "../host/files.ts";
import type { Gauge } from "./gauge.ts";
import type { Session } from "./session.ts";

/** How often it is looked at, in ms. */
const lookMs = 1000;

export interface MessageDoors {
  readonly files: Files;
  readonly clock: Clock;
  readonly diag: Diag;
}

export class TerminationMessage {
  readonly #doors: MessageDoors;
  readonly #path: string;
  #written = "";
  #said = false;

  constructor(doors: MessageDoors, path: string) {
    this.#doors = doors;
    this.#path = path;
  }

  /** Keeps the file equal to what `text` gives, until told to end. */
  async keep(text: () => string, end: AbortSignal): Promise<void> {
    while (!end.aborted) {
      await this.write(text());
      await this.#doors.clock.sleep(lookMs, end);
    }
  }

  async write(text: string): Promise<void> {
    if (text === this.#written) return;
    try {
      const file = await this.#open();
      try {
        const bytes = utf8(`${text}\n`);
        await file.write(bytes, 0);
        await file.truncate(bytes.length);
      } finally {
        await file.close();
      }
      this.#written = text;
    } catch (error) {
      if (!(error instanceof SealtailError)) throw error;
      if (!this.#said)
        this.#doors.diag.warn("the termination message cannot be written", { error });
      this.#said = true;
    }
  }

  async #open(): Promise<OpenFile> {
    const { files } = this.#doors;
    const there = await files.stat(this.#path);
    return files.open(this.#path, there === undefined ? "create" : "write", 0o644);
  }
}

/** One line: the state, what is left, and where the chain stands. `failure` is an error's code. */
export function messageOf(gauge: Gauge, session: Session | undefined, failure?: string): string {
  const state = failure === undefined ? gauge.state : `failed: ${failure}`;
  if (gauge.chain === undefined) return `${state}; no chain yet, nothing is sealed`;
  const chain = `chain ${gauge.chain}, next block ${gauge.headBlock}, seq ${gauge.headSeq}`;
  return `${state}; ${leftOf(session)}; ${chain}`;
}

function leftOf(session: Session | undefined): string {
  if (session === undefined) return "unsent unknown";
  const behind = session.tail.status().filter(({ size, offset }) => size > offset);
  const bytes = behind.reduce((sum, { size, offset }) => sum + size - offset, 0);
  const { unsent } = session;
  if (unsent === 0 && bytes === 0) return "nothing left unsent";
  return `unsent blocks ${unsent}, unread bytes ${bytes} in ${behind.length} files`;
}
