// Pure. Phase: what a followed file is in, so what is to be done with it next.
//
//   | phase    | what is done next                | it is left by                                |
//   |----------|----------------------------------|----------------------------------------------|
//   | reading  | read on from the position        | misfit: doubtful; skip: skipping             |
//   | doubtful | look, until a verdict is given   | verdict; copy found: copying                 |
//   | copying  | read the old content from a copy | copy read, copy closed: doubtful; verdict    |
//   | emptied  | nothing: it has no bytes         | misfit: doubtful; verdict                    |
//   | skipping | state as skipped what is there   | skipped: reading, or doubtful if a misfit    |
//   |          |                                  | was seen meanwhile; verdict                  |
//   | over     | nothing: its source is closed    | never                                        |
//
// - A doubt knows where it came from until a verdict is given: whether we were down when the file
//   last changed, whether it was found empty before, whether its old content was read from a copy.
// - A look that does not fit never leads to reading: only a verdict does.

import type { ReleasedSource } from "./last-bytes.ts";

/** What is still to be stated when a verdict is given. */
interface Origin {
  /** We were not running when the file last changed. */
  readonly down: boolean;
  /** It was found empty, after all of it had been read. */
  readonly emptied: boolean;
}

export type Phase =
  | { readonly is: "reading" }
  | ({
      readonly is: "doubtful";
      /** All that copies hold of its old content was read, or is known to be missing. */
      readonly copied: boolean;
    } & Origin)
  | ({
      readonly is: "copying";
      /** How far the old content reaches in the copy. */
      readonly to: number;
    } & Origin)
  | { readonly is: "emptied"; readonly down: boolean }
  | {
      readonly is: "skipping";
      readonly to: number;
      /** What is skipped is sealed already, if the file still is this one. */
      readonly released: ReleasedSource | undefined;
      readonly doubtful: boolean;
    }
  | { readonly is: "over" };

/** What was seen, found or decided. */
export type PhaseEvent =
  | { readonly is: "misfit" }
  | { readonly is: "skip"; readonly to: number; readonly released?: ReleasedSource | undefined }
  | { readonly is: "skipped" }
  /** A copy has its old content up to `to`; it can be read, or only its size is known. */
  | { readonly is: "copy-found"; readonly to: number; readonly readable: boolean }
  | { readonly is: "copy-read" }
  | { readonly is: "copy-closed" }
  | { readonly is: "verdict"; readonly next: "reading" | "emptied" | "over" };

export const reading: Phase = { is: "reading" };
const doubtful = {
  is: "doubtful",
  copied: false,
  down: false,
  emptied: false,
} as const satisfies Phase;
/** A file that is met again after a restart of ours. */
export const resumed: Phase = { ...doubtful, down: true };

/** Whether something was seen that only a verdict resolves. */
export function isDoubtful(phase: Phase): boolean {
  if (phase.is === "skipping") return phase.doubtful;
  return phase.is === "doubtful" || phase.is === "copying";
}

/** Whether we were not running when the file last changed, and no verdict was given on its bytes. */
export function wasDown(phase: Phase): boolean {
  return "down" in phase && phase.down;
}

/** Whether it was empty when last judged, and nothing was stated about that. */
export function isEmptied(phase: Phase): boolean {
  return phase.is === "emptied" || ("emptied" in phase && phase.emptied);
}

function misfit(phase: Phase): Phase {
  if (phase.is === "reading") return doubtful;
  if (phase.is === "skipping") return { ...phase, doubtful: true };
  if (phase.is === "emptied") return { ...doubtful, down: phase.down, emptied: true };
  return phase;
}

/** The one place where a phase is left. What cannot happen in a phase leaves it as it is. */
export function after(phase: Phase, event: PhaseEvent): Phase {
  if (phase.is === "over") return phase;
  switch (event.is) {
    case "misfit":
      return misfit(phase);
    case "skip": {
      const { to, released } = event;
      return { is: "skipping", to, released, doubtful: isDoubtful(phase) };
    }
    case "skipped":
      if (phase.is !== "skipping") return phase;
      return phase.doubtful ? doubtful : reading;
    case "copy-found": {
      if (phase.is !== "doubtful") return phase;
      const { down, emptied } = phase;
      if (!event.readable) return { ...phase, copied: true };
      return { is: "copying", to: event.to, down, emptied };
    }
    case "copy-read":
    case "copy-closed": {
      if (phase.is !== "copying") return phase;
      const { down, emptied } = phase;
      return { is: "doubtful", copied: event.is === "copy-read", down, emptied };
    }
    case "verdict":
      if (event.next === "emptied") return { is: "emptied", down: wasDown(phase) };
      return event.next === "over" ? { is: "over" } : reading;
  }
}
