// What the operating system says about a file, as one of our stable codes.
//
// - A failed sync is always sync-failed: after it nobody knows what the disk holds, and a second
//   sync that succeeds proves nothing (the kernel may have dropped the dirty pages).
// - `place` is the path; bytes outside printable ASCII are shown as %xx.

import { type ErrorCode, SealtailError } from "../core/errors.ts";

/** A path: text, or bytes where a name need not be UTF-8. */
export type Path = string | Uint8Array;

/** The bytes of `path`, shared with it where it is bytes already. */
export function pathBytes(path: Path): Buffer {
  if (typeof path === "string") return Buffer.from(path);
  return Buffer.from(path.buffer, path.byteOffset, path.byteLength);
}

/** `path` for people: what is not printable ASCII becomes %xx. Not meant to be parsed. */
export function showPath(path: Path): string {
  let text = "";
  for (const byte of pathBytes(path)) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x25;
    text += plain ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}

/** `name` inside `dir`; bytes as soon as one of them is bytes. */
export function joinPath(dir: Path, name: Path): Path {
  if (typeof dir === "string" && typeof name === "string") {
    return dir.endsWith("/") ? dir + name : `${dir}/${name}`;
  }
  const left = pathBytes(dir);
  const slash = left.at(-1) === 0x2f ? "" : "/";
  const joined = Buffer.concat([left, Buffer.from(slash), pathBytes(name)]);
  return new Uint8Array(joined);
}

const slash = 0x2f;

/** The directory that holds `path`. */
export function parentOf(path: Path): Path {
  if (typeof path === "string") {
    const cut = path.replace(/\/+$/, "").lastIndexOf("/");
    if (cut < 0) return ".";
    return cut === 0 ? "/" : path.slice(0, cut);
  }
  const cut = pathBytes(path).lastIndexOf(slash);
  if (cut < 0) return ".";
  return cut === 0 ? "/" : path.subarray(0, cut);
}

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "disk-full",
  EDQUOT: "disk-full",
  EMFILE: "too-many-open-files",
  ENFILE: "too-many-open-files",
  EACCES: "permission-denied",
  EPERM: "permission-denied",
  EROFS: "permission-denied",
  ENOENT: "file-missing",
  ENOTDIR: "file-missing",
  EEXIST: "file-exists",
};

/** The system's name of an error (ENOENT …), wherever it is wrapped; undefined if it has none. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof SealtailError) return errnoOf(error.cause);
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Wraps what went wrong in `couldn't <doing>`. An error that is ours already stays as it is. */
export function fileError(doing: string, path: Path, cause: unknown): SealtailError {
  if (cause instanceof SealtailError) return cause;
  const errno = errnoOf(cause);
  const code = codes[errno ?? ""] ?? "io-error";
  const why = errno === undefined ? "" : ` (${errno})`;
  return new SealtailError(code, `couldn't ${doing}${why}`, { place: showPath(path), cause });
}

/** Wraps a failed sync. Whoever gets this stops: exit 74, recovery at the next start. */
export function syncError(doing: string, path: Path, cause: unknown): SealtailError {
  const errno = errnoOf(cause);
  const why = errno === undefined ? "" : ` (${errno})`;
  const detail = { place: showPath(path), cause };
  return new SealtailError("sync-failed", `couldn't ${doing}${why}`, detail);
}
