// Takes operators' acknowledgements, keeps them in the store, and applies them.
//
// - Judged before it is kept: by a grant of role admin, for this vault, about blocks that are
//   stored, made now. Kept before it is applied: what closes an alert can be shown for ever.
// - At a start all that are kept are applied again; one that fails then is reported and closes
//   nothing.

import {
  type Acknowledgement,
  acknowledgementId,
  judgeAcknowledgement,
  maxAcknowledgementLength,
  parseAcknowledgement,
} from "../core/acknowledgement.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import type { VerifierKey } from "../core/note.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Store } from "../store/store.ts";
import type { Catalog } from "./catalog.ts";
import type { Gate } from "./gate.ts";
import { type OpenFindings, skewMax } from "./open-findings.ts";
import { Problem, storeProblem } from "./problem.ts";

export interface AcknowledgementsOptions {
  readonly suite: Suite;
  readonly clock: Pick<Clock, "now">;
  readonly diag: Diag;
  readonly store: Store;
  readonly catalog: Catalog;
  readonly findings: OpenFindings;
  readonly roots: readonly VerifierKey[];
  readonly audience: string;
  readonly gate: Pick<Gate, "assertOpen" | "fault">;
}

export const acknowledgementBytesMax: number = maxAcknowledgementLength;

export class Acknowledgements {
  readonly #options: AcknowledgementsOptions;
  /** Ids of those that were taken since the start. */
  readonly #kept = new Set<string>();

  constructor(options: AcknowledgementsOptions) {
    this.#options = options;
  }

  /** Applies those that are kept. */
  async load(): Promise<void> {
    const { store, diag } = this.#options;
    for (const note of await store.acknowledgements()) {
      try {
        this.#apply(this.#judge(note));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        diag.warn("a kept acknowledgement is not valid, it closes nothing", {
          code: error.code,
          why: error.message,
        });
      }
    }
  }

  /** Takes a new one; returns its id once it is durable. Throws Problem. */
  async take(note: Uint8Array): Promise<string> {
    const { suite, diag, gate } = this.#options;
    gate.assertOpen();
    const said = this.#admit(note);
    const id = acknowledgementId(suite, note);
    // Who merely repeats one costs no sync.
    if (this.#kept.has(id)) return id;
    await this.#keep(said.time, id, note);
    this.#kept.add(id);
    this.#apply(said);
    const { chain, code, below, grant } = said;
    diag.info("findings acknowledged", { chain, finding: code, below, by: grant.subject });
    return id;
  }

  /** The whole notes, the oldest first. */
  list(): Promise<Uint8Array[]> {
    return this.#options.store.acknowledgements();
  }

  #judge(note: Uint8Array): Acknowledgement {
    const { suite, roots, audience } = this.#options;
    const said = parseAcknowledgement(suite, note);
    judgeAcknowledgement(suite, said, roots, audience);
    return said;
  }

  #admit(note: Uint8Array): Acknowledgement {
    const { clock, catalog } = this.#options;
    let said: Acknowledgement;
    try {
      said = this.#judge(note);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      throw new Problem("acknowledgement-refused", error.message, { finding: error.code });
    }
    const refuse = (why: string): never => {
      throw new Problem("acknowledgement-refused", why);
    };
    const away = Math.abs(said.time - Math.floor(clock.now() / 1e6));
    if (away > skewMax) refuse(`its time is ${away} s from the vault's, want at most ${skewMax}`);
    const entry = catalog.get(said.chain);
    if (entry === undefined) throw new Problem("unknown-chain", "chain is not stored");
    if (said.below > entry.size) {
      refuse(`it is about blocks below ${said.below}, and ${entry.size} are stored`);
    }
    return said;
  }

  async #keep(time: number, id: string, note: Uint8Array): Promise<void> {
    const { store, diag, gate } = this.#options;
    try {
      await store.writeAcknowledgement(time, id, note);
    } catch (error) {
      if (!(error instanceof SealtailError)) throw error;
      diag.error("couldn't keep an acknowledgement", { error });
      gate.fault(error);
      throw storeProblem(error);
    }
  }

  #apply({ chain, code, below, time }: Acknowledgement): void {
    this.#options.findings.acknowledge(chain, code, below, time);
  }
}
