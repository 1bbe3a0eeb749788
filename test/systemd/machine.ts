// A Debian machine with a real systemd, booted by systemd-nspawn, that tests install packages on.
//
// - Made by debootstrap once per folder of temporary files; each test works on an overlay of it.
// - The machine has its own cgroups in every hierarchy, and no network but its loopback.
// - It is ended by its own poweroff: killing nspawn would leave the inner systemd behind.

import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

const release = "bookworm";
const packages = "systemd,systemd-sysv,dbus,procps,rsyslog,init-system-helpers,curl";
const base = join(tmpdir(), `sealtail-debian-${release}-systemd`);

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why no machine can be booted here; undefined if one can. */
export function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  for (const tool of ["/usr/sbin/debootstrap", "/usr/bin/systemd-nspawn"]) {
    if (!existsSync(tool)) return `needs ${tool}`;
  }
  return undefined;
}

export class Machine {
  readonly root: string;
  readonly #dir: string;
  readonly #name: string;
  #leader = 0;
  #console = "";

  private constructor(dir: string) {
    this.#dir = dir;
    this.root = join(dir, "root");
    this.#name = `sealtail-${process.pid}`;
  }

  static async boot(): Promise<Machine> {
    await makeBase();
    const machine = new Machine(await mkdtemp(join(tmpdir(), "sealtail-machine-")));
    const { root } = machine;
    const [upper, work] = [join(machine.#dir, "upper"), join(machine.#dir, "work")];
    for (const path of [upper, work, root]) await mkdir(path);
    const layers = `lowerdir=${base},upperdir=${upper},workdir=${work}`;
    await run("mount", ["-t", "overlay", "overlay", "-o", layers, root]);
    await machine.#start();
    return machine;
  }

  async #start(): Promise<void> {
    // Joins cgroups of its own first, so that the inner systemd manages a subtree.
    const script = `
      for c in /sys/fs/cgroup/{memory,pids,cpu,cpuacct,systemd,unified}; do
        [ -d $c ] && mkdir -p $c/$1 && echo $$ > $c/$1/cgroup.procs
      done
      exec systemd-nspawn -q -D "$2" -b --register=no --keep-unit --private-network -M $1`;
    const args = ["-c", script, "bash", this.#name, this.root];
    const nspawn = spawn("bash", args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    for (const stream of [nspawn.stdout, nspawn.stderr]) {
      stream.on("data", (chunk) => {
        this.#console = (this.#console + chunk).slice(-4000);
      });
    }
    for (let tries = 0; tries < 300; tries++) {
      this.#leader = await childOf(nspawn.pid as number);
      const state = this.#leader === 0 ? "" : (await this.sh("systemctl is-system-running")).stdout;
      if (/running|degraded/.test(state)) break;
      if (tries === 299) throw new Error(`the machine did not boot\n${this.#console}`);
      await pause(100);
    }
    // Without this, limits of memory and tasks are silently not enforced.
    for (const controller of ["memory", "pids", "cpu"]) {
      const args = ["-t", `${this.#leader}`, "-m", "mount", "-o", "remount,rw,bind"];
      await run("nsenter", [...args, `/sys/fs/cgroup/${controller}`]).catch(() => undefined);
    }
    await this.sh("systemctl daemon-reexec");
  }

  /** Runs a script inside as root; never throws. */
  async sh(script: string): Promise<Output> {
    const inside = ["-t", `${this.#leader}`, "-m", "-u", "-i", "-n", "-p", "-C"];
    const args = [...inside, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"];
    try {
      const options = { maxBuffer: 2 ** 28, timeout: 120_000 };
      const output = await run("nsenter", [...args, "bash", "-c", script], options);
      return { code: 0, ...output };
    } catch (error) {
      const { code, stdout, stderr } = error as Output;
      return { code: typeof code === "number" ? code : -1, stdout, stderr };
    }
  }

  /** Runs a script inside and returns what it prints; throws if it fails. */
  async must(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.sh(script);
    if (code !== 0) throw new Error(`${script}\nended with ${code}\n${stdout}\n${stderr}`);
    return stdout.trim();
  }

  /** Waits until a script succeeds inside. */
  async until(script: string, seconds = 30): Promise<void> {
    const end = Date.now() + seconds * 1000;
    while ((await this.sh(script)).code !== 0) {
      if (Date.now() > end) {
        const log = await this.sh("journalctl --no-pager -n 40; systemctl --failed --no-pager");
        throw new Error(`not within ${seconds} s: ${script}\n${log.stdout}`);
      }
      await pause(200);
    }
  }

  async end(): Promise<void> {
    const leader = this.#leader;
    await this.sh("systemctl poweroff");
    for (let tries = 0; tries < 150 && existsSync(`/proc/${leader}`); tries++) await pause(100);
    await run("umount", ["-l", this.root]);
    await rm(this.#dir, { recursive: true, force: true });
    const remove = `find /sys/fs/cgroup/*/${this.#name} -depth -type d -exec rmdir {} + || true`;
    await run("bash", ["-c", remove]);
  }
}

async function makeBase(): Promise<void> {
  if (existsSync(base)) return;
  const dir = await mkdtemp(join(tmpdir(), "sealtail-debootstrap-"));
  const root = join(dir, "root");
  await run("debootstrap", ["--variant=minbase", `--include=${packages}`, release, root], {
    maxBuffer: 2 ** 26,
  });
  await rename(root, base);
  await rm(dir, { recursive: true, force: true });
}

async function childOf(pid: number): Promise<number> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    return Number(text.trim().split(" ")[0] ?? 0);
  } catch {
    return 0;
  }
}
