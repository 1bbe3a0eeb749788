// A vault is killed at its most delicate instants, under load: what it promised is kept.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { base64, concat, hex } from "../../src/core/bytes.ts";
import { openReceipt } from "../../src/core/checkpoint.ts";
import { systemFiles } from "../../src/host/files.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { verifyChain } from "../../src/verify/verify.ts";
import { type ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";
import { chainOf } from "./rig.ts";

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill("SIGKILL");
});

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly ended: Promise<string>;
}

async function start(dir: string, failpoint = ""): Promise<Started> {
  const script = join(import.meta.dirname, "vault-process.ts");
  const child = spawn(process.execPath, [script, dir], {
    env: { ...process.env, SEALTAIL_FAILPOINT: failpoint },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(child);
  const ended = new Promise<string>((resolve) =>
    child.once("exit", (code, signal) => {
      running.delete(child);
      resolve(signal ?? String(code));
    }),
  );
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.once("data", (line) => resolve(String(line).trim()));
    child.once("exit", () => reject(new Error("vault did not start")));
  });
  return { child, url, ended };
}

/** One agent: its chain, and the newest receipt that it got. */
class Client {
  readonly chain: ChainBuilder;
  receipted = 0;
  readonly #items: () => readonly Item[];

  constructor(label: string, index: number) {
    const time = (Math.floor(Date.now() / 1000) - 5000) * 1_000_000;
    this.chain = chainOf(label, { time, codec: index % 2 === 0 ? "raw" : "zstd" });
    const { id, record } = this.chain.source("/var/log/app.log");
    this.chain.begin([say(record)]);
    this.#items = () => [lines(id, `line of block ${this.chain.length} ${"x".repeat(300)}\n`)];
  }

  /** Posts from the last receipt on, as an agent does after any trouble. */
  async post(url: string, more: number): Promise<void> {
    for (let i = 0; i < more; i++) {
      const due = this.chain.length % 1024 === 0 ? [this.chain.snapshot()] : [];
      this.chain.seal([...due, ...this.#items()]);
    }
    const body = concat(...this.chain.blocks.slice(this.receipted).map(({ bytes }) => bytes));
    const response = await fetch(`${url}/v1/chains/${this.chain.name}/blocks`, {
      method: "POST",
      body: body as Uint8Array<ArrayBuffer>,
      headers: this.receipted === 0 ? { "sealtail-grant": base64(this.chain.grant) } : {},
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    assert.equal(response.status, 200, Buffer.from(bytes).toString());
    const receipt = openReceipt(suite, bytes, [testVault.keys]);
    assert.ok(receipt && receipt.size >= this.receipted);
    assert.equal(hex(receipt.root), hex(this.chain.roots[receipt.size]!));
    this.receipted = receipt.size;
  }
}

async function judge(dir: string, { chain, receipted }: Client): Promise<void> {
  const reader = readDirStore(systemFiles, `${dir}/store`).reader(chain.name);
  const { size } = await reader.newest();
  assert.ok(size >= receipted, `${receipted} blocks receipted, ${size} stored`);
  const codes: string[] = [];
  await verifyChain(reader, {
    ...{ suite, roots: [testRoot.key], vaults: [testVault.keys] },
    report: ({ code }) => codes.push(code),
  });
  assert.deepEqual(
    codes.filter((code) => code !== "TAIL_UNCONFIRMED"),
    [],
  );
}

const points = [
  ...["store-after-append:1", "store-after-sync:1", "store-after-head:1"],
  ...["store-after-append:4", "store-after-sync:7", "store-after-head:20", "store-after-append:60"],
];
for (const point of points) {
  test(`killed at ${point} under load, a vault has all that it receipted`, {
    timeout: 60_000,
  }, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "vault-crash-"));
    t.after(() => rm(dir, { recursive: true, force: true }));
    const clients = ["a", "b", "c"].map((label, index) => new Client(label, index));
    const first = await start(dir, point);
    const load = clients.map(async (client) => {
      for (let round = 0; round < 40; round++) await client.post(first.url, 1 + (round % 5));
    });
    const results = await Promise.allSettled(load);
    for (const result of results) {
      // A broken connection is what is meant; a wrong answer is not.
      if (result.status === "rejected") {
        assert.ok(!(result.reason instanceof assert.AssertionError), String(result.reason));
      }
    }
    assert.equal(await first.ended, "SIGKILL");
    for (const client of clients) if (client.receipted > 0) await judge(dir, client);
    const second = await start(dir);
    for (const client of clients) await client.post(second.url, 3);
    second.child.kill("SIGTERM");
    assert.equal(await second.ended, "0");
    for (const client of clients) {
      assert.equal(client.receipted, client.chain.length);
      await judge(dir, client);
    }
  });
}

test("killed at random again and again, a vault loses nothing that it receipted", {
  timeout: 90_000,
}, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "vault-crash-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const clients = ["a", "b"].map((label, index) => new Client(label, index));
  for (let life = 0; life < 6; life++) {
    const vault = await start(dir);
    const load = clients.map(async (client) => {
      for (;;) await client.post(vault.url, 20);
    });
    const settled = Promise.allSettled(load);
    await new Promise((resolve) => setTimeout(resolve, 200 + 130 * life));
    vault.child.kill("SIGKILL");
    for (const result of await settled) {
      const reason = result.status === "rejected" ? result.reason : undefined;
      assert.ok(!(reason instanceof assert.AssertionError), String(reason));
    }
    await vault.ended;
    for (const client of clients) if (client.receipted > 0) await judge(dir, client);
  }
});
