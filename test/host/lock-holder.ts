// Run as a process of its own by lock.test.ts: takes the lock of argv[2], says how that went, and
// lives until its stdin ends.

import { SealtailError } from "../../src/core/errors.ts";
import { lockStateDir } from "../../src/host/lock.ts";

try {
  await lockStateDir(process.argv[2] ?? "");
  process.stdout.write("held\n");
  process.stdin.resume();
  process.stdin.on("end", () => process.exit(0));
} catch (error) {
  process.stdout.write(`${error instanceof SealtailError ? error.code : String(error)}\n`);
}
