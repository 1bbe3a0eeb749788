import assert from "node:assert/strict";
import { test } from "node:test";
import { ServiceManager } from "../../src/host/service-manager.ts";
import { FakeClock, settle } from "../fakes/clock.ts";
import { RecordingDiag } from "../fakes/diag.ts";

interface Setup {
  readonly env: Record<string, string>;
  readonly run?: (command: string, args: readonly string[]) => Promise<unknown>;
}

function setup({ env, run }: Setup) {
  const told: string[] = [];
  const clock = new FakeClock();
  const diag = new RecordingDiag();
  const record = async (command: string, args: readonly string[]): Promise<void> => {
    told.push([command, ...args].join(" "));
  };
  const manager = new ServiceManager({ env, clock, diag, run: run ?? record });
  return { manager, told, clock, diag };
}

const socket = { NOTIFY_SOCKET: "/run/systemd/notify" };

test("outside systemd nothing is told", async () => {
  const { manager, told } = setup({ env: {} });
  await manager.ready(() => true);
  await manager.stopping();
  assert.deepEqual(told, []);
});

test("systemd is told when we are ready and when we stop", async () => {
  const { manager, told } = setup({ env: socket });
  await manager.ready(() => true);
  await manager.stopping();
  assert.deepEqual(told, ["systemd-notify --ready", "systemd-notify STOPPING=1"]);
});

test("the watchdog is fed twice in its time, also while we stop, and not once we are closed", async () => {
  const { manager, told, clock } = setup({ env: { ...socket, WATCHDOG_USEC: "60000000" } });
  await manager.ready(() => true);
  for (let i = 0; i < 4; i++) {
    if (i === 2) await manager.stopping();
    await settle();
    await clock.advance(30_000);
  }
  manager.close();
  await clock.advance(120_000);
  const fed = told.filter((line) => line.endsWith("WATCHDOG=1")).length;
  assert.equal(fed, 5);
});

test("a loop that does not turn is not called alive", async () => {
  let alive = true;
  const { manager, told, clock } = setup({ env: { ...socket, WATCHDOG_USEC: "2000000" } });
  await manager.ready(() => alive);
  await settle();
  alive = false;
  await clock.advance(5000);
  assert.equal(told.filter((line) => line.endsWith("WATCHDOG=1")).length, 1);
  manager.close();
});

test("that systemd cannot be told is said once, and ends nothing", async () => {
  const run = async (): Promise<never> => {
    throw new Error("spawn systemd-notify ENOENT");
  };
  const { manager, clock, diag } = setup({ env: { ...socket, WATCHDOG_USEC: "2000000" }, run });
  await manager.ready(() => true);
  for (let i = 0; i < 3; i++) await clock.advance(1000);
  assert.deepEqual(diag.phrases("warn"), ["couldn't tell systemd how we are"]);
  manager.close();
});
