// A plain file that lines are appended to, for diagnostics that must not mix with a terminal.

import { closeSync, openSync, writeSync } from "node:fs";
import { fileError } from "./file-error.ts";

export interface LogFile extends Disposable {
  /** Appends at once. A line that cannot be written is dropped: there is nowhere to say so. */
  write(line: string): void;
}

export function openLogFile(path: string): LogFile {
  let descriptor: number;
  try {
    descriptor = openSync(path, "a", 0o600);
  } catch (cause) {
    throw fileError("open the diagnostics file", path, cause);
  }
  return {
    write(line) {
      try {
        writeSync(descriptor, line);
      } catch {
        // See above.
      }
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}
