// Where the vault is and how it is reached may change at any time: names, addresses, certificates,
// and what speaks at the other end. No change needs a restart.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Lookup } from "../../src/host/http-client.ts";
import type { Answer } from "../../src/ship/sink.ts";
import type { VaultSink, VaultSinkOptions } from "../../src/ship/vault-sink.ts";
import { makeCertificate } from "../fakes/certificates.ts";
import { FakeClock } from "../fakes/clock.ts";
import { TestChain } from "./chain.ts";
import { bodyOf, HostileServer, type Misbehaviour, says, sinkTo } from "./hostile-server.ts";
import { ship, until } from "./setup.ts";

const day = 86_400_000;
const dir = await mkdtemp(join(tmpdir(), "sealtail-ways-"));
after(() => rm(dir, { recursive: true }));
const certificate = makeCertificate(new Date(Date.now() - day), new Date(Date.now() + day));
const chain = new TestChain(1);
const text = { "content-type": "text/plain" };

function send(sink: VaultSink): Promise<Answer> {
  const { signal } = new AbortController();
  return sink.post({ chainId: chain.id, blocks: chain.blocks }, signal);
}

async function codes(sink: VaultSink, attempts: number): Promise<string[]> {
  const got: string[] = [];
  for (let n = 0; n < attempts; n++) got.push((await send(sink)).code);
  return got;
}

/** Answers with what `addresses` holds; nothing is a name that nobody knows. */
function resolver(addresses: () => readonly string[]): Lookup & { asked: number } {
  const lookup: Lookup = (name, _options, answer) => {
    resolves.asked += 1;
    const found = addresses();
    const error = Object.assign(new Error(`no ${name}`), { code: "ENOTFOUND" });
    if (found.length === 0) answer(error, []);
    else
      answer(
        null,
        found.map((address) => ({ address, family: net.isIP(address) })),
      );
  };
  const resolves = Object.assign(lookup, { asked: 0 });
  return resolves;
}

/** Two vaults at one port of two addresses, and a sink that knows them by a name. */
async function moving(
  addresses: () => readonly string[],
  options: Partial<VaultSinkOptions> = {},
): Promise<{ old: HostileServer; fresh: HostileServer; sink: VaultSink; asked: () => number }> {
  const old = await HostileServer.start();
  const fresh = await HostileServer.start(undefined, "127.0.0.2");
  await new Promise((resolve) => fresh.server.close(resolve));
  const { port } = old;
  await new Promise<void>((resolve) => fresh.server.listen(port, "127.0.0.2", resolve));
  const lookup = resolver(addresses);
  const sink = sinkTo(`http://vault.test:${port}`, { lookup, ...options });
  return { old, fresh, sink, asked: () => lookup.asked };
}

test("a name that fails and comes back elsewhere is followed", async () => {
  let addresses: string[] = [];
  const { old, fresh, sink, asked } = await moving(() => addresses);
  await using _old = old;
  await using _fresh = fresh;
  assert.deepEqual(await codes(sink, 2), ["dns", "dns"]);
  addresses = ["127.0.0.1"];
  assert.deepEqual(await codes(sink, 2), ["receipt", "receipt"]);
  assert.deepEqual([asked(), old.requests, fresh.requests], [3, 2, 0]);
  // The old machine goes away, and for a while there is no name.
  addresses = [];
  for (const socket of old.sockets) socket.destroy();
  await until(() => old.sockets.size === 0);
  assert.deepEqual((await codes(sink, 2)).at(-1), "dns");
  addresses = ["127.0.0.2"];
  assert.deepEqual(await codes(sink, 1), ["receipt"]);
  assert.deepEqual([old.requests, fresh.requests], [2, 1]);
  await sink.close();
});

test("a name that moved is looked up again when the old machine only refuses", async () => {
  let addresses = ["127.0.0.1"];
  const { old, fresh, sink } = await moving(() => addresses);
  await using _old = old;
  await using _fresh = fresh;
  assert.deepEqual(await codes(sink, 1), ["receipt"]);
  addresses = ["127.0.0.2"];
  old.manner = says(503);
  assert.deepEqual(await codes(sink, 4), ["http-503", "http-503", "http-503", "receipt"]);
  assert.deepEqual([old.requests, old.connections, fresh.requests], [4, 1, 1]);
  await sink.close();
});

test("a connection that works is made anew every ten minutes, so that a name that moved is followed", async () => {
  let addresses = ["127.0.0.1"];
  const clock = new FakeClock();
  const { old, fresh, sink } = await moving(() => addresses, { clock });
  await using _old = old;
  await using _fresh = fresh;
  assert.deepEqual(await codes(sink, 2), ["receipt", "receipt"]);
  addresses = ["127.0.0.2"];
  assert.deepEqual(await codes(sink, 1), ["receipt"]);
  assert.deepEqual([old.requests, fresh.requests], [3, 0]);
  await clock.advance(601_000);
  assert.deepEqual(await codes(sink, 1), ["receipt"]);
  assert.deepEqual([old.requests, fresh.requests], [3, 1]);
  await sink.close();
});

test("of several addresses the one that answers is taken", async () => {
  await using server = await HostileServer.start();
  const lookup = resolver(() => ["127.0.0.77", "::1", "127.0.0.1"]);
  const sink = sinkTo(`http://vault.test:${server.port}`, { lookup });
  assert.equal((await send(sink)).outcome, "receipt");
  await sink.close();
});

test("without a descriptor for a connection nothing was sent, and it is asked for one", async () => {
  await using server = await HostileServer.start();
  let short = 2;
  const lookup: Lookup = (_name, _options, answer) => {
    short -= 1;
    const error = Object.assign(new Error("EMFILE"), { code: "EMFILE" });
    if (short >= 0) answer(error, []);
    else answer(null, [{ address: "127.0.0.1", family: 4 }]);
  };
  const url = `http://vault.test:${server.port}`;
  const alone = sinkTo(url, { lookup });
  const { outcome, code } = await send(alone);
  assert.deepEqual([outcome, code], ["local", "too-many-open-files"]);
  const connects = <T>(open: () => Promise<T>): Promise<T> => open().catch(() => open());
  const helped = sinkTo(url, { lookup, connects });
  assert.equal((await send(helped)).outcome, "receipt");
  assert.equal(server.requests, 1);
  await alone.close();
  await helped.close();
});

test("a name server that never answers is waited for no longer than a connection", async () => {
  const waits = { connectTimeoutMs: 60, headersTimeoutMs: 60, bodyTimeoutMs: 60 };
  const sink = sinkTo("http://vault.test:1", { lookup: () => undefined, waits });
  const { outcome, code } = await send(sink);
  assert.deepEqual([outcome, code], ["timeout", "timeout"]);
  await sink.close();
});

const ipv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);

test("a vault is reached over IPv6", { skip: !ipv6 && "this machine has no ::1" }, async () => {
  await using server = await HostileServer.start(undefined, "::1");
  const sink = sinkTo(`http://[::1]:${server.port}`, { env: { http_proxy: "127.0.0.1:1" } });
  assert.equal((await send(sink)).outcome, "receipt");
  await sink.close();
});

test("a vault that speaks HTTP/1.0 is understood", async () => {
  await using server = await HostileServer.start();
  server.manner = async (request, _response, { vault }) => {
    const blocks = [await bodyOf(request)];
    const answer = await vault.post({ chainId: chain.id, blocks }, new AbortController().signal);
    assert.equal(answer.outcome, "receipt");
    request.socket.write("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n");
    request.socket.end("note" in answer ? answer.note : "");
  };
  const sink = sinkTo(server.url);
  assert.deepEqual(await codes(sink, 2), ["receipt", "receipt"]);
  assert.deepEqual([server.requests, server.connections], [2, 2]);
  await sink.close();
});

test("TLS that meets none, and none that meets TLS, is told apart from a vault that is away", async () => {
  const ca = join(dir, "ca.pem");
  await writeFile(ca, certificate.cert);
  await using plain = await HostileServer.start();
  await using secure = await HostileServer.start({ ...certificate });
  const toPlain = sinkTo(plain.url.replace("http:", "https:"), { tls: { ca } });
  const toSecure = sinkTo(secure.url.replace("https:", "http:"));
  assert.deepEqual([await codes(toPlain, 1), plain.requests], [["tls"], 0]);
  assert.deepEqual([await codes(toSecure, 1), secure.requests], [["connection-lost"], 0]);
  await Promise.all([toPlain.close(), toSecure.close()]);
});

/** Writes a receipt byte by byte; `pace` is asked for before each of them. */
const trickles =
  (pace: () => Promise<void>): Misbehaviour =>
  async (request, response, { vault }) => {
    await bodyOf(request);
    response.on("error", () => undefined).writeHead(200, text);
    vault.stored = [...chain.blocks];
    for (const byte of vault.receipt(chain.id)) {
      await pace();
      if (response.destroyed) return;
      response.write(Buffer.of(byte));
    }
    response.end();
  };

test("an answer that comes byte by byte is taken when it ends, and cut after three minutes when not", async () => {
  await using server = await HostileServer.start();
  const clock = new FakeClock();
  const waits = { connectTimeoutMs: 5000, headersTimeoutMs: 5000, bodyTimeoutMs: 5000 };
  const sink = sinkTo(server.url, { waits });
  // A byte a second, by the shipper's clock: more seconds than it waits.
  server.manner = trickles(() => clock.sleep(1000));
  await using all = ship(chain, sink, { clock, signer: server.vault.signer });
  await until(() => server.requests === 1 && clock.sleepers > 1);
  for (let n = 0; n < 179; n++) await clock.advance(1000);
  assert.equal(all.shipper.status().lastOutcome, undefined);
  await clock.advance(1000);
  await until(() => all.shipper.status().lastOutcome !== undefined);
  const { lastOutcome, state } = all.shipper.status();
  assert.deepEqual([lastOutcome, state, all.freed], ["timeout", "unreachable", []]);
  server.manner = trickles(() => new Promise((resolve) => setImmediate(resolve)));
  await clock.advance(1000);
  await until(() => all.freed.length === 1);
  await sink.close();
});

test("a half written authority file leaves the old one in force, until it is whole", async () => {
  const ca = join(dir, "half.pem");
  const fresh = makeCertificate(new Date(Date.now() - day), new Date(Date.now() + day));
  await writeFile(ca, certificate.cert);
  await using server = await HostileServer.start({ ...certificate });
  const sink = sinkTo(server.url, { tls: { ca } });
  assert.deepEqual(await codes(sink, 1), ["receipt"]);
  const bundle = certificate.cert + fresh.cert;
  for (const length of [100, certificate.cert.length + 100, bundle.length - 40]) {
    await writeFile(ca, bundle.slice(0, length));
    assert.deepEqual(await codes(sink, 2), ["receipt", "receipt"], `${length} bytes`);
  }
  assert.deepEqual(sink.diag.phrases("warn").length, 3);
  await writeFile(ca, bundle);
  assert.deepEqual(await codes(sink, 1), ["receipt"]);
  assert.deepEqual(sink.diag.phrases("info"), ["TLS files renewed"]);
  await sink.close();
});

test("a vault's certificate that is renewed, also by another authority, needs no restart", async () => {
  const ca = join(dir, "rotated.pem");
  await writeFile(ca, certificate.cert);
  const old = await HostileServer.start({ ...certificate });
  const sink = sinkTo(old.url, { tls: { ca } });
  assert.deepEqual(await codes(sink, 1), ["receipt"]);
  const { port } = old;
  await old[Symbol.asyncDispose]();
  const next = makeCertificate(new Date(Date.now() - day), new Date(Date.now() + day));
  await using fresh = await HostileServer.start({ ...next });
  await new Promise((resolve) => fresh.server.close(resolve));
  await new Promise<void>((resolve) => fresh.server.listen(port, "127.0.0.1", resolve));
  assert.equal((await codes(sink, 2)).at(-1), "tls-untrusted");
  await writeFile(ca, next.cert);
  assert.deepEqual(await codes(sink, 1), ["receipt"]);
  await sink.close();
});

test("our certificate that ended meanwhile is named as what is wrong, not the connection", async () => {
  const pair = makeCertificate(new Date(Date.now() - day), new Date(Date.now() + 1500));
  const [ca, cert, key] = ["ours.ca", "ours.crt", "ours.key"].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  await Promise.all([
    writeFile(ca, certificate.cert),
    writeFile(cert, pair.cert),
    writeFile(key, pair.key),
  ]);
  const clock = new FakeClock(Date.now() * 1000);
  // Trusts none of ours: it hangs up as it would on an expired one.
  const mutual = { ...certificate, requestCert: true, rejectUnauthorized: true };
  await using server = await HostileServer.start(mutual);
  const sink = sinkTo(server.url, { clock, tls: { ca, cert, key } });
  const before = await send(sink);
  assert.equal(before.outcome, "transport");
  clock.step(2 * day);
  const after = await send(sink);
  assert.deepEqual([after.outcome, after.code], ["local", "certificate-expired"]);
  await sink.close();
});
