// A vault with 256 MiB of heap under all that strangers can do to it, while agents go on writing.
// One run gives both numbers: agents' receipts without strangers and with them.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { base64 } from "../../src/core/bytes.ts";
import type { BuiltBlock, ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { chainOf } from "../vault/rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });
const program = fileURLToPath(new URL("../vault/vault-process.ts", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "strangers-"));
const quietMs: number[] = [];
let vault: ChildProcess;
let url: string;
let fleet: Agent[];
let attacked: ChainBuilder;

/** An agent with a chain and a connection of its own. */
class Agent {
  readonly chain: ChainBuilder;
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  constructor(label: string) {
    this.chain = chainOf(label, { codec: "zstd" });
  }

  /** Milliseconds until the receipt. */
  async send(block: BuiltBlock): Promise<number> {
    const started = performance.now();
    const headers = { "sealtail-grant": base64(this.chain.grant) };
    const path = `${url}/v1/chains/${this.chain.name}/blocks`;
    const request = http.request(path, { method: "POST", agent: this.#agent, headers });
    request.end(block.bytes);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    const text = (await response.toArray()).join("");
    assert.equal(response.statusCode, 200, text);
    return performance.now() - started;
  }

  /** As after a restart: nobody knows this connection. */
  reconnect(): void {
    this.#agent.destroy();
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A few blocks of each agent, one after the other: how long each took, in rising order. */
async function heartbeats(rounds: number): Promise<number[]> {
  const took = await Promise.all(
    fleet.map(async (agent) => {
      const own: number[] = [];
      for (let round = 0; round < rounds; round++) {
        own.push(await agent.send(agent.chain.seal([heartbeat])));
        await pause(20);
      }
      return own;
    }),
  );
  return took.flat().sort((a, b) => a - b);
}

const p99 = (sorted: readonly number[]): number => sorted[Math.floor(sorted.length * 0.99)] ?? 0;

function memory(which: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${vault.pid}/status`, "latin1");
  return Number(new RegExp(`${which}:\\s+([0-9]+) kB`).exec(status)?.[1]) / 1024;
}

/** A stranger's connection, which sends `text` and never reads. */
async function stranger(...parts: (string | Uint8Array)[]): Promise<net.Socket> {
  const socket = net.connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  await once(socket, "connect");
  for (const part of parts) socket.write(part);
  return socket;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

/** Heartbeats while the strangers are there; nobody waits long, and memory stays bounded. */
async function judged(
  t: { diagnostic(text: string): void },
  come: () => Promise<net.Socket[]>,
): Promise<void> {
  const strangers = await come();
  await pause(300);
  for (const agent of fleet.slice(0, 2)) agent.reconnect();
  const took = await heartbeats(20);
  const [ours, theirs] = [p99(took), p99(quietMs)];
  const peak = Math.round(memory("VmHWM"));
  t.diagnostic(
    `receipts p99 ${ours.toFixed(0)} ms, ${(ours / theirs).toFixed(1)} times that without strangers; peak ${peak} MiB`,
  );
  for (const each of strangers) each.destroy();
  assert.ok(ours < 2000, `an agent waited ${ours} ms`);
  assert.ok(peak < 420, `the vault took ${peak} MiB`);
}

const many = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

before(async () => {
  vault = spawn(process.execPath, ["--max-old-space-size=256", program, dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(vault.stdout as NonNullable<ChildProcess["stdout"]>, "data")) as [
    Buffer,
  ];
  url = String(line).trim();
  fleet = Array.from({ length: 10 }, (_, index) => new Agent(`agent-${index}`));
  for (const agent of fleet) await agent.send(agent.chain.begin());
  const target = new Agent("attacked");
  attacked = target.chain;
  const { id, record } = attacked.source("/var/log/app.log");
  await target.send(attacked.begin());
  for (let i = 0; i < 3; i++) {
    const items = [lines(id, "\n".repeat(1_000_000))];
    await target.send(attacked.seal(i === 0 ? [say(record), ...items] : items));
  }
  target.close();
  await heartbeats(5);
  quietMs.push(...(await heartbeats(20)));
});

after(async () => {
  for (const agent of fleet) agent.close();
  vault.kill("SIGKILL");
  await once(vault, "exit");
  rmSync(dir, { recursive: true });
});

const blocksPath = (): string => `/v1/chains/${attacked.name}/blocks`;

const stalledBodies = (count: number): Promise<net.Socket[]> =>
  many(count, () =>
    stranger(
      `POST ${blocksPath()} HTTP/1.1\r\nHost: x\r\nContent-Length: 9437184\r\n\r\n`,
      attacked.blocks[1]!.head,
    ),
  );
const readers = (count: number): Promise<net.Socket[]> =>
  many(count, () => stranger(get(`/v1/chains/${attacked.name}/lines`)));
const asking = (count: number): Promise<net.Socket[]> =>
  many(count, (index) => {
    const bogus = "0".repeat(63) + (index % 10);
    const own = fleet[index % 10]?.chain.name;
    return stranger(
      ...[get(`/v1/chains/${own}/lines/${index % 5}/proof`), get("/v1/chains?limit=1000")],
      get(`/v1/chains/${bogus}`),
      `POST /v1/chains/${bogus}/blocks HTTP/1.1\r\nHost: x\r\nSealtail-Grant: eA==\r\nContent-Length: 9\r\n\r\n123456789`,
    );
  });
const idle = (count: number): Promise<net.Socket[]> => many(count, () => stranger());

test("bodies that stall after a stored head keep no agent waiting", async (t) => {
  await judged(t, () => stalledBodies(60));
});

test("readers that never read keep no agent waiting, and hold little", async (t) => {
  await judged(t, () => readers(25));
});

test("thousands of idle connections keep no agent waiting, nor one that comes anew", async (t) => {
  await judged(t, () => idle(3000));
});

test("proofs, lists, chains and grants that are none keep no agent waiting", async (t) => {
  await judged(t, () => asking(300));
});

test("nor does all of it at once", async (t) => {
  const all = [() => stalledBodies(60), () => readers(25), () => asking(100), () => idle(2500)];
  await judged(t, async () => {
    const came: net.Socket[] = [];
    for (const each of all) came.push(...(await each()));
    return came;
  });
});
