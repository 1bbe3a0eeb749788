// What strangers can do to a vault, beside a small fleet of agents that go on writing.
//
// - Whoever starts the vault gives its address; it must trust `testRoot` and have the name of
//   `testVault`.
// - One run gives both numbers: how long receipts take without strangers and with them.

import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { base64 } from "../../src/core/bytes.ts";
import type { BuiltBlock, ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { chainOf } from "../vault/rig.ts";

/** An agent that waits longer is shut out. */
export const patienceMs: number = 30_000;
const heartbeat = say({ type: "heartbeat", sources: [] });

/** An agent with a chain and a connection of its own. */
class Agent {
  readonly chain: ChainBuilder;
  readonly #url: string;
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  constructor(url: string, label: string) {
    this.#url = url;
    this.chain = chainOf(label, { codec: "zstd" });
  }

  /** Milliseconds until the receipt. */
  async send(block: BuiltBlock): Promise<number> {
    const started = performance.now();
    const headers = { "sealtail-grant": base64(this.chain.grant) };
    const path = `${this.#url}/v1/chains/${this.chain.name}/blocks`;
    const request = http.request(path, {
      ...{ method: "POST", agent: this.#agent, headers },
      signal: AbortSignal.timeout(patienceMs),
    });
    request.end(block.bytes);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    const text = (await response.toArray()).join("");
    if (response.statusCode !== 200) throw new Error(`an agent was answered ${text}`);
    return performance.now() - started;
  }

  /** As after a restart: nobody knows this connection. */
  reconnect(): void {
    this.close();
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  }

  close(): void {
    this.#agent.destroy();
  }
}

const many = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

type Coming = (count: number) => Promise<net.Socket[]>;

export class Beleaguered {
  readonly #url: string;
  readonly #fleet: readonly Agent[];
  /** A chain with blocks of a million lines each, for strangers to ask for. */
  readonly #attacked: ChainBuilder;
  /** Receipts' p99 without strangers, in milliseconds. */
  quiet: number = Number.NaN;

  private constructor(url: string, fleet: readonly Agent[], attacked: ChainBuilder) {
    this.#url = url;
    this.#fleet = fleet;
    this.#attacked = attacked;
  }

  static async begin(url: string): Promise<Beleaguered> {
    const fleet = Array.from({ length: 10 }, (_, index) => new Agent(url, `agent-${index}`));
    for (const agent of fleet) await agent.send(agent.chain.begin());
    const target = new Agent(url, "attacked");
    const { id, record } = target.chain.source("/var/log/app.log");
    await target.send(target.chain.begin());
    for (let i = 0; i < 3; i++) {
      const items = [lines(id, "\n".repeat(1_000_000))];
      await target.send(target.chain.seal(i === 0 ? [say(record), ...items] : items));
    }
    target.close();
    const made = new Beleaguered(url, fleet, target.chain);
    await made.#heartbeats(5);
    made.quiet = await made.#heartbeats(20);
    return made;
  }

  /** Receipts' p99 while the strangers are there; two agents come anew. */
  async besides(come: () => Promise<net.Socket[]>): Promise<number> {
    const strangers = await come();
    await pause(300);
    for (const agent of this.#fleet.slice(0, 2)) agent.reconnect();
    try {
      return await this.#heartbeats(20);
    } finally {
      for (const each of strangers) each.destroy();
    }
  }

  close(): void {
    for (const agent of this.#fleet) agent.close();
  }

  /** A few blocks of each agent, one after the other: p99 of how long they took. */
  async #heartbeats(rounds: number): Promise<number> {
    const took = await Promise.all(
      this.#fleet.map(async (agent) => {
        const own: number[] = [];
        for (let round = 0; round < rounds; round++) {
          own.push(await agent.send(agent.chain.seal([heartbeat])));
          await pause(20);
        }
        return own;
      }),
    );
    const sorted = took.flat().sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
  }

  /** Bodies that stall after a stored head. */
  readonly stalledBodies: Coming = (count) =>
    many(count, () =>
      this.#stranger(
        `POST ${this.#path}/blocks HTTP/1.1\r\nHost: x\r\nContent-Length: 9437184\r\n\r\n`,
        this.#attacked.blocks[1]!.head,
      ),
    );

  /** Readers of a million lines that never read. */
  readonly readers: Coming = (count) =>
    many(count, () => this.#stranger(get(`${this.#path}/lines`)));

  /** Proofs, lists, chains and grants that are none. */
  readonly asking: Coming = (count) =>
    many(count, (index) => {
      const bogus = "0".repeat(63) + (index % 10);
      const own = this.#fleet[index % 10]?.chain.name;
      return this.#stranger(
        ...[get(`/v1/chains/${own}/lines/${index % 5}/proof`), get("/v1/chains?limit=1000")],
        get(`/v1/chains/${bogus}`),
        `POST /v1/chains/${bogus}/blocks HTTP/1.1\r\nHost: x\r\nSealtail-Grant: eA==\r\nContent-Length: 9\r\n\r\n123456789`,
      );
    });

  readonly idle: Coming = (count) => many(count, () => this.#stranger());

  readonly allAtOnce: () => Promise<net.Socket[]> = async () => [
    ...(await this.stalledBodies(60)),
    ...(await this.readers(25)),
    ...(await this.asking(100)),
    ...(await this.idle(2500)),
  ];

  get #path(): string {
    return `/v1/chains/${this.#attacked.name}`;
  }

  /** A stranger's connection, which sends `parts` and never reads. */
  async #stranger(...parts: (string | Uint8Array)[]): Promise<net.Socket> {
    const socket = net.connect(Number(new URL(this.#url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.pause();
    await once(socket, "connect");
    for (const part of parts) socket.write(part);
    return socket;
  }
}
