// Opens the tail as the configuration says, for a session or while a grant is waited for.

import type { SourceRecord } from "../core/record.ts";
import { descriptorLimit } from "../host/descriptors.ts";
import type { ResumeOptions } from "../tail/item.ts";
import { Tail } from "../tail/tail.ts";
import type { ChainContext } from "./chain.ts";
import { type OldChain, positionsAt } from "./succession.ts";

export interface TailingOptions {
  readonly resume: readonly ResumeOptions[];
  readonly firstStart: boolean;
  readonly refuse: readonly string[];
  readonly scope: (encodedPath: string) => boolean;
}

/** Buffer, keys, connections, health, and node itself: 30 to 60 in an agent at work. */
const otherDescriptors = 100;
const openFilesMin = 8;
/** A held file takes some memory; with more files than this, the quiet ones are let go. */
const openFilesMax = 2048;

/** Finds the files; nothing is read before somebody asks for it. */
export function openTail(context: ChainContext, options: TailingOptions): Promise<Tail> {
  const { config, clock, files, diag, suite, hints } = context;
  return Tail.start({
    clock,
    files,
    diag,
    suite,
    sources: config.sources.map(({ name, include, exclude, start_at }) => ({
      name,
      include,
      exclude,
      startAt: start_at,
    })),
    mayDeclare: context.mayDeclare,
    partialAgeMs: config.seal.partial_age,
    maxOpenFiles: openFilesOf(descriptorLimit()),
    hints,
    ...options,
  });
}

/** How many of a process' descriptors may be files that we follow. */
export function openFilesOf(limit: number): number {
  return Math.max(openFilesMin, Math.min(openFilesMax, limit - otherDescriptors));
}

/** Opens the files where the old chain left them, so that none gets away while nothing is sealed. */
export async function holdFiles(
  context: ChainContext,
  old: OldChain | undefined,
  refuse: readonly string[],
): Promise<Tail> {
  const { suite } = context;
  const { sources } = await positionsAt(suite, old?.wal, Number.POSITIVE_INFINITY);
  const resume = [...sources].map(({ id, record, expected }) => ({
    id,
    record: record as unknown as SourceRecord,
    offset: expected ?? 0,
  }));
  return openTail(context, { resume, refuse, firstStart: old === undefined, scope: () => true });
}
