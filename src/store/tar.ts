// Pure. Headers of ustar archives: the little of tar that a bundle needs.
//
// - Written: plain files, everything that could differ between two runs set to a constant.
// - Read: plain files and folders in ustar form. Links, devices, pax and GNU extensions, binary
//   sizes and wrong checksums are refused: no two tools may see a different bundle.
//
// Spec: POSIX.1-1988 ustar; docs/spec/store.md, "Bundle".

import { utf8 } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import { nameText } from "./layout.ts";

export const tarBlock = 512;

const field = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 8],
  prefix: [345, 155],
} as const;

/** Version included. */
const magic = "ustar\x0000";

export interface TarHeader {
  /** With slashes; of a folder without the last one. */
  readonly path: string;
  readonly kind: "file" | "folder";
  readonly size: number;
}

/** Bytes that follow a content of `size` up to the next header. */
export function paddingOf(size: number): number {
  return (tarBlock - (size % tarBlock)) % tarBlock;
}

/** The header of a plain file. Throws RangeError for a path or size that ustar cannot say. */
export function encodeTarHeader(path: string, size: number): Uint8Array {
  const { name, prefix } = splitPath(path);
  if (!Number.isSafeInteger(size) || size < 0 || size > 0o77777777777) {
    throw new RangeError(`size is ${size}, want 0 to 8 GiB`);
  }
  const header = new Uint8Array(tarBlock);
  put(header, field.name[0], name);
  put(header, field.mode[0], "0000444\0");
  put(header, field.uid[0], "0000000\0");
  put(header, field.gid[0], "0000000\0");
  put(header, field.size[0], `${size.toString(8).padStart(11, "0")}\0`);
  put(header, field.mtime[0], "00000000000\0");
  put(header, field.type[0], "0");
  put(header, field.magic[0], magic);
  put(header, field.prefix[0], prefix);
  put(header, field.checksum[0], `${checksum(header).toString(8).padStart(6, "0")}\0 `);
  return header;
}

/** Reads a header block; undefined for a block of zeros. Throws Fault MALFORMED or UNSUPPORTED. */
export function decodeTarHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (octal(block, field.checksum) !== checksum(block)) {
    throw new Fault("MALFORMED", "tar header has a wrong checksum");
  }
  if (latin1(block, field.magic) !== magic) {
    throw new Fault("UNSUPPORTED", "tar is not of the form ustar");
  }
  const type = String.fromCharCode(block[field.type[0]] as number);
  if (type !== "0" && type !== "\0" && type !== "5") {
    throw new Fault("UNSUPPORTED", `tar holds something of type ${JSON.stringify(type)}`);
  }
  const prefix = text(block, field.prefix);
  const name = text(block, field.name);
  const path = prefix === "" ? name : `${prefix}/${name}`;
  const size = octal(block, field.size);
  // Some tools pass over so many bytes behind it, others over none.
  if (type === "5" && size !== 0) throw new Fault("MALFORMED", "tar holds a folder with a size");
  if (type === "5") return { path: path.replace(/\/+$/, ""), kind: "folder", size };
  return { path, kind: "file", size };
}

function splitPath(path: string): { name: string; prefix: string } {
  const plain = /^[\x21-\x7e]+$/.test(path);
  if (plain && path.length <= 100) return { name: path, prefix: "" };
  const cut = path.indexOf("/", path.length - 101);
  if (!plain || cut < 1 || cut > 155 || cut === path.length - 1) {
    throw new RangeError(`path of ${path.length} characters does not fit into a tar header`);
  }
  return { name: path.slice(cut + 1), prefix: path.slice(0, cut) };
}

function put(header: Uint8Array, at: number, value: string): void {
  header.set(utf8(value), at);
}

function latin1(block: Uint8Array, [at, length]: readonly [number, number]): string {
  return String.fromCharCode(...block.subarray(at, at + length));
}

function text(block: Uint8Array, [at, length]: readonly [number, number]): string {
  const whole = block.subarray(at, at + length);
  const end = whole.indexOf(0);
  return nameText(end < 0 ? whole : whole.subarray(0, end));
}

function octal(block: Uint8Array, where: readonly [number, number]): number {
  const digits = /^ *([0-7]{1,12})[ \0]*$/.exec(latin1(block, where))?.[1];
  if (digits === undefined) throw new Fault("MALFORMED", "tar header holds no octal number");
  return Number.parseInt(digits, 8);
}

/** Sum of all bytes, those of the checksum itself taken as spaces. */
function checksum(block: Uint8Array): number {
  const [at, length] = field.checksum;
  let sum = length * 0x20;
  for (let i = 0; i < tarBlock; i += 1) {
    if (i < at || i >= at + length) sum += block[i] as number;
  }
  return sum;
}
