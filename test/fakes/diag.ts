// Diagnostics that a test can look at.

import type { Diag, DiagFields } from "../../src/host/diag.ts";

export interface DiagLine {
  readonly level: "error" | "warn" | "info" | "debug";
  readonly phrase: string;
  readonly fields: DiagFields;
}

export class RecordingDiag implements Diag {
  readonly lines: DiagLine[];
  readonly #fields: DiagFields;

  constructor(lines: DiagLine[] = [], fields: DiagFields = {}) {
    this.lines = lines;
    this.#fields = fields;
  }

  #add(level: DiagLine["level"], phrase: string, fields: DiagFields = {}): void {
    this.lines.push({ level, phrase, fields: { ...this.#fields, ...fields } });
  }

  error(phrase: string, fields?: DiagFields): void {
    this.#add("error", phrase, fields);
  }

  warn(phrase: string, fields?: DiagFields): void {
    this.#add("warn", phrase, fields);
  }

  info(phrase: string, fields?: DiagFields): void {
    this.#add("info", phrase, fields);
  }

  debug(phrase: string, fields?: DiagFields): void {
    this.#add("debug", phrase, fields);
  }

  child(fields: DiagFields): Diag {
    return new RecordingDiag(this.lines, { ...this.#fields, ...fields });
  }

  /** The phrases said at `level`, or at any. */
  phrases(level?: DiagLine["level"]): string[] {
    return this.lines.filter((line) => !level || line.level === level).map((line) => line.phrase);
  }
}
