// Small files written whole: after a crash the old content or the new one, never a mixture.
//
// - Not for secrets: the old content stays on the disk after the rename. Keys have their own way.
// - One writer per path; a temporary file that an earlier crash left behind is replaced.

import { isShortage, SealtailError } from "../core/errors.ts";
import { errnoOf, fileError, type Path, parentOf, pathBytes, showPath } from "./file-error.ts";
import type { Files, OpenFile } from "./files.ts";

function temporaryName(path: Path): Path {
  if (typeof path === "string") return `${path}.tmp`;
  return new Uint8Array(Buffer.concat([pathBytes(path), Buffer.from(".tmp")]));
}

/**
 * Replaces the content of `path` and returns when the new content is durable under that name.
 * Crash before the rename: the old content. Crash after it: old or new, and each of them whole.
 */
export async function writeFileDurably(
  files: Files,
  path: Path,
  bytes: Uint8Array,
  perm = 0o600,
): Promise<void> {
  await replace(files, path, bytes, perm, (file) => file.sync());
  await files.syncDir(parentOf(path));
}

/**
 * Replaces the content of `path` for whoever looks; nothing is synced. After a power cut it may
 * hold the old content, the new one, a part of it, or nothing: whoever reads it must be able to
 * tell.
 */
export async function replaceFile(
  files: Files,
  path: Path,
  bytes: Uint8Array,
  perm = 0o600,
): Promise<void> {
  await replace(files, path, bytes, perm, async () => undefined);
}

async function replace(
  files: Files,
  path: Path,
  bytes: Uint8Array,
  perm: number,
  settle: (file: OpenFile) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  const file = await create(files, temporary, perm);
  try {
    await file.write(bytes, 0);
    await settle(file);
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
}

/** A new file; one of that name that an earlier crash left behind goes. */
async function create(files: Files, path: Path, perm: number): Promise<OpenFile> {
  try {
    return await files.open(path, "create", perm);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  await unlinkIfPresent(files, path);
  return await files.open(path, "create", perm);
}

/** Deletes `path`; fine if it is not there. Durable after syncDir of its directory. */
export async function unlinkIfPresent(files: Files, path: Path): Promise<void> {
  try {
    await files.unlink(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** The whole file, or undefined if there is none. More than `limit` bytes is file-too-large. */
export async function readWhole(
  files: Files,
  path: Path,
  limit: number,
): Promise<Uint8Array | undefined> {
  const file = await openIfPresent(files, path);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    if (size > limit) throw tooLarge(path, size, limit);
    // One byte more than expected, to notice a file that grows while it is read.
    const bytes = new Uint8Array(size + 1);
    let length = 0;
    while (length < bytes.length) {
      const count = await file.read(bytes, length, bytes.length - length, length);
      if (count === 0) return bytes.subarray(0, length);
      length += count;
    }
    throw fileError("read a file that grows meanwhile", path, undefined);
  } finally {
    await file.close();
  }
}

async function openIfPresent(
  files: Files,
  path: Path,
): Promise<Awaited<ReturnType<Files["open"]>> | undefined> {
  try {
    return await files.open(path, "read");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function tooLarge(path: Path, size: number, limit: number): SealtailError {
  const text = `the file is ${size} bytes, want at most ${limit}`;
  return new SealtailError("file-too-large", text, { place: showPath(path) });
}

/**
 * Makes `path` and the directories above it, and returns when all their names are durable.
 *
 * - One after the other: what is there was made where all above it were durable.
 * - A name that was there is synced, too: its maker may have died before it was durable. Where
 *   the directory that it lies in can't be read or synced, somebody else made it.
 */
export async function makeDirDurably(files: Files, path: Path, perm = 0o700): Promise<void> {
  if (path === "/" || path === ".") return;
  const parent = parentOf(path);
  const isThere = (await files.stat(path))?.kind === "dir";
  if (!isThere) {
    await makeDirDurably(files, parent, perm);
    await files.mkdir(path, perm);
  }
  try {
    await files.syncDir(parent);
  } catch (error) {
    const untried = error instanceof SealtailError && error.kind !== "unsafe";
    if (!isThere || !untried || isShortage(error)) throw error;
  }
}
