// Pure. Include and exclude patterns: where to look and what matches.
//
// - Patterns and paths are byte paths, so a name that is not UTF-8 is matched byte by byte.
// - `*` and `?` do not match a leading dot or "/"; `**` matches any number of directories.
// - A pattern also matches the very path that it spells, so a file named `a[1].log` can be given.
// - An exclude pattern without "/" is matched against the last name of a path.

import { resolve } from "node:path";
import picomatch from "picomatch";
import { type BytePath, isWithin, pathFromText } from "./byte-path.ts";

// "s" lets a star match a line feed in a name, which is a byte like any other.
const settings = { dot: false, nonegate: true, flags: "s" } as const;

const magic = /[*?[\]{}()\\]/;

export interface Pattern {
  /** The directory where looking begins. */
  readonly base: BytePath;
  matches(path: BytePath): boolean;
  /** Whether a directory below the base can hold matches. */
  enters(dir: BytePath): boolean;
}

function compile(glob: BytePath): (path: BytePath) => boolean {
  const matches = picomatch(glob, settings);
  return (path) => path === glob || matches(path);
}

const isHidden = (dir: BytePath): boolean => dir.startsWith(".", dir.lastIndexOf("/") + 1);

function absolute(text: string): BytePath {
  const path = resolve("/") === "/" && text.startsWith("/") ? text : resolve(text);
  return pathFromText(path.replace(/\/{2,}/g, "/"));
}

/** Compiles an include pattern; a relative one counts from the working directory. */
export function includePattern(text: string): Pattern {
  const glob = absolute(text);
  const names = glob.split("/");
  const firstMagic = names.findIndex((name) => magic.test(name));
  const baseCount = firstMagic < 0 ? names.length - 1 : firstMagic;
  const base = names.slice(0, baseCount).join("/") || "/";
  const below = names.slice(baseCount);
  const matches = compile(glob);
  // A slash inside braces or parentheses makes segments meaningless: look everywhere below.
  const deep = below.some((name) => name.includes("**") || /[{(][^})]*$/.test(name));
  if (deep) {
    // A star does not match a leading dot, so nothing below such a directory would match.
    const hidden = glob.includes("/.");
    return { base, matches, enters: (dir) => isWithin(base, dir) && (hidden || !isHidden(dir)) };
  }
  const steps = below.slice(0, -1).map(compile);
  return {
    base,
    matches,
    enters: (dir) => {
      if (!isWithin(base, dir)) return false;
      const inside = dir.slice(base === "/" ? 1 : base.length + 1).split("/");
      return inside.length <= steps.length && inside.every((name, at) => steps[at]?.(name));
    },
  };
}

/** Compiles an exclude pattern into a test of whole paths. */
export function excludePattern(text: string): (path: BytePath) => boolean {
  if (text.includes("/")) return compile(absolute(text));
  const matches = picomatch(pathFromText(text), { ...settings, dot: true });
  return (path) => matches(path.slice(path.lastIndexOf("/") + 1));
}
