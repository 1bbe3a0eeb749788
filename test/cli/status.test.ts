import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { chainOf, Rig } from "../vault/rig.ts";
import { CommandDir } from "./command.ts";

const status = {
  ...{ program: "agent", state: "running", chain: "ab".repeat(32) },
  head: { block: 1204, seq: 88_231, time: 1 },
  buffer: { bytes: 1_258_291, limit: 2 * 1024 ** 3 },
  gaps: { truncated: { count: 2, bytes: 10, unknown: 0 }, skipped: { count: 0 } },
  ship: { state: "unreachable", code: "connection-refused", unreceiptedBlocks: 3 },
  search: {
    empty: ["ty\u001bpo"],
    outside: [{ path: "/var/log/secret.log", source: "app" }],
    missing: "a directory cannot be listed: /var/log/x",
    refused: [1, 2, 3, 4, 5, 6].map((n) => ({ path: `/srv/${n}`, code: "self-ingest" })),
  },
  files: [
    { path: "/var/log/a.log", size: 100, offset: 100, state: "read" },
    { path: "/var/log/b\u001b[2J.log", size: 5000, offset: 100, state: "reading" },
  ],
};

async function operations(
  ready: boolean,
  shown: object = status,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server: Server = createServer(({ url }, response) => {
    response.statusCode = url === "/readyz" && !ready ? 503 : 200;
    response.end(url === "/status" ? JSON.stringify(shown) : '{"ok":false}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("what an agent is doing is told in a few lines, the file that lags most first", async () => {
  using dir = new CommandDir();
  await using running = await operations(true);
  const { code, out, err } = await dir.quick(["status", running.url]);
  assert.equal(
    out,
    `ready
  state    running
  chain    ${"ab".repeat(32)}
  sealed   88,231 envelopes in 1,204 blocks
  reading  2 files, 4,900 bytes unread
  buffer   1.2 MiB of 2.0 GiB
  vault    unreachable (connection-refused), 3 blocks without a receipt
  gaps     2 declared since the start
  no file  source ty\\x1bpo: its patterns match none
  outside  /var/log/secret.log (the grant does not cover it)
  unseen   a directory cannot be listed: /var/log/x
  refused  /srv/1 (self-ingest)
  refused  /srv/2 (self-ingest)
  refused  /srv/3 (self-ingest)
  refused  /srv/4 (self-ingest)
  refused  /srv/5 (self-ingest)
           and 1 more path

  reading  100 of 5,000  4.8 KiB unread  /var/log/b\\x1b[2J.log
  read     100 of 100                    /var/log/a.log
`,
  );
  assert.equal(err, "");
  assert.equal(code, 0);
});

test("an agent that waits for its vault says what it waits for", async () => {
  using dir = new CommandDir();
  const waiting = {
    program: "agent",
    state: "needs-vault",
    waits: "predecessor-lives",
    ship: null,
  };
  await using running = await operations(false, waiting);
  const { code, out } = await dir.quick(["status", running.url]);
  assert.match(out, /^ {2}state +needs-vault \(predecessor-lives\)$/m);
  assert.match(out, /^ {2}vault +no chain is sent yet$/m);
  assert.equal(code, 1);
});

test("a vault's status says how its chains stand and what is open", async () => {
  using dir = new CommandDir();
  await using rig = await Rig.start({ config: { expect: [{ subject: "pay-*", chains: 2 }] } });
  const chain = chainOf("pay-1");
  chain.begin();
  chain.stop();
  await rig.post(chain);
  const { code, out } = await dir.quick(["status", rig.vault.operationsUrl]);
  assert.equal(code, 0);
  assert.match(out, /chains +1 stopped\n/);
  assert.match(out, / {2}quietest +none is active\n {2}receipts +all kept\n/);
  assert.match(out, / {2}1 chain +STOPPED +open until acknowledged\n/);
  assert.match(out, / {2}2 chains +pay-\* +expected, not there\n/);
  const json = await dir.quick(["status", rig.vault.operationsUrl, "--json"]);
  assert.equal((JSON.parse(json.out) as { program: string }).program, "vault");
});

test("watching shows it again and again, also while nobody answers, until it is told to stop", async () => {
  using dir = new CommandDir();
  const child = dir.start(["status", "http://127.0.0.1:1", "--watch"]);
  let out = "";
  for await (const piece of child.stdout) {
    out += String(piece);
    if (out.split("couldn't reach").length > 2) break;
  }
  child.kill("SIGINT");
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 0);
});

test("a program that is not ready, and one that is not there, exit with 1", async () => {
  using dir = new CommandDir();
  await using running = await operations(false);
  const unready = await dir.quick(["status", running.url]);
  assert.match(unready.out, /^not ready\n/);
  const short = await dir.quick(["status", new URL(running.url).host]);
  assert.equal(short.out, unready.out);
  assert.equal(unready.code, 1);
  const { code, err } = await dir.quick(["status", "http://127.0.0.1:1"]);
  assert.match(
    err,
    /couldn't reach agent or vault \(connection-refused\): http:\/\/127\.0\.0\.1:1\/status \[vault-unreachable\]/,
  );
  assert.equal(code, 1);
});

test("an address with a password in it is refused without showing it", async () => {
  using dir = new CommandDir();
  const { code, err } = await dir.quick(["status", "http://me:hunter2@127.0.0.1:1"]);
  assert.match(err, /http:\/\/\*\*\*@127\.0\.0\.1:1 \[source-unusable\]/);
  assert.equal(code, 2);
});

test("an address of another protocol is refused before anybody is asked", async () => {
  using dir = new CommandDir();
  const { code, err } = await dir.quick(["status", "ftp://127.0.0.1:1"]);
  assert.match(err, /want http:\/\/HOST:PORT .*ftp:\/\/127\.0\.0\.1:1 \[source-unusable\]/);
  assert.equal(code, 2);
});
