// What these tests borrow of the machine: small disks, memory groups, limits on descriptors.
//
// - Needs root on Linux. In CI a machine without that fails the test; elsewhere it is skipped.
// - Whatever is borrowed is given back when it is disposed.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

const memoryRoot = "/sys/fs/cgroup/memory";

/** Whether the machine has what a test needs; if not, the test is skipped, and in CI it fails. */
export function has(test: TestContext, ...needs: readonly (string | "memory-group")[]): boolean {
  const lacks: string[] = [];
  if (process.platform !== "linux" || process.getuid?.() !== 0) lacks.push("root on Linux");
  for (const need of needs) {
    if (need === "memory-group") {
      if (!existsSync(join(memoryRoot, "memory.limit_in_bytes"))) lacks.push("cgroup v1 memory");
    } else if (!onPath(need)) lacks.push(`the command ${need}`);
  }
  if (lacks.length === 0) return true;
  const text = `this machine lacks ${lacks.join(", ")}`;
  if (process.env.CI === "true") throw new Error(text);
  test.skip(text);
  return false;
}

function onPath(command: string): boolean {
  const dirs = `${process.env.PATH}:/usr/sbin:/sbin`.split(":");
  return dirs.some((dir) => existsSync(join(dir, command)));
}

function run(command: string, ...args: string[]): void {
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  execFileSync(command, args, { stdio: "pipe", env: { ...process.env, PATH: path } });
}

/** A small file system, mounted. */
export class Disk {
  readonly dir: string;
  readonly #image: string | undefined;
  #ballast = 0;

  private constructor(dir: string, image?: string) {
    this.dir = dir;
    this.#image = image;
  }

  /** In memory; `options` as mount takes them: size=…, nr_inodes=… */
  static tmpfs(dir: string, options: string): Disk {
    mkdirSync(dir, { recursive: true });
    run("mount", "-t", "tmpfs", "-o", options, "sealtail-test", dir);
    return new Disk(dir);
  }

  /** ext4 on a loop device. */
  static ext4(dir: string, mib: number): Disk {
    mkdirSync(dir, { recursive: true });
    const folder = mkdtempSync(join(tmpdir(), "sealtail-disk-"));
    const image = join(folder, "image");
    writeFileSync(image, "");
    run("truncate", "-s", `${mib}M`, image);
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", image);
    run("mount", "-o", "loop", image, dir);
    return new Disk(dir, folder);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.dir);
    return bavail * bsize;
  }

  /** Another program writes files until `left` bytes are free. */
  fill(left = 0): void {
    const bytes = this.freeBytes - left;
    if (bytes <= 0) return;
    const path = join(this.dir, `ballast-${this.#ballast++}`);
    try {
      run("dd", "if=/dev/zero", `of=${path}`, "bs=4096", `count=${Math.ceil(bytes / 4096)}`);
    } catch {
      // Full: that is what was wanted.
    }
  }

  /** Another program takes every inode that is left. */
  fillInodes(): void {
    for (let count = 0; ; count++) {
      try {
        writeFileSync(join(this.dir, `ballast-i${count}`), "", { flag: "wx" });
      } catch {
        return;
      }
    }
  }

  /** Takes away what was filled. */
  clear(): void {
    for (const name of readdirSync(this.dir)) {
      if (name.startsWith("ballast-")) rmSync(join(this.dir, name));
    }
  }

  remount(mode: "ro" | "rw"): void {
    run("mount", "-o", `remount,${mode}`, this.dir);
  }

  /** Every write and sync from now on fails with EIO, as when the device vanished. */
  breakDown(): void {
    const EXT4_IOC_SHUTDOWN = 0x8004587d;
    const script = `import fcntl,os,struct,sys
fd=os.open(sys.argv[1],os.O_RDONLY)
fcntl.ioctl(fd,${EXT4_IOC_SHUTDOWN},struct.pack("I",2))`;
    run("python3", "-c", script, this.dir);
  }

  /** Off and on again: what was synced is there. */
  repair(): void {
    run("umount", this.dir);
    run("mount", "-o", "loop", join(this.#image as string, "image"), this.dir);
  }

  [Symbol.dispose](): void {
    run("umount", "-l", this.dir);
    if (this.#image !== undefined) rmSync(this.#image, { recursive: true });
  }
}

/** Processes that share a limit of memory. */
export class MemoryGroup {
  readonly #dir: string;

  constructor(mib: number) {
    this.#dir = mkdtempSync(join(memoryRoot, "sealtail-"));
    writeFileSync(join(this.#dir, "memory.limit_in_bytes"), String(mib * 1024 * 1024));
    const swap = join(this.#dir, "memory.memsw.limit_in_bytes");
    if (existsSync(swap)) writeFileSync(swap, String(mib * 1024 * 1024));
  }

  add(pid: number | undefined): void {
    writeFileSync(join(this.#dir, "cgroup.procs"), String(pid));
  }

  /** How often the kernel killed a process of the group. */
  get kills(): number {
    const text = readFileSync(join(this.#dir, "memory.oom_control"), "utf8");
    return Number(/oom_kill (\d+)/.exec(text)?.[1] ?? 0);
  }

  /** Bytes that are no page cache, in MiB. */
  get residentMiB(): number {
    const text = readFileSync(join(this.#dir, "memory.stat"), "utf8");
    return Number(/^total_rss (\d+)/m.exec(text)?.[1] ?? 0) / 1024 / 1024;
  }

  [Symbol.dispose](): void {
    // Those that still run belong to everybody again.
    for (const pid of readFileSync(join(this.#dir, "cgroup.procs"), "utf8").split("\n")) {
      if (pid !== "") writeFileSync(join(memoryRoot, "cgroup.procs"), pid);
    }
    rmdirSync(this.#dir);
  }
}

/** Sets how many descriptors a running process may open. */
export function limitDescriptors(pid: number | undefined, count: number): void {
  run("prlimit", "--pid", String(pid), `--nofile=${count}:`);
}

/** Descriptors that a process holds. */
export function descriptorsOf(pid: number | undefined): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** User and system time of all threads of a process, in seconds; good to 10 ms. */
export function cpuSeconds(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * That a process which waits for `ms` does not try again and again: a busy loop takes a whole core.
 * On a machine that others use as well, waiting was seen to take a tenth.
 */
export async function assertNoBusyLoop(pid: number | undefined, ms: number): Promise<void> {
  const before = cpuSeconds(pid);
  await pause(ms);
  const taken = (cpuSeconds(pid) - before) / (ms / 1000);
  assert.ok(taken < 0.5, `waiting takes ${taken.toFixed(2)} of a core`);
}

/** Greatest resident memory of a process so far, in MiB. */
export function peakMiB(pid: number | undefined): number {
  const text = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024;
}
