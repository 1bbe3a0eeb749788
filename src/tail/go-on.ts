// Goes on for another chain: brings what is followed into line with what that chain knows.
//
// - The files stay open: a deleted one that nobody read yet can be read by nobody else.
// - A file goes on where the new chain has it, be that before our position: those bytes are read
//   again. One that the chain may not hold is let go; the chain says so, not we.
// - What was to be stated is kept where it still follows from what the chain knows.

import type { SourceRecord } from "../core/record.ts";
import { pathFromShown, shown } from "./byte-path.ts";
import type { Follow } from "./follow.ts";
import { type FollowedFiles, newerOf } from "./followed-files.ts";
import { nodeKey, recordKey } from "./identity.ts";
import type { ResumeOptions, Statement } from "./item.ts";

/** What another chain knows of the files. */
export interface NewChain {
  readonly resume: readonly ResumeOptions[];
  /** Whether nothing was ever sealed for this agent: only then `startAt: "end"` counts. */
  readonly firstStart: boolean;
  /** Whether its grant covers a percent-encoded path. */
  readonly scope: (encodedPath: string) => boolean;
}

export interface Alignment {
  /** Followed on from another position. */
  readonly replaced: readonly { readonly before: Follow; readonly after: Follow }[];
  /** Outside the grant: to be let go. */
  readonly outside: readonly Follow[];
  /** What is still to be stated. */
  readonly outbox: Statement[][];
}

const fileKey = ({ dev, ino, birth }: Pick<SourceRecord, "dev" | "ino" | "birth">): string =>
  `${recordKey({ dev, ino })}:${birth}`;

/** The path by which the chain knows the file, or would. */
function statedPath(follow: Follow): string {
  return follow.ref?.record.path ?? shown(follow.place.named);
}

/** Unread bytes of followed files, by path, of those that `scope` does not cover. */
export function unreadOutside(
  follows: Iterable<Follow>,
  scope: (encodedPath: string) => boolean,
): Map<string, number> {
  const unread = new Map<string, number>();
  for (const follow of follows) {
    const path = statedPath(follow);
    if (follow.lag > 0 && !scope(path)) unread.set(path, (unread.get(path) ?? 0) + follow.lag);
  }
  return unread;
}

/** Aligns the list of followed files; sources that no followed file is are awaited from here on. */
export function align(
  followed: FollowedFiles,
  stated: readonly (readonly Statement[])[],
  chain: NewChain,
): Alignment {
  const { resume, firstStart, scope } = chain;
  const open = new Map(resume.map((item) => [item.id, item]));
  const outbox = stated
    .filter((group) => follows(group, open, scope))
    .map((group) => {
      for (const each of group)
        if (each.type === "end" || isClosing(each)) open.delete(each.source);
      return [...group];
    });
  const byFile = new Map<string, ResumeOptions>();
  for (const item of open.values()) {
    const key = fileKey(item.record);
    byFile.set(key, newerOf(byFile.get(key) ?? item, item));
  }
  const replaced: { before: Follow; after: Follow }[] = [];
  const outside: Follow[] = [];
  for (const follow of [...followed]) {
    // The new chain may have closed the source that we knew, or know the file as a later one.
    const ours = follow.ref && open.get(follow.ref.hex);
    const theirs = byFile.get(keyOf(follow)) ?? ours;
    const item = theirs && newerOf(ours ?? theirs, theirs);
    if (item !== undefined) open.delete(item.id);
    const path = item?.record.path ?? statedPath(follow);
    // Rotated to a name that only the older chain, or none, could give it.
    if (!scope(shown(follow.place.named))) follow.place.nameIt(pathFromShown(path));
    if (item === undefined && !scope(path)) outside.push(follow);
    else if (item !== undefined || follow.ref !== undefined) {
      const known = item !== undefined && item.id === follow.ref?.hex;
      if (known && follow.position === item.offset) continue;
      replaced.push({ before: follow, after: followed.replace(follow, item) });
    } else if (!firstStart) {
      follow.happened({ is: "skipped" });
    }
  }
  followed.await([...open.values()]);
  return { replaced, outside, outbox };
}

function keyOf({ place }: Follow): string {
  const { info } = place;
  return `${nodeKey(info)}:${info.birthNs > 0n ? info.birthNs : 0n}`;
}

function isClosing(statement: Statement): statement is Statement & { source: string } {
  return statement.type === "gap" && statement.to === undefined;
}

// Whether the chain may take the statements as they are, in their order.
function follows(
  group: readonly Statement[],
  open: ReadonlyMap<string, ResumeOptions>,
  scope: (path: string) => boolean,
): boolean {
  // Of a source that is declared in the group nothing is sealed, and the group says all of it.
  let declared = false;
  return group.every((each) => {
    if (each.type === "source") {
      declared = true;
      return scope(each.path);
    }
    const known = open.get(each.source);
    if (known === undefined) return declared;
    if (each.type === "rewritten") return each.to <= known.offset;
    return known.offset === (each.type === "end" ? each.size : each.from);
  });
}
