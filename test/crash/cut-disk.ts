// A file system whose power can be cut: ext4 on a loop device, shut down by ioctl.
//
// - After a cut every call on it fails with EIO, and what was not synced is gone: nothing reaches
//   the device any more. mend() mounts it again, and the journal is replayed as after a real cut.
// - Needs root, a free loop device, mkfs.ext4 and perl (for the ioctl).

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What had reached the journal: dropped as well, or written out first. */
export type CutFlavour = "journal-lost" | "journal-kept";

/** EXT4_IOC_SHUTDOWN, and its flags. */
const shutdown = 0x8004587d;
const flags: Readonly<Record<CutFlavour, number>> = { "journal-lost": 2, "journal-kept": 1 };

function run(command: string, ...words: string[]): void {
  execFileSync(command, words, { stdio: ["ignore", "ignore", "pipe"] });
}

export class CutDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #dir: string;
  readonly #options: string;

  private constructor(dir: string, options: string) {
    this.#dir = dir;
    this.path = join(dir, "disk");
    this.#options = options;
  }

  /** `options` as mount takes them: "data=writeback" … */
  static make(options = "defaults"): CutDisk {
    const disk = new CutDisk(mkdtempSync(join(tmpdir(), "sealtail-disk-")), options);
    try {
      writeFileSync(disk.#image, "");
      truncateSync(disk.#image, 96 * 1024 * 1024);
      run("mkfs.ext4", "-q", "-F", disk.#image);
      mkdirSync(disk.path);
      run("mount", "-o", `loop,${options}`, disk.#image, disk.path);
      return disk;
    } catch (error) {
      disk.#remove();
      throw error;
    }
  }

  get #image(): string {
    return join(this.#dir, "image");
  }

  /** The power goes. */
  cut(flavour: CutFlavour): void {
    const call = "open(F, '<', $ARGV[0]) && ioctl(F, $ARGV[1], pack('I', $ARGV[2])) or die $!";
    run("perl", "-e", call, this.path, String(shutdown), String(flags[flavour]));
  }

  /** The power comes back. Nobody may have a file open on it. */
  mend(): void {
    run("umount", this.path);
    run("mount", "-o", `loop,${this.#options}`, this.#image, this.path);
  }

  [Symbol.dispose](): void {
    // Also where a test ended before its processes did.
    run("umount", "-l", this.path);
    this.#remove();
  }

  #remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** Why power cannot be cut on this machine; undefined where it can. */
export function whyNoCuts(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root to mount a file system";
  try {
    using disk = CutDisk.make();
    disk.cut("journal-lost");
    return undefined;
  } catch (error) {
    return `needs loop devices, mkfs.ext4 and perl: ${String(error).split("\n")[0]}`;
  }
}
