// A store's layout as one ustar file, and back: regular files only, nothing else.

import { concat } from "../../../src/core/bytes.ts";
import type { StoreFiles } from "../../fakes/chain-store.ts";

const blockBytes = 512;

/** Files in the order of their names; owner and time zero, mode 0444. */
export function packTar(files: StoreFiles): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    parts.push(header(name, bytes.length), bytes, new Uint8Array(padding(bytes.length)));
  }
  return concat(...parts, new Uint8Array(2 * blockBytes));
}

export function unpackTar(tar: Uint8Array): StoreFiles {
  const files: StoreFiles = new Map();
  for (let at = 0; tar[at] !== 0; ) {
    const text = Buffer.from(tar.buffer, tar.byteOffset + at, blockBytes).toString("latin1");
    const field = (from: number, length: number): string =>
      text.slice(from, from + length).split("\0")[0] as string;
    const prefix = field(345, 155);
    const size = Number.parseInt(field(124, 12), 8);
    const start = at + blockBytes;
    const name = prefix === "" ? field(0, 100) : `${prefix}/${field(0, 100)}`;
    files.set(name, tar.slice(start, start + size));
    at = start + size + padding(size);
  }
  return files;
}

function header(name: string, size: number): Uint8Array {
  const bytes = Buffer.alloc(blockBytes);
  const cut = name.length <= 100 ? -1 : name.lastIndexOf("/", 155);
  bytes.write(name.slice(cut + 1), 0, "latin1");
  if (cut > 0) bytes.write(name.slice(0, cut), 345, "latin1");
  bytes.write("0000444\0" + "0000000\0" + "0000000\0", 100, "latin1");
  bytes.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  bytes.write(`${"0".repeat(11)}\0${" ".repeat(8)}0`, 136, "latin1");
  bytes.write("ustar\0" + "00", 257, "latin1");
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

function padding(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}
