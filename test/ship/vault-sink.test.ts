// Certificates, names and proxies: how the vault is reached, on real sockets.

import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import type https from "node:https";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SealtailError } from "../../src/core/errors.ts";
import { proxyFor } from "../../src/host/http-proxy.ts";
import type { Answer } from "../../src/ship/sink.ts";
import type { VaultSink } from "../../src/ship/vault-sink.ts";
import { makeCertificate, type TestCertificate } from "../fakes/certificates.ts";
import { TestChain } from "./chain.ts";
import { HostileServer, sinkTo } from "./hostile-server.ts";

const day = 86_400_000;
const dir = await mkdtemp(join(tmpdir(), "sealtail-ship-"));
after(() => rm(dir, { recursive: true }));

const chain = new TestChain(1);
const never = new AbortController().signal;

function send(sink: VaultSink, signal: AbortSignal = never): Promise<Answer> {
  return sink.post({ chainId: chain.id, blocks: chain.blocks }, signal);
}

function certificate(fromDays = -1, toDays = 1): TestCertificate {
  return makeCertificate(
    new Date(Date.now() + fromDays * day),
    new Date(Date.now() + toDays * day),
  );
}

const server = certificate();
const ca = join(dir, "ca.pem");
await writeFile(ca, server.cert);

let names = 0;
/** Files of a client certificate. */
async function clientFiles(pair: TestCertificate): Promise<{ cert: string; key: string }> {
  names += 1;
  const paths = { cert: join(dir, `${names}.crt`), key: join(dir, `${names}.key`) };
  await renew(paths, pair);
  return paths;
}

async function renew(
  { cert, key }: { cert: string; key: string },
  pair: TestCertificate,
): Promise<void> {
  for (const [path, content] of [
    [cert, pair.cert],
    [key, pair.key],
  ] as const) {
    await writeFile(`${path}.new`, content);
    await rename(`${path}.new`, path);
  }
}

function mutual(trusted: TestCertificate): https.ServerOptions {
  return { ...server, ca: trusted.cert, requestCert: true, rejectUnauthorized: true };
}

test("a vault with a certificate of a private authority is trusted with that authority only", async () => {
  await using vault = await HostileServer.start({ ...server });
  const trusting = sinkTo(vault.url, { tls: { ca } });
  assert.equal((await send(trusting)).outcome, "receipt");
  const plain = sinkTo(vault.url);
  const { outcome, code } = await send(plain);
  assert.deepEqual([outcome, code, vault.requests], ["transport", "tls-untrusted", 1]);
  await Promise.all([trusting.close(), plain.close()]);
});

test("what is wrong with a certificate is told: its authority, its name or its dates", async () => {
  const [from, to] = [new Date(Date.now() - day), new Date(Date.now() + day)];
  const elsewhere = makeCertificate(from, to, "elsewhere");
  for (const [shown, trusted, want] of [
    [server, certificate(), "tls-untrusted"],
    [elsewhere, elsewhere, "tls-wrong-name"],
    ...[certificate(-2, -1), certificate(1, 2)].map((each) => [each, each, "tls-expired"] as const),
  ] as const) {
    const path = join(dir, "trusted.pem");
    await writeFile(path, trusted.cert);
    await using vault = await HostileServer.start({ ...shown });
    const sink = sinkTo(vault.url, { tls: { ca: path } });
    const { outcome, code } = await send(sink);
    assert.deepEqual([outcome, code, vault.requests], ["transport", want, 0]);
    await sink.close();
  }
});

test("a renewed client certificate is taken up without a restart, and its end is known", async () => {
  const [old, fresh] = [certificate(), certificate(-1, 9)];
  const files = await clientFiles(old);
  const sink = await (async () => {
    await using vault = await HostileServer.start(mutual(old));
    const made = sinkTo(vault.url, { tls: { ca, ...files } });
    assert.equal(made.certificateNotAfter, undefined);
    assert.equal((await send(made)).outcome, "receipt");
    return made;
  })();
  const oldEnd = sink.certificateNotAfter;
  assert.ok(oldEnd !== undefined && Math.abs(oldEnd / 1000 - Date.now() - day) < 60_000);
  await sink.close();
  // The vault now trusts the new certificate only.
  await using vault = await HostileServer.start(mutual(fresh));
  const next = sinkTo(vault.url, { tls: { ca, ...files } });
  assert.equal((await send(next)).outcome, "transport");
  await renew(files, fresh);
  assert.equal((await send(next)).outcome, "receipt");
  assert.ok((next.certificateNotAfter ?? 0) > oldEnd + day * 1000);
  assert.deepEqual(next.diag.phrases("info"), ["TLS files renewed"]);
  // Unchanged files are not read again, and the connection is kept.
  assert.equal((await send(next)).outcome, "receipt");
  assert.equal(vault.requests, 2);
  await next.close();
});

test("a renewal that cannot be used leaves the old certificate in force, until it can", async () => {
  const [old, fresh] = [certificate(), certificate(-1, 9)];
  const files = await clientFiles(old);
  await using vault = await HostileServer.start({ ...server });
  const sink = sinkTo(vault.url, { tls: { ca, ...files } });
  assert.equal((await send(sink)).outcome, "receipt");
  const before = sink.certificateNotAfter;
  await writeFile(files.cert, fresh.cert);
  assert.equal((await send(sink)).outcome, "receipt");
  assert.equal((await send(sink)).outcome, "receipt");
  assert.equal(sink.certificateNotAfter, before);
  assert.equal(sink.diag.phrases("warn").length, 1);
  await writeFile(files.key, fresh.key);
  assert.equal((await send(sink)).outcome, "receipt");
  assert.notEqual(sink.certificateNotAfter, before);
  await sink.close();
});

test("TLS files that are missing, expired or none at all are our own affair and mend by themselves", async () => {
  await using vault = await HostileServer.start({ ...server });
  const files = await clientFiles(certificate(-9, -2));
  const sink = sinkTo(vault.url, { tls: { ca, ...files } });
  const expired = await send(sink);
  assert.deepEqual([expired.outcome, expired.code], ["local", "certificate-expired"]);
  await rm(files.key);
  assert.equal((await send(sink)).code, "tls-file-unreadable");
  await writeFile(files.key, "not a key");
  assert.equal((await send(sink)).code, "tls-file-invalid");
  await renew(files, certificate());
  assert.equal((await send(sink)).outcome, "receipt");
  await sink.close();
  const missing = sinkTo(vault.url, { tls: { ca: join(dir, "nowhere.pem") } });
  const none = await send(missing);
  assert.deepEqual([none.outcome, none.code], ["local", "tls-file-unreadable"]);
  await missing.close();
});

test("a name that nobody knows is a matter of DNS", async () => {
  const sink = sinkTo("http://vault.invalid:80");
  const { outcome, code } = await send(sink);
  assert.deepEqual([outcome, code], ["transport", "dns"]);
  await sink.close();
});

test("an aborted request is answered at once, before and while it runs", async () => {
  await using vault = await HostileServer.start();
  vault.script = [() => undefined];
  const sink = sinkTo(vault.url);
  const abort = new AbortController();
  const running = send(sink, abort.signal);
  while (vault.requests === 0) await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  assert.equal((await running).outcome, "timeout");
  assert.equal((await send(sink, abort.signal)).outcome, "timeout");
  assert.equal((await send(sink)).outcome, "receipt");
  await sink.close();
  assert.equal((await send(sink)).outcome, "timeout");
});

interface Proxy {
  readonly url: string;
  readonly seen: string[];
  readonly auth: (string | undefined)[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** A proxy that takes every name for this machine. */
async function startProxy(): Promise<Proxy> {
  const seen: string[] = [];
  const auth: (string | undefined)[] = [];
  const sockets = new Set<net.Socket>();
  const proxy = http.createServer((request, response) => {
    const target = new URL(request.url ?? "");
    seen.push(`${request.method} ${target.host}`);
    auth.push(request.headers["proxy-authorization"]);
    const { method, headers } = request;
    const { port, pathname } = target;
    const onward = http.request(
      { port, path: pathname, method, headers, host: "127.0.0.1" },
      (got) => {
        response.writeHead(got.statusCode ?? 500, got.headers);
        got.pipe(response);
      },
    );
    request.pipe(onward);
  });
  proxy.on("connect", (request, socket: net.Socket) => {
    seen.push(`CONNECT ${request.url}`);
    auth.push(request.headers["proxy-authorization"]);
    const onward = net.connect(Number((request.url ?? "").split(":").at(-1)), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy());
  });
  proxy.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://me:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    seen,
    auth,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

const basic = `Basic ${Buffer.from("me:secret").toString("base64")}`;

test("http goes through the proxy of the given environment, with its name and password", async () => {
  await using proxy = await startProxy();
  await using vault = await HostileServer.start();
  const sink = sinkTo(`http://vault.test:${vault.port}`, { env: { http_proxy: proxy.url } });
  assert.equal((await send(sink)).outcome, "receipt");
  assert.deepEqual(proxy.seen, [`POST vault.test:${vault.port}`]);
  assert.deepEqual(proxy.auth, [basic]);
  await sink.close();
});

test("https tunnels through it, with our authority and client certificate inside", async () => {
  await using proxy = await startProxy();
  const pair = certificate();
  await using vault = await HostileServer.start(mutual(pair));
  // With the dot it is the same name to TLS, and not this machine's to us.
  const sink = sinkTo(`https://localhost.:${vault.port}`, {
    env: { HTTPS_PROXY: proxy.url },
    tls: { ca, ...(await clientFiles(pair)) },
  });
  const { outcome, code } = await send(sink);
  assert.deepEqual([outcome, code], ["receipt", "receipt"]);
  assert.deepEqual(proxy.seen, [`CONNECT localhost.:${vault.port}`]);
  assert.deepEqual(proxy.auth, [basic]);
  await sink.close();
});

test("a proxy that refuses is named as what failed", async () => {
  const proxy = http.createServer().on("connect", (_request, socket) => {
    socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const sink = sinkTo("https://vault.test", { env: { https_proxy: url } });
  const { outcome, code } = await send(sink);
  assert.deepEqual([outcome, code], ["transport", "proxy"]);
  await sink.close();
  await new Promise((resolve) => proxy.close(resolve));
});

test("no_proxy and this machine's own addresses go without a proxy, whatever the process has set", async () => {
  await using vault = await HostileServer.start();
  const dead = "http://127.0.0.1:1";
  process.env.http_proxy = dead;
  try {
    for (const env of [{}, { http_proxy: dead }]) {
      const sink = sinkTo(vault.url, { env });
      assert.equal((await send(sink)).outcome, "receipt");
      await sink.close();
    }
    const host = `http://vault.invalid:${vault.port}`;
    const sink = sinkTo(host, { env: { http_proxy: dead, NO_PROXY: ".invalid" } });
    assert.equal((await send(sink)).code, "dns");
    await sink.close();
    const direct = sinkTo(host, { env: { https_proxy: dead } });
    assert.equal((await send(direct)).code, "dns");
    await direct.close();
  } finally {
    delete process.env.http_proxy;
  }
});

test("a proxy without a scheme is http; one that is no address is a fault of the configuration", () => {
  const url = new URL("http://vault.example");
  assert.equal(proxyFor(url, { HTTP_PROXY: "proxy:3128" })?.proxy, "http://proxy:3128");
  assert.equal(proxyFor(url, { http_proxy: " " }), undefined);
  for (const value of ["socks5://proxy:1080", "http://", "http://user:hunter2@:port"]) {
    assert.throws(
      () => proxyFor(url, { http_proxy: value }),
      (error) =>
        error instanceof SealtailError &&
        error.code === "config-invalid" &&
        !`${error.message}${error.hint}${error.place}`.includes("hunter2"),
    );
  }
});
