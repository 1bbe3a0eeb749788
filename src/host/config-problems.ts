// Turns what zod finds wrong with a configuration into sentences with places.
//
// - One sentence per problem. A value whose variable is unset has its problem already.
// - A part that asks for what this version does not do is not judged any further.

import type { z } from "zod";
import type { ErrorCode } from "../core/errors.ts";
import { at, type ConfigPath, type Problem, pathText } from "./config-error.ts";
import type { ConfigText } from "./config-yaml.ts";

type Issue = z.core.$ZodIssue;

/** Messages for what zod finds wrong with blocks; lists and values bring messages of their own. */
export function blockMessage({ code, inst }: z.core.$ZodRawIssue): string | undefined {
  if (code === "invalid_type") return "want a mapping";
  // The keys that there are travel in the message: the nearest is found from them.
  return code === "unrecognized_keys"
    ? Object.keys((inst as z.ZodObject).shape).join(" ")
    : undefined;
}

export function problemsOf(text: ConfigText, issues: readonly Issue[]): Problem[] {
  const later = issues.filter((issue) => codeOf(issue) === "config-unsupported");
  const besides = (issue: Issue): boolean =>
    later.some(({ path }) => path.slice(0, -1).every((step, index) => issue.path[index] === step));
  const judged = issues.filter((issue) => later.includes(issue) || !besides(issue));
  const told = new Set(text.problems.map(({ spot }) => at("", spot)));
  return judged
    .flatMap((issue) => [...sentences(text, issue)])
    .filter(({ spot }) => !told.has(at("", spot)));
}

function* sentences(text: ConfigText, issue: Issue): Generator<Problem> {
  const path = issue.path as ConfigPath;
  const { message } = issue;
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) yield unknownKey(text, [...path, key], key, message.split(" "));
    return;
  }
  const name = pathText(path);
  const spot = text.spotOf(path);
  const source = text.sourceOf(path);
  if (!message.startsWith("want ")) {
    yield { code: "config-invalid", spot, message: `${name} ${message}` };
  } else if (source === undefined || (source === "empty" && path.length === 0)) {
    yield { code: "config-missing", spot, message: `${name} is missing, ${message}` };
  } else {
    const code = codeOf(issue) ?? "config-invalid";
    yield { code, spot, message: `${name} is ${source}, ${message}` };
  }
}

function unknownKey(
  text: ConfigText,
  path: ConfigPath,
  key: string,
  known: readonly string[],
): Problem {
  const want = nearest(key, known) ?? `one of ${known.join(", ")}`;
  const message = `${pathText(path)} is no known key, want ${want}`;
  return { code: "config-unknown-key", spot: text.keySpotOf(path), message };
}

function codeOf(issue: Issue): ErrorCode | undefined {
  return issue.code === "custom" ? (issue.params?.["code"] as ErrorCode | undefined) : undefined;
}

/** The known key that differs by a slip or two, if any. */
function nearest(key: string, known: readonly string[]): string | undefined {
  const far = Math.max(2, Math.floor(key.length / 3));
  const plain = (text: string): string => text.toLowerCase().replaceAll("-", "_");
  return known
    .map((name) => ({ name, slips: distance(plain(key), plain(name)) }))
    .filter(({ slips }) => slips <= far)
    .sort((a, b) => a.slips - b.slips)[0]?.name;
}

/** Levenshtein distance. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
