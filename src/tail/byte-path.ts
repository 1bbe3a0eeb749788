// Byte paths: a path as a string in which each character stands for one byte.
//
// - File names are bytes. As UTF-8 text two of them could look alike or be lost; as one character
//   per byte they are compared, matched and joined without loss.
// - Conversion happens at the door to the file system only, and for people (`shown`).

import { encodePath } from "../core/record.ts";
import type { Path } from "../host/files.ts";

/** Each character is one byte, U+0000 to U+00FF. */
export type BytePath = string;

/** Text from a configuration: its UTF-8 bytes. */
export function pathFromText(text: string): BytePath {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A name or path as the file system gives it. */
export function pathFromHost(path: Path): BytePath {
  if (typeof path === "string") return pathFromText(path);
  return Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString("latin1");
}

/** What the file system takes: text where the bytes are ASCII, else the bytes. */
export function pathToHost(path: BytePath): Path {
  for (let at = 0; at < path.length; at += 1) {
    if (path.charCodeAt(at) > 0x7f) return new Uint8Array(Buffer.from(path, "latin1"));
  }
  return path;
}

/** The percent form that records, metrics and diagnostics use. */
export function shown(path: BytePath): string {
  return encodePath(Buffer.from(path, "latin1"));
}

/** The bytes behind a percent form written by `shown`. */
export function pathFromShown(text: string): BytePath {
  return text.replace(/%([0-9a-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

export function joinNames(dir: BytePath, name: BytePath): BytePath {
  return dir.endsWith("/") ? dir + name : `${dir}/${name}`;
}

export function directoryOf(path: BytePath): BytePath {
  const cut = path.lastIndexOf("/");
  return cut <= 0 ? "/" : path.slice(0, cut);
}

/** Whether `path` is `dir` or lies somewhere below it. */
export function isWithin(dir: BytePath, path: BytePath): boolean {
  return path === dir || path.startsWith(dir.endsWith("/") ? dir : `${dir}/`);
}
