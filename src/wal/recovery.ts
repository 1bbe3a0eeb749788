// What happens when a log is opened: find what is whole, cut the rest, make it durable.
//
// - The same on every start, after a crash or not.
// - What is readable now may still be in memory only (the process died, not the machine): the
//   newest segment and the directory are synced before anybody builds on them.

import type { ErrorCode } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { makeDirDurably } from "../host/durable.ts";
import type { Files, OpenFile } from "../host/files.ts";
import { cutBack, type Damage, type Inspection, inspect } from "./repair.ts";
import { listSegments, type Segment, segmentPath } from "./segment.ts";

export interface WalOptions {
  readonly files: Files;
  /** The log's own directory; broken bytes go to `aside` beside it. Made if missing. */
  readonly dir: string;
  readonly diag: Diag;
  readonly clock: Clock;
  /** From this size on wantsSegment is true. 16 MiB unless told. */
  readonly segmentBytes?: number;
  /** Wipes in place, from bytes kept aside, what must not live on. They may begin anywhere. */
  readonly scrub?: (bytes: Uint8Array) => void;
  /** Told how many microseconds each sync took. */
  readonly onSync?: (micros: number) => void;
  /** Told of each write or sync that failed, with its error code. */
  readonly onFailure?: (code: ErrorCode | undefined) => void;
}

/** A log that is whole and durable. */
export interface Found {
  readonly segments: Segment[];
  /** The newest segment, open for writing. */
  readonly file: OpenFile | undefined;
  readonly next: number;
  readonly damage: readonly Damage[];
  readonly torn: Damage | undefined;
}

function tell(diag: Diag, strangers: readonly string[], found: Inspection): void {
  if (strangers.length > 0) diag.warn("files in the log's directory are not ours", { strangers });
  if (found.torn !== undefined) diag.warn("torn end of the log cut", { ...found.torn });
  for (const damage of found.damage) diag.error("log damaged", { ...damage });
}

export async function recover(options: WalOptions): Promise<Found> {
  const { files, dir, diag } = options;
  await makeDirDurably(files, dir);
  const { segments, strangers } = await listSegments(files, dir);
  const found = await inspect(files, dir, segments);
  tell(diag, strangers, found);
  const aside = {
    files,
    dir,
    scrub: options.scrub ?? ((): void => {}),
    onSkipped: (cut: { readonly offset: number }, error: Error): void =>
      diag.warn("torn end not kept aside", { offset: cut.offset, error }),
  };
  await cutBack(aside, found.cuts);
  const { kept, next, damage, torn } = found;
  const newest = kept.at(-1);
  const file = newest && (await files.open(segmentPath(dir, newest.name), "write"));
  try {
    await file?.sync();
    await files.syncDir(dir);
  } catch (error) {
    await file?.close();
    throw error;
  }
  return { segments: kept, file, next, damage, torn };
}
