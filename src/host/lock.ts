// One process per state directory: two would sign different blocks with the same key.
//
// - The lock is the kernel's own (fcntl), so it ends with the process however that dies, holds
//   across containers and pid namespaces that share the directory, and never goes stale. Process
//   ids, start times and lock files with names in them can do none of that.
// - Node has no call for it, but its SQLite takes exactly this lock: an exclusive transaction on
//   the empty file `lock`, held open and never written. Works the same on macOS.
// - fcntl locks end when *any* handle of this process on the file is closed: nothing else may
//   open `lock`. It is never deleted either: a second process would lock its successor.
// - The file `lock.holder` only says who to look for; nothing is decided by it.

import { constants } from "node:fs";
import fs from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SealtailError } from "../core/errors.ts";
import { errnoOf, fileError, showPath } from "./file-error.ts";

export interface StateLock {
  /** Lets the next process in. Releasing twice is fine. */
  release(): void;
  [Symbol.dispose](): void;
}

/** SQLite's primary result codes that matter here. */
const sqlite = { busy: 5, cantOpen: 14, notADatabase: 26, protocol: 15, ioError: 10 } as const;

function sqliteCode(error: unknown): number {
  if (!(error instanceof Error) || !("errcode" in error)) return -1;
  return typeof error.errcode === "number" ? error.errcode & 0xff : -1;
}

async function holderOf(path: string): Promise<string> {
  try {
    return (await fs.readFile(path, "utf8")).trim().slice(0, 300);
  } catch {
    return "unknown";
  }
}

/** SQLite would open a file that we cannot write as read-only, and then lock nothing. */
async function ensureWritable(path: string): Promise<void> {
  try {
    await fs.access(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return;
    throw fileError("lock the state directory", path, cause);
  }
}

/** As take(). Whatever lies in the file is not ours: nothing is ever written to it. */
async function takeAnyhow(path: string): Promise<DatabaseSync> {
  try {
    return take(path);
  } catch (cause) {
    // SQLite looks into the file only once it has locked it, so nobody else holds it.
    if (sqliteCode(cause) !== sqlite.notADatabase) throw cause;
    await fs.truncate(path);
    return take(path);
  }
}

function take(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

async function refusal(dir: string, cause: unknown): Promise<SealtailError> {
  const place = showPath(join(dir, "lock"));
  const code = sqliteCode(cause);
  if (code === sqlite.busy) {
    const holder = await holderOf(join(dir, "lock.holder"));
    const text = `the state directory is in use by ${holder}`;
    return new SealtailError("state-locked", text, { place, cause });
  }
  if (code === sqlite.ioError || code === sqlite.protocol) {
    const text = "couldn't lock the state directory";
    return new SealtailError("lock-unsupported", text, { place, cause });
  }
  return new SealtailError("io-error", "couldn't lock the state directory", { place, cause });
}

/**
 * Takes the lock of `dir`, which must exist, for the rest of this process or until released.
 * Never waits: state-locked if another process (or another part of this one) holds it.
 */
export async function lockStateDir(dir: string): Promise<StateLock> {
  const path = join(resolve(dir), "lock");
  await ensureDir(dir);
  await ensureWritable(path);
  let database: DatabaseSync;
  try {
    database = await takeAnyhow(path);
  } catch (cause) {
    throw await refusal(resolve(dir), cause);
  }
  await writeHolder(`${path}.holder`);
  let held = true;
  const release = (): void => {
    if (held) database.close();
    held = false;
  };
  return { release, [Symbol.dispose]: release };
}

async function ensureDir(dir: string): Promise<void> {
  try {
    await fs.access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw fileError("lock the state directory", dir, cause);
  }
}

async function writeHolder(path: string): Promise<void> {
  try {
    await fs.writeFile(path, `process ${process.pid} on ${hostname()}\n`, { mode: 0o600 });
  } catch {
    // A full disk must not keep the program from starting: the lock itself is held.
  }
}
