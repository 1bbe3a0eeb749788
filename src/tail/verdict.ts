// Pure. The one decision about an open file whose size or content may have changed behind us.
//
// p position; s greatest size seen of this generation, which is before it was seen to shrink; n
// least size seen since the last verdict (now included; nothing, if it was found empty then);
// last bytes: the bytes just before p; head: the bytes under the fingerprint; sure: the greatest
// size after which they were still found the same; between: bytes seen that may have been
// of generations which came and went since.
//
//   | what is seen                                  | verdict   | stated                     |
//   |-----------------------------------------------|-----------|----------------------------|
//   | empty now, 0 < p = s, nothing between         | wait      | nothing, until it has      |
//   |                                               |           | bytes again or is gone     |
//   | n < p                                         | restart   | see below                  |
//   | p = 0, and n < s or the head changed          | restart   | see below                  |
//   | last bytes changed, head the same, n >= s, a  | rewritten | rewritten {first, end} of  |
//   |   a whole line between head and change stands |           | the bytes that differ      |
//   | last bytes changed, anything else             | restart   | see below                  |
//   | p <= n < s, last bytes the same, or, unknown, | cut-back  | gap {from p}, the next     |
//   |   unknown the head                            |           | generation, gap {0 to p}   |
//   | p <= n < s, neither known to be the same      | restart   | see below                  |
//   | last bytes the same, head changed             | rewritten | rewritten {0, head}        |
//   | last bytes the same                           | go-on     | nothing                    |
//
// A restart is stated as `gap {from p, cause truncated}` when unread bytes may have been lost
// (n < s: if s > p; n >= s: if sure > p; if there were bytes between; always if we were down
// meanwhile), else as
// `end {cause restarted, size p}`; then the next generation is read from 0. When in doubt it is a
// restart: lines sealed twice under two generations are visible, lines taken for old ones would
// be lost.
//
// What takes the place of a file that left the pattern, and was seen unchanged since, began where
// no pattern means it, so it is no lines of ours: the source ends without a next generation. A file
// that is just as long as before stays open: its old writer may add to it.
//
// Not seen: bytes written and truncated between two looks, also where the second one shows a file
// that is as long again; edits of sealed bytes outside of last bytes and head; a restart that
// repeats the bytes before p exactly.

export interface Evidence {
  readonly position: number;
  /** Greatest size seen; where we were down meanwhile, at least the position. */
  readonly seen: number;
  /** We were not running when it last changed: more may have been there than we saw. */
  readonly down: boolean;
  /** Greatest size known to be of this generation: sizes seen later may be the next one's. */
  readonly sure: number;
  readonly size: number;
  /** The size at this moment. */
  readonly now: number;
  readonly lastBytes: "same" | "changed" | "unknown";
  readonly head: "same" | "changed" | "unknown";
  /** Bytes seen of generations that were cut again before any of them was read. */
  readonly between: number;
  /** A whole line outside of the fingerprint, before the change, is still in its place. */
  readonly witness: boolean;
  /** From a copy its old content was read to the end. */
  readonly copied: boolean;
  /** Whether it left the pattern, and whether it was seen unchanged since. */
  readonly outside: "no" | "unseen" | "seen";
}

export type Verdict = "go-on" | "wait" | "rewritten" | "cut-back" | "restart";

export function judge(evidence: Evidence): Verdict {
  const { position, seen, size, now, lastBytes, head, between, witness } = evidence;
  if (now === 0 && position > 0 && seen === position && between === 0) return "wait";
  if (size < position) return "restart";
  if (position === 0) return size < seen || head === "changed" ? "restart" : "go-on";
  if (lastBytes === "changed") {
    return head === "same" && size >= seen && witness ? "rewritten" : "restart";
  }
  const isSame = lastBytes === "same" || head === "same";
  if (size < seen) return isSame ? "cut-back" : "restart";
  if (head === "changed") return lastBytes === "same" ? "rewritten" : "restart";
  return "go-on";
}

/** How many unread bytes a restart lost as far as known; undefined: none that we know of. */
export function lostBytes(evidence: Evidence): number | undefined {
  const { position, seen, down, copied, outside, sure, size, between } = evidence;
  const most = size < seen ? seen : sure;
  const lost = Math.max(0, most - position) + between;
  // What it held to its end while we were down is known from a copy, or from before it left.
  const missed = down && !copied && outside !== "seen";
  return lost > 0 || missed ? lost : undefined;
}

/** Nothing but what was read of it was ever seen, and the file is just as long. */
const isAsLong = ({ position, seen, size, now, between }: Evidence): boolean =>
  seen === position && size === position && now === position && between === 0;

/** What a verdict leads to: the next phase, and what is stated of the generation. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly next: "reading" | "emptied" | "over";
  /** Sealed bytes are others now. */
  readonly rewrites: boolean;
  /** The generation ends; so many unread bytes are lost with it, undefined: none that we know of. */
  readonly ends?: { readonly lost: number | undefined };
  /** The next generation begins, and is read from here on. */
  readonly begins?: number;
}

export function resolve(evidence: Evidence): Outcome {
  const { position, seen, size, between, outside } = evidence;
  const verdict = judge(evidence);
  const goesOn = { verdict, next: "reading", rewrites: false } as const;
  switch (verdict) {
    case "go-on":
      return goesOn;
    case "wait":
      return { ...goesOn, next: "emptied" };
    case "rewritten":
      return { ...goesOn, rewrites: true };
    case "cut-back":
      return { ...goesOn, ends: { lost: seen - size + between }, begins: position };
    case "restart": {
      const asLong = isAsLong(evidence);
      const ends = { lost: lostBytes(evidence) };
      const ours = outside === "no" || (outside === "unseen" && !asLong) || position === 0;
      if (ours) return { ...goesOn, ends, begins: 0 };
      const overwritten = { ...goesOn, rewrites: size >= position };
      return asLong ? overwritten : { ...overwritten, next: "over", ends };
    }
  }
}
