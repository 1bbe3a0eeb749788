// The Debian package on a machine with a real systemd: from installation to purge, in order.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
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

let machine: Machine;
let dir = "";

/** Builds the package as `version` and puts it into the machine. */
async function deb(version: string): Promise<string> {
  const env = { ...process.env, DEB_VERSION: version };
  const { stdout } = await run(join(projectRoot, "config/deb/build"), [dir], { env });
  const name = basename(stdout.trim());
  await cp(join(dir, name), join(machine.root, "root", name));
  return `/root/${name}`;
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
  await machine.must(`dpkg -i ${await deb("0.1.0")}`);
  assert.match(await machine.must("sealtail --version"), /^\d+\.\d+\.\d+/);
  await machine.must("systemctl start sealtail-agent sealtail-vault");
  for (const unit of ["sealtail-agent", "sealtail-vault"]) {
    assert.equal((await machine.sh(`systemctl is-active ${unit}`)).stdout.trim(), "inactive");
  }
});

test("both units start, follow /var/log, and hand out what systemd keeps for them", {
  skip,
}, async () => {
  await configure();
  await machine.must("systemctl enable --now sealtail-vault sealtail-agent");
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

async function configure(): Promise<void> {
  await machine.must(`
    cd /root
    sealtail key new acme-root -o root.key --no-passphrase
    sealtail key new vault.example -o /etc/sealtail/vault.key --no-passphrase
    sealtail key new vault.example/time -o /etc/sealtail/vault-time.key --no-passphrase
    mv root.key.pub root.pub; mv /etc/sealtail/vault.key.pub vault.pub
    mv /etc/sealtail/vault-time.key.pub vault-time.pub
    sealtail grant new --root root.key --subject vm-1 --audience vault.example \\
      --source '/var/log/**' -o /var/lib/sealtail/grant.txt
    chown sealtail: /var/lib/sealtail/grant.txt*`);
  const text = (path: string): Promise<string> => machine.must(`cat /root/${path}`);
  const vault = `version: 1
name: vault.example
state_dir: /var/lib/sealtail-vault
keys:
  receipt: "\${CREDENTIALS_DIRECTORY}/vault.key"
  time: "\${CREDENTIALS_DIRECTORY}/vault-time.key"
listen: 127.0.0.1:8443
store: { type: dir, path: /var/lib/sealtail-store }
trust: { root_keys: ["${await text("root.pub")}"] }
`;
  const agent = `version: 1
name: vm-1
state_dir: /var/lib/sealtail
sources: [{ name: system, include: ["/var/log/*.log", "/var/log/syslog"] }]
sink: { url: "http://127.0.0.1:8443" }
trust: { vault_keys: ["${await text("vault.pub")}", "${await text("vault-time.pub")}"] }
grant: { file: /var/lib/sealtail/grant.txt, key: /var/lib/sealtail/grant.txt.key }
`;
  const etc = join(machine.root, "etc/sealtail");
  await writeFile(join(etc, "vault.yaml"), vault);
  await writeFile(join(etc, "agent.yaml"), agent);
}

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
  const upgrade = await deb("0.1.1~test1");
  const settings = "cat /etc/sealtail/* 2>/dev/null | sha256sum";
  const before = await machine.must(settings);
  await machine.must(
    `systemd-run --unit=writer bash -c 'for i in $(seq 3000); do echo "line $i" >> /var/log/stream.log; sleep 0.005; done'`,
  );
  await machine.must(`dpkg -i ${upgrade}`);
  assert.equal(await machine.must("dpkg-query -W -f '${Version}' sealtail"), "0.1.1~test1");
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
