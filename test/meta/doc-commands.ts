// The commands that documents tell people to type, and whether the program takes them.
//
// - Looked for in code only: fenced blocks, indented blocks, and between backticks.
// - Shell is read as far as examples need it: quotes, line ends behind a backslash, operators.

import type { CommandWords } from "./command-words.ts";

/** All code of a page, one piece a command line. */
export function codeLines(text: string): string[] {
  const lines: string[] = [];
  const prose = text.replace(/^( *)```[^\n]*\n([\s\S]*?)^\1```/gm, (_, _indent, block: string) => {
    lines.push(...block.replace(/\\\n\s*/g, " ").split("\n"));
    return "";
  });
  for (const line of prose.split("\n")) {
    if (line.startsWith("    ")) lines.push(line.trim());
    else for (const [, code = ""] of line.matchAll(/`([^`]+)`/g)) lines.push(code);
  }
  return lines.map((line) => line.trim().replace(/^\$ /, ""));
}

/** The words behind each `sealtail` in a line of code. */
export function sealtailCalls(line: string): string[][] {
  const call =
    /(?:^|[;&|(]\s*|\s{2,})(?:npm run -s sealtail --|npm (start)(?: --)?|sealtail)(\s[^`]*|$)/g;
  return [...line.matchAll(call)].flatMap(([, start, rest = ""]) => {
    const words = wordsOf(rest);
    if (start !== undefined) return [["up", ...words]];
    return words.length === 0 ? [] : [words];
  });
}

/** Words up to an operator, a redirection, a comment, or a remark behind several spaces. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  const token = /^(\s*)((?:"[^"]*"|'[^']*'|\$\([^)]*\)|[^\s"'|;&<>()#])+|\S)/;
  for (let rest = text; rest.trim() !== ""; ) {
    const [all = "", space = "", word = ""] = token.exec(rest) ?? [];
    rest = rest.slice(all.length);
    const remark = words.length > 0 && space.length > 2;
    const redirected = /^[0-9]$/.test(word) && rest.startsWith(">");
    if (remark || redirected || /^[|;&<>()#]$/.test(word)) break;
    words.push(word.replace(/^["']|["']$/g, ""));
  }
  return words;
}

/** Why the program would not take these words; undefined if it would. */
export function callProblem(
  words: readonly string[],
  commands: readonly CommandWords[],
): string | undefined {
  const [first = "", second] = words;
  if (/^--(?:help|version)$/.test(first) || /^[A-Z]+$/.test(first)) return undefined;
  const known = commands.filter(({ name }) => name.split(" ")[0] === first);
  if (known.length === 0) return `there is no command ${first}`;
  const command = known.find(({ name }) => name === first || name === `${first} ${second}`);
  if (command === undefined) return second === "--help" ? undefined : `${first} has no ${second}`;
  let given = 0;
  for (let at = command.name.split(" ").length; at < words.length; at += 1) {
    const word = words[at] as string;
    if (!/^--?[a-z]/.test(word)) given += 1;
    else {
      const [option = "", value] = word.split("=");
      const takes = command.options.get(option);
      if (takes === undefined) return `${command.name} has no option ${option}`;
      if (takes && value === undefined) at += 1;
    }
  }
  return given <= command.wordsMax ? undefined : `${command.name} takes no more words`;
}
