// Pure. Shrunk: what was seen of a file since it was seen to shrink. It is not known to be of the
// content before, so it counts apart until a verdict is given.

import type { Fingerprint } from "./identity.ts";

export interface Shrunk {
  /** Least size seen since; infinite while it was not seen to shrink. */
  readonly least: number;
  /** Greatest size seen since the last cut: of the next generation. */
  readonly regrown: number;
  /** Of a file that was cut below the position: so many bytes are certainly old ones. */
  readonly left: number;
  /** Bytes seen that may have been of generations which were cut again before they were read. */
  readonly between: number;
  /** First bytes that it had then, and how long it was; `between` tells of a cut seen since. */
  readonly next:
    | { readonly print: Fingerprint; readonly size: number; readonly between: number }
    | undefined;
}

export const notShrunk: Shrunk = {
  least: Number.POSITIVE_INFINITY,
  regrown: 0,
  left: 0,
  between: 0,
  next: undefined,
};

/** The file is `size` bytes long. Everything before `position` was read. */
export function sawSize(shrunk: Shrunk, size: number, position: number): Shrunk {
  const { least, regrown, left } = shrunk;
  // Of a second cut, what is not known to be old may have been added since the first.
  const old = least < position ? Math.min(left, least) : least;
  const cut = size < regrown ? regrown - Math.max(size, old) : 0;
  const between = shrunk.between + cut;
  return { ...shrunk, least: Math.min(least, size), regrown: size, between };
}

/**
 * The file begins with these bytes. Where `isOther`, others stood there at the look before: what
 * the file held then was cut as well, also if it was as long, and no look showed less.
 */
export function sawNext(shrunk: Shrunk, print: Fingerprint, isOther: boolean): Shrunk {
  const cut = cutUnseen(shrunk, isOther);
  const between = shrunk.between + (cut ?? 0);
  return { ...shrunk, between, next: { print, size: shrunk.regrown, between } };
}

/** How much of the next generation was cut though no look showed less; undefined: nothing. */
export function cutUnseen({ next, between }: Shrunk, isOther: boolean): number | undefined {
  return isOther && next?.between === between ? next.size : undefined;
}
