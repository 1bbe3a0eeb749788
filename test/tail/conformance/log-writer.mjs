// A program that logs, for tests of rotation: numbered lines into several files until it is told to
// stop. SIGHUP makes it open its files again, SIGTERM makes it say how many lines each got.
//
// Usage: node log-writer.mjs DIR NAME:MODE...   (hold: one descriptor until SIGHUP; keep: one for
// ever; each: opened for each line)

import fs from "node:fs";
import { join } from "node:path";

const [dir, ...specs] = process.argv.slice(2);
const logs = specs.map((spec) => {
  const [name, mode] = spec.split(":");
  return { name, mode, path: join(dir, `${name}.log`), fd: undefined, count: 0 };
});
const open = (log) => {
  if (log.fd !== undefined) fs.closeSync(log.fd);
  log.fd = fs.openSync(log.path, "a");
};
for (const log of logs) if (log.mode !== "each") open(log);

const timer = setInterval(() => {
  for (const log of logs) {
    const line = `${log.name} ${log.count}\n`;
    if (log.mode === "each") fs.appendFileSync(log.path, line);
    else fs.writeSync(log.fd, line);
    log.count += 1;
  }
}, 2);

// Each rotation sends it for all logs. Who made a file that logrotate is about to make would have it
// set aside, as a `.backup` that no pattern means: until then the old one is written to.
const reopen = (log) => {
  try {
    const fd = fs.openSync(log.path, fs.constants.O_WRONLY | fs.constants.O_APPEND);
    fs.closeSync(log.fd);
    log.fd = fd;
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
};
process.on("SIGHUP", () => {
  for (const log of logs) if (log.mode === "hold") reopen(log);
});
process.on("SIGTERM", () => {
  clearInterval(timer);
  const counts = Object.fromEntries(logs.map(({ name, count }) => [name, count]));
  process.stdout.write(JSON.stringify(counts), () => process.exit(0));
});
process.stdout.write("\n");
