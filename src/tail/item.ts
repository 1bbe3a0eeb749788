// What the tail stage takes and gives: its options, and the items of its pull interface.
//
// - A span is bytes already put into the caller's room; nothing is copied or kept.
// - The statements of one item must all land in one block, in their order, before anything that
//   is pulled later.

import type { Suite } from "../core/digest.ts";
import type { EndRecord, GapRecord, RewrittenRecord, SourceRecord } from "../core/record.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Files } from "../host/files.ts";
import type { HintSource } from "./hints.ts";
import type { LastBytesMark } from "./last-bytes.ts";

/** A declared source. The same object for all items of one generation of a file. */
export interface SourceRef {
  /** The source id, 16 bytes. */
  readonly id: Uint8Array;
  readonly hex: string;
  readonly record: SourceRecord;
}

export type Statement = SourceRecord | EndRecord | GapRecord | RewrittenRecord;

export type TailItem =
  | {
      readonly kind: "span";
      readonly source: SourceRef;
      /** Name of the configured source. */
      readonly name: string;
      /** Of the first byte, in the source. */
      readonly offset: number;
      /** When the bytes were read, Unix µs. */
      readonly time: number;
      /** Bytes put at room[0 … length). */
      readonly length: number;
    }
  | { readonly kind: "statements"; readonly statements: readonly Statement[] }
  /** Nothing yet: files are looked at that take long. Whoever reads has other duties. */
  | { readonly kind: "pause" };

export interface SourceOptions {
  readonly name: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** `end` counts for files that are there at the agent's first start only. */
  readonly startAt: "beginning" | "end";
}

export interface ResumeOptions {
  /** Source id in hex. */
  readonly id: string;
  readonly record: SourceRecord;
  /** The next byte to be sealed. */
  readonly offset: number;
  /** From an advisory cache; used only if its offset is `offset`. */
  readonly lastBytes?: LastBytesMark | undefined;
}

export interface TailOptions {
  readonly clock: Clock;
  readonly files: Files;
  readonly diag: Diag;
  readonly suite: Suite;
  readonly sources: readonly SourceOptions[];
  /** Every open source of the chain, with its sealed position. */
  readonly resume: readonly ResumeOptions[];
  /** Whether this chain has never sealed anything: only then `startAt: "end"` counts. */
  readonly firstStart: boolean;
  /** Directories and files never to be tailed: own state, store, diagnostics. */
  readonly refuse: readonly string[];
  /** Whether the grant covers a percent-encoded path. All, unless told. */
  readonly scope?: ((encodedPath: string) => boolean) | undefined;
  /** Whether another source may be declared now; if not, its file waits, held open. */
  readonly mayDeclare?: (() => boolean) | undefined;
  /** How long a last line without LF waits. */
  readonly partialAgeMs?: number | undefined;
  /** Shortest time between two rescans; many files make it longer. */
  readonly rescanMs?: number | undefined;
  /** A deleted file that was read to its end is closed when nobody wrote to it for so long. */
  readonly deletedQuietMs?: number | undefined;
  /** A file that was read to its end gives its descriptor back after so long. */
  readonly idleCloseMs?: number | undefined;
  /** Descriptors held at most; renamed files out of reach and deleted ones are never let go. */
  readonly maxOpenFiles?: number | undefined;
  /** Early hints of change: chokidar unless told; "none" leaves the rescan alone. */
  readonly hints?: HintSource | "none" | undefined;
}

export interface FileStatus {
  readonly sourceName: string;
  /** Percent form; where the file was last seen. */
  readonly path: string;
  /** Hex id, undefined while nothing of the file has been stated. */
  readonly id: string | undefined;
  readonly generation: number;
  readonly size: number;
  readonly offset: number;
  /** Unix µs when the oldest unread byte was first seen. */
  readonly unreadSince: number | undefined;
  readonly open: boolean;
  readonly state: "reading" | "read" | "rotated" | "deleted" | "unreadable";
}
