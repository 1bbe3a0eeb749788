// The Debian package on a machine with a real systemd: from installation to purge, in order.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { projectRoot } from "../meta/source-text.ts";
import { Machine, missing } from "./machine.ts";

const run = promisify(execFile);

const lacking = missing();
if (lacking !== undefined && process.env.CI === "true") throw new Error(lacking);
const skip = lacking ?? false;

const keys = "--root /root/root.pub --vault-key /root/vault.pub --vault-key /root/vault-time.pub";
const judge = `sealtail verify /var/lib/sealtail-store ${keys} --json`;
const caughtUp = `/usr/lib/sealtail/bin/node -e '
  fetch("http://127.0.0.1:9464/status").then((answer) => answer.json()).then(({ files, ship }) => {
    const read = files.every(({ size, offset }) => size === offset);
    process.exitCode = read && ship.unreceiptedBlocks === 0 ? 0 : 1;
  })'`;

/** The commands of a section of a page in docs/operating, to be run in /root. */
function commandsIn(page: string, heading: string): string {
  const text = readFileSync(join(projectRoot, "docs/operating", page), "utf8");
  const section = text.split(/^## /m).find((each) => each.startsWith(`${heading}\n`)) ?? "";
  const blocks = [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);
  assert.ok(blocks.length > 0, `${page} has no commands under "${heading}"`);
  return `set -euo pipefail; cd /root\n${blocks.join("\n")}`;
}

let machine: Machine;
let dir = "";

/** Builds the package as `version` and puts it into /root. */
async function deb(version: string): Promise<void> {
  const env = { ...process.env, DEB_VERSION: version };
  const { stdout } = await run(join(projectRoot, "config/deb/build"), [dir], { env });
  const name = basename(stdout.trim());
  await cp(join(dir, name), join(machine.root, "root", name));
}

before(async () => {
  if (skip !== false) return;
  dir = await mkdtemp(join(tmpdir(), "sealtail-deb-"));
  machine = await Machine.boot();
});

after(async () => {
  await machine?.end();
  if (dir !== "") await rm(dir, { recursive: true, force: true });
});

test("the package installs, and nothing runs before it is configured", { skip }, async () => {
  await deb("0.1.0");
  await machine.must(commandsIn("vm.md", "Install"));
  assert.match(await machine.must("sealtail --version"), /^\d+\.\d+\.\d+/);
  await machine.must("systemctl start sealtail-agent sealtail-vault");
  for (const unit of ["sealtail-agent", "sealtail-vault"]) {
    assert.equal((await machine.sh(`systemctl is-active ${unit}`)).stdout.trim(), "inactive");
  }
});

test("the pages' own commands set up a vault and an agent", { skip }, async () => {
  for (const heading of ["The keys", "The vault", "An agent"]) {
    await machine.must(commandsIn("vm.md", heading));
  }
  // systemd is told that the agent runs; ready it is once its chain has begun, a moment later.
  await machine.until(commandsIn("vm.md", "Look"));
});

test("both units start, follow /var/log, and hand out what systemd keeps for them", {
  skip,
}, async () => {
  await machine.must("logger -t test hello from syslog; echo one >> /var/log/app.log");
  await machine.until("test -s /var/log/syslog");
  await machine.until(caughtUp);
  await machine.until(`${judge} | grep -q '"verdict"'`);
  // The grant's key was in the agent's own directory, so it could be destroyed.
  await machine.until("! test -e /var/lib/sealtail/grant.txt.key");
  await machine.until(
    `sealtail lines /var/lib/sealtail-store ${keys} | grep -q 'hello from syslog'`,
  );
});

test("the agent has no capability, no new privileges and limits that hold", { skip }, async () => {
  const show = "systemctl show -P";
  for (const unit of ["sealtail-agent", "sealtail-vault"]) {
    const pid = await machine.must(`${show} MainPID ${unit}`);
    const status = await machine.must(`cat /proc/${pid}/status`);
    assert.match(status, /CapEff:\t0+\n/);
    assert.match(status, /CapBnd:\t0+\n/);
    assert.match(status, /NoNewPrivs:\t1/);
    assert.match(status, /Seccomp:\t2/);
    assert.doesNotMatch(status, /Uid:\t0/);
    assert.match(await machine.must(`${show} MemoryCurrent ${unit}`), /^\d+$/);
    const score = await machine.must(`systemd-analyze security --no-pager ${unit} | tail -n 1`);
    assert.ok(Number(/(\d\.\d)/.exec(score)?.[1]) <= 2, score);
  }
  const cgroup = await machine.must("systemctl show -P ControlGroup sealtail-agent");
  const limit = await machine.must(`cat /sys/fs/cgroup/memory${cgroup}/memory.limit_in_bytes`);
  assert.equal(limit, String(256 * 1024 * 1024));
});

test("a restart goes on with the same chain", { skip }, async () => {
  await machine.must("echo two >> /var/log/app.log; systemctl restart sealtail-agent");
  await machine.must("echo three >> /var/log/app.log");
  await machine.until(`sealtail lines /var/lib/sealtail-store ${keys} | grep -q three`);
  assert.equal(await machine.must("ls /var/lib/sealtail-store/chains | wc -l"), "1");
});

test("the watchdog restarts an agent that hangs", { skip }, async () => {
  await mkdir(join(machine.root, "etc/systemd/system/sealtail-agent.service.d"), {
    recursive: true,
  });
  await writeFile(
    join(machine.root, "etc/systemd/system/sealtail-agent.service.d/watchdog.conf"),
    "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\nRestartSec=100ms\n",
  );
  await machine.must("systemctl daemon-reload; systemctl restart sealtail-agent");
  // Fed, it lives on.
  await machine.must("sleep 5");
  assert.equal(await machine.must("systemctl show -P NRestarts sealtail-agent"), "0");
  const pid = await machine.must("systemctl show -P MainPID sealtail-agent");
  await machine.must(`kill -STOP ${pid}`);
  await machine.until("test $(systemctl show -P NRestarts sealtail-agent) -ge 1");
  await machine.must("journalctl --no-pager -u sealtail-agent | grep -q 'Watchdog timeout'");
  await machine.must("echo four >> /var/log/app.log");
  await machine.until(`sealtail lines /var/lib/sealtail-store ${keys} | grep -q four`);
});

test("an upgrade in the middle of a stream loses no line and no setting", { skip }, async () => {
  await deb("0.1.1");
  const settings = "cat /etc/sealtail/* 2>/dev/null | sha256sum";
  const before = await machine.must(settings);
  await machine.must(
    `systemd-run --unit=writer bash -c 'for i in $(seq 3000); do echo "line $i" >> /var/log/stream.log; sleep 0.005; done'`,
  );
  // As above; installing what is installed changes nothing.
  await machine.until(commandsIn("upgrade.md", "On a VM"), 60);
  assert.equal(await machine.must("dpkg-query -W -f '${Version}' sealtail"), "0.1.1");
  await machine.until("! systemctl is-active -q writer", 60);
  await machine.until(caughtUp);
  assert.equal(await machine.must(settings), before);
  assert.equal(
    await machine.must("systemctl is-active sealtail-vault sealtail-agent"),
    "active\nactive",
  );
});

test("stopping the agent drains it: every line is verified afterwards", { skip }, async () => {
  await machine.must("echo last >> /var/log/app.log; systemctl stop sealtail-agent");
  const said = await machine.must("journalctl --no-pager -o cat -u sealtail-agent | tail -n 20");
  assert.match(said, /"unsent":0/);
  for (const log of ["app.log", "stream.log"]) {
    const raw = `sealtail lines /var/lib/sealtail-store ${keys} --raw --source /var/log/${log}`;
    await machine.must(`${raw} | cmp - /var/log/${log}`);
  }
  const { stdout } = await machine.sh(judge);
  const { verdict } = JSON.parse(stdout) as { verdict: string };
  // The watchdog's kill is a finding, and nothing is worse than that.
  assert.equal(verdict, "VALID_WITH_FINDINGS");
});

test("the pages' commands for monitoring, rolling back and recovering work", { skip }, async () => {
  await machine.must("systemctl start sealtail-agent");
  await machine.must(commandsIn("upgrade.md", "Roll back"));
  await machine.until(caughtUp);
  for (const heading of ["At a terminal", "What stays open", "Check from outside"]) {
    await machine.must(commandsIn("monitor.md", heading));
  }
  await machine.must("systemctl stop sealtail-agent && rm -r /var/lib/sealtail/chains");
  await machine.must("systemctl start sealtail-agent");
  await machine.must(commandsIn("recover.md", "An agent lost its state, or got an old copy of it"));
  await machine.until(caughtUp);
  assert.equal(await machine.must("ls /var/lib/sealtail-store/chains | wc -l"), "2");
  await machine.must(commandsIn("recover.md", "The vault's machine is lost"));
  await machine.must("echo after the move >> /var/log/app.log");
  await machine.until(caughtUp);
  await machine.must(commandsIn("recover.md", "A chain is damaged"));
});

test("a removal keeps state and settings; a purge takes them and leaves the evidence", {
  skip,
}, async () => {
  await machine.must("dpkg -r sealtail");
  assert.notEqual((await machine.sh("systemctl is-active sealtail-vault")).stdout.trim(), "active");
  await machine.must("test -d /var/lib/sealtail/chains && test -f /etc/sealtail/agent.yaml");
  await machine.must("dpkg -P sealtail");
  await machine.must("! test -e /etc/sealtail && ! test -e /var/lib/sealtail");
  await machine.must("test -d /var/lib/sealtail-store/chains && ! test -e /usr/lib/sealtail");
});
