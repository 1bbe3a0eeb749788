// The lines of a statement: `name value` each, in the order in which they are asked for.
//
// - Grants, acknowledgements and proofs are read with it: one grammar, one set of refusals.
// - A first line of another version is UNSUPPORTED: nothing is known to be wrong with it.

import { Fault, type FindingCode } from "./fault.ts";

export interface StatementKind {
  /** What it is called in a refusal, and in its first line: `sealtail/1 <name>`. */
  readonly name: string;
  /** The code of a deviation from the grammar. */
  readonly code: FindingCode;
}

export class StatementLines {
  readonly #lines: readonly string[];
  readonly #kind: StatementKind;
  #at = 0;

  /** `text` without the LF at its end. */
  constructor(kind: StatementKind, text: string) {
    this.#kind = kind;
    this.#lines = text.split("\n");
  }

  /** The lines of a note's text, which ends in LF, behind the first one that says what it is. */
  static ofNote(kind: StatementKind, text: string): StatementLines {
    const lines = new StatementLines(kind, text.slice(0, -1));
    if (!text.endsWith("\n")) throw lines.refusal("does not end in LF");
    lines.#version();
    return lines;
  }

  refusal(why: string): Fault {
    return new Fault(this.#kind.code, `${this.#kind.name} ${why}`);
  }

  exactly(line: string): void {
    if (this.#lines[this.#at++] !== line) throw this.#missing(line);
  }

  maybe(name: string): string | undefined {
    const line = this.#lines[this.#at];
    if (!line?.startsWith(`${name} `)) return undefined;
    this.#at += 1;
    return line.slice(name.length + 1);
  }

  one(name: string): string {
    const value = this.maybe(name);
    if (value === undefined) throw this.#missing(name);
    return value;
  }

  many(name: string): string[] {
    const values: string[] = [];
    for (let value = this.maybe(name); value !== undefined; value = this.maybe(name)) {
      values.push(value);
    }
    return values;
  }

  rest(): readonly string[] {
    return this.#lines.slice(this.#at);
  }

  finish(): void {
    if (this.#at !== this.#lines.length) throw this.refusal("has a line too many");
  }

  #version(): void {
    const { name } = this.#kind;
    const first = this.#lines[0] ?? "";
    const version = /^sealtail\/([1-9][0-9]*) (.*)$/.exec(first);
    if (version?.[2] === name && version[1] !== "1") {
      throw new Fault("UNSUPPORTED", `${name} is of version ${version[1]}, want 1`);
    }
    this.exactly(`sealtail/1 ${name}`);
  }

  #missing(line: string): Fault {
    return this.refusal(`has no line "${line}" at its place`);
  }
}
