// Grant globs: which source paths a grant covers.
//
// - `?` is one byte but "/", `*` any bytes but "/", `**` any bytes; everything else is literal.
//   Three stars and more are `**`: what they match is the same.
// - The whole percent-encoded path is matched, as UTF-8 bytes.
// - Time is at worst the product of both lengths, whatever the pattern: paths are hostile input.
//
// Spec: docs/spec/grant.md, "Globs".

import { hex, utf8 } from "./bytes.ts";

const slash = 0x2f;
const star = 0x2a;
const question = 0x3f;

/** A literal byte, or one of these. */
const anyOne = 256;
const anyInName = 257;
const anyBytes = 258;

/** A glob as a person types it, as paths are written: blanks and letters beyond ASCII as `%xx`. */
export function encodedGlob(typed: string): string {
  return [...utf8(typed)]
    .map((byte) =>
      byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `%${hex(Uint8Array.of(byte))}`,
    )
    .join("");
}

/** Whether `pattern` covers the whole of `path`, a percent-encoded path. */
export function globMatches(pattern: string, path: string): boolean {
  const tokens = tokensOf(utf8(pattern));
  const accept = tokens.length;
  // A set of places in the pattern, moved over the path byte by byte. `seen` holds, for each
  // place, the last step that reached it, so that a place is kept once per step.
  const seen = new Float64Array(accept + 1);
  let live: number[] = [];
  let step = 1;
  const reach = (into: number[], place: number): void => {
    for (let at = place; seen[at] !== step; at += 1) {
      seen[at] = step;
      into.push(at);
      // A star may also match nothing.
      if ((tokens[at] ?? 0) < anyInName) return;
    }
  };
  reach(live, 0);
  for (const byte of utf8(path)) {
    step += 1;
    const next: number[] = [];
    for (const place of live) {
      const token = tokens[place];
      if (token === byte || (token === anyOne && byte !== slash)) reach(next, place + 1);
      else if (token === anyBytes || (token === anyInName && byte !== slash)) reach(next, place);
    }
    if (next.length === 0) return false;
    live = next;
  }
  return seen[accept] === step;
}

function tokensOf(pattern: Uint8Array): number[] {
  const tokens: number[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const byte = pattern[at] as number;
    if (byte !== star) {
      tokens.push(byte === question ? anyOne : byte);
    } else if (pattern[at + 1] !== star) {
      tokens.push(anyInName);
    } else {
      while (pattern[at + 1] === star) at += 1;
      tokens.push(anyBytes);
    }
  }
  return tokens;
}
