// What a follow begins with: what all files of a source share, and what is known of this one.

import type { Suite } from "../core/digest.ts";
import type { Clock } from "../host/clock.ts";
import type { BytePath } from "./byte-path.ts";
import type { Copy } from "./copies.ts";
import type { Follow } from "./follow.ts";
import type { Handle } from "./handle.ts";
import type { SourceRef } from "./item.ts";
import type { LastBytesMark, ReleasedSource } from "./last-bytes.ts";
import type { Place } from "./place.ts";
import type { TailCounts } from "./stats.ts";

export interface FollowBase {
  /** Name of the configured source. */
  readonly name: string;
  readonly clock: Clock;
  readonly suite: Suite;
  readonly counts: TailCounts;
  readonly partialAgeUs: number;
  /** Whether a pattern means the path; all are meant, unless told. */
  readonly wants?: ((path: BytePath) => boolean) | undefined;
  /** Finds a copy that was made before a file was cut, which now begins with `head`. */
  readonly findCopy?: ((follow: Follow, head: Uint8Array) => Promise<Copy | undefined>) | undefined;
  /** Whether a source may be declared now. */
  readonly mayDeclare?: (() => boolean) | undefined;
}

export interface FollowStart {
  /** Name in source records: the chain may have known the source by another than is configured. */
  readonly name: string;
  readonly place: Place;
  /** Of a follow of the same file that this one takes the place of. */
  readonly handle?: Handle;
  /** Continues a source that the chain knows. */
  readonly resume?: { ref: SourceRef; offset: number; mark: LastBytesMark | undefined } | undefined;
  /** Skips what is there now (start at end). */
  readonly skip?: boolean;
  /** A file that was let go is back. */
  readonly released?: ReleasedSource | undefined;
}
