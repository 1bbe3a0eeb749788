// Words that may not stand in the source, and where they may.
//
// - Time, chance, waiting and the environment come in through host/ only, so that every test can
//   stand in for them.

import { type SourceFile, withoutComments } from "./source-text.ts";

interface WordRule {
  readonly name: string;
  readonly pattern: RegExp;
  readonly allowed: RegExp;
}

const host = /^src\/host\//;
const hostOrCli = /^src\/(?:host|cli)\//;

const rules: readonly WordRule[] = [
  { name: "Date.now", pattern: /\bDate\s*\.\s*now\b/, allowed: host },
  { name: "new Date() without a time", pattern: /\bnew\s+Date\s*(?:\(\s*\)|;|$)/m, allowed: host },
  { name: "Date() as a function", pattern: /(?<!new\s)(?<![\w.])Date\s*\(/, allowed: host },
  { name: "Math.random", pattern: /\bMath\s*\.\s*random\b/, allowed: /^$/ },
  {
    name: "crypto.randomX",
    pattern: /\b(?:randomBytes|randomUUID|randomInt|getRandomValues)\b/,
    allowed: host,
  },
  { name: "performance", pattern: /(?<![\w.])performance\s*\./, allowed: host },
  { name: "process.hrtime", pattern: /\bhrtime\b/, allowed: host },
  {
    name: "a timer",
    pattern: /(?<![\w.])(?:setTimeout|setInterval|setImmediate)\b|AbortSignal\s*\.\s*timeout/,
    allowed: host,
  },
  { name: "process.env", pattern: /\bprocess\s*\.\s*env\b/, allowed: hostOrCli },
  { name: "process.exit", pattern: /\bprocess\s*\.\s*(?:exit|abort|kill)\b/, allowed: hostOrCli },
  { name: "eval", pattern: /(?<![\w.])(?:eval\s*\(|new\s+Function\b)/, allowed: /^$/ },
  {
    name: "an enum or namespace",
    pattern: /^\s*(?:export\s+)?(?:const\s+)?(?:enum|namespace)\s+\w/m,
    allowed: /^$/,
  },
];

/** "path: word" for every word of src that stands where it may not. */
export function strayWords({ path, text }: SourceFile): string[] {
  const code = withoutComments(text);
  return rules
    .filter(({ pattern, allowed }) => !allowed.test(path) && pattern.test(code))
    .map(({ name }) => `${path}: ${name}`);
}

const bannedNames = /^(?:utils?|common|helpers?|types?|misc|shared|lib|index|stuff)(?:\.[a-z.]+)?$/;

/** Folders and files are kebab-case nouns that say what is inside. */
export function badName(path: string): boolean {
  const steps = path.split("/");
  const file = steps.at(-1) ?? "";
  return (
    steps.some((step) => bannedNames.test(step)) ||
    !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z]+)+$/.test(file)
  );
}

/** Claims that nothing can keep; saying that we never claim them is fine. */
export function falseClaims(text: string): string[] {
  const plain = text.replaceAll(/never\s+\W?tamper-proof/gi, "");
  return [...plain.matchAll(/tamper[\s-]?proof|unhackable/gi)].map(([claim]) => claim);
}
