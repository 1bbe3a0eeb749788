// The limit loop: what any program in this language must do for a line of the sealed format, and
// nothing else. Read 1 MiB, find the ends of lines, hash each line once behind a 96-byte head.
//
// - No salts, no tree, no compression, no signature, no sync, no file but the one that is read.
// - One process of its own; prints { seconds, cpuSeconds, lines } as JSON.

import { hash as typedHash } from "node:crypto";
import { openSync, readSync } from "node:fs";

const headBytes = 96;
// The declared types lack both, which the runtime has.
const hash = typedHash as (algorithm: string, input: Uint8Array, encoding: string) => string;
type Latin1Write = (this: Uint8Array, text: string, at: number, length: number) => number;
const latin1Write = (Buffer.prototype as unknown as { latin1Write: Latin1Write }).latin1Write;

function run(path: string): { seconds: number; cpuSeconds: number; lines: number } {
  const cpuBefore = process.cpuUsage();
  const began = process.hrtime.bigint();
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(1024 * 1024);
  const preimage = Buffer.alloc(256 * 1024);
  let [held, position, lines] = [0, 0, 0];
  for (;;) {
    const got = readSync(file, buffer, held, buffer.length - held, position);
    if (got === 0) break;
    position += got;
    held += got;
    let at = 0;
    for (let end = buffer.indexOf(10, at); end !== -1 && end < held; end = buffer.indexOf(10, at)) {
      preimage.set(buffer.subarray(at, end), headBytes);
      const digest = hash("sha256", preimage.subarray(0, headBytes + end - at), "latin1");
      latin1Write.call(preimage, digest, 4, 32);
      lines += 1;
      at = end + 1;
    }
    buffer.copyWithin(0, at, held);
    held -= at;
  }
  const cpu = process.cpuUsage(cpuBefore);
  return {
    seconds: Number(process.hrtime.bigint() - began) / 1e9,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    lines,
  };
}

console.log(JSON.stringify(run(process.argv[2] as string)));
