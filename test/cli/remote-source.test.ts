import assert from "node:assert/strict";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { chooseChain, type OpenedSource } from "../../src/cli/chains-source.ts";
import { proveLine } from "../../src/cli/proof-maker.ts";
import { remoteSource } from "../../src/cli/remote-source.ts";
import { concat } from "../../src/core/bytes.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { type SourceReport, verifySource } from "../../src/verify/all.ts";
import { verifyProof } from "../../src/verify/proof-check.ts";
import { ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import {
  blocksName,
  memorySource,
  type StoreFiles,
  storeChain,
  storeFork,
} from "../fakes/chain-store.ts";
import { remembering } from "../fakes/remembering.ts";
import { CommandDir, keyWords } from "./command.ts";

const suite = remembering(nativeSuite);
const hex16 = (number: number): string => number.toString(16).padStart(16, "0");
const keys = { roots: [testRoot.key], vaults: [testVault.keys] };

function chainOf(blocks: number, label = "payments"): ChainBuilder {
  const chain = new ChainBuilder(label);
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  chain.seal([say(record), lines(id, "one\n")]);
  for (let block = 2; block < blocks; block += 1) {
    const snapshot = block % 1024 === 0 ? [chain.snapshot()] : [];
    chain.seal([...snapshot, lines(id, `block ${block}\n`)]);
  }
  return chain;
}

type Answer = (path: string, response: ServerResponse, query: URLSearchParams) => boolean;

/** Serves a store as the vault's API does; `instead` may answer first. */
class FakeVault implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly files: StoreFiles = new Map();
  readonly #server: Server;
  /** Names in a list, and bytes of an object, that one answer holds at most. */
  namesMax = 2;
  instead: Answer = () => false;

  constructor(chains: readonly ChainBuilder[]) {
    for (const chain of chains) storeChain(this.files, chain, { perObject: 1024 });
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://vault");
      this.asked.push(request.url ?? "");
      if (this.instead(url.pathname, response, url.searchParams)) return;
      const body = this.#answer(url.pathname, url.searchParams, response);
      if (body === undefined) response.statusCode = 404;
      response.end(body ?? "not here");
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", () => resolve()));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The one `.blocks` object that begins with block `first`. */
  blocks(chain: ChainBuilder, first = 0): Uint8Array {
    return this.files.get(blocksName(`chains/${chain.name}`, first)) as Uint8Array;
  }

  #answer(
    path: string,
    query: URLSearchParams,
    response: ServerResponse,
  ): string | Uint8Array | undefined {
    const [, version, store, top, id, what] = path.split("/");
    if (version !== "v1" || store !== "store" || top !== "chains") return undefined;
    const after = query.get("after") ?? "";
    if (id === undefined) {
      const ids = new Set([...this.files.keys()].map((name) => name.split("/")[1] as string));
      return this.#list("chains", [...ids], after);
    }
    const start = `chains/${id}/`;
    const names = [...this.files.keys()].filter((name) => name.startsWith(start));
    const objects = names.map((name) => name.slice(start.length));
    const listed = objects.filter((name) => !["grant", "receipt"].includes(name));
    if (what === undefined) return this.#list("objects", listed, after);
    const bytes = this.files.get(start + query.get("name"));
    if (bytes === undefined) return undefined;
    response.setHeader("sealtail-size", bytes.length);
    const from = Number(query.get("from") ?? 0);
    return bytes.subarray(from, from + Number(query.get("limit") ?? bytes.length));
  }

  #list(what: string, names: readonly string[], after: string): string {
    const left = names.filter((name) => name > after).sort();
    const page = left.slice(0, this.namesMax);
    const next = page.length < left.length ? { next: page.at(-1) } : {};
    return JSON.stringify({ [what]: page, ...next, unread: [] });
  }
}

const quick = { idleMs: 300, answerMs: 600, tries: 2, waitMsMax: 20 };

async function verified(source: OpenedSource, headersOnly = false): Promise<SourceReport> {
  return await verifySource(source, { suite, ...keys, headersOnly });
}

test("a vault's chains are verified, also over several pages and objects", async () => {
  const chains = [chainOf(1100), ...["a", "b", "c", "d"].map((label) => chainOf(3, label))];
  await using vault = new FakeVault(chains);
  const source = await remoteSource(await vault.start(), undefined);
  const report = await verified(source);
  assert.deepEqual([report.verdict, report.findings], ["VALID", []]);
  assert.equal(report.chains.length, 5);
  assert.equal(report.blocks, 1112);
  assert.ok(vault.asked.some((path) => path.includes("?after=")));
  const heads = await verified(source, true);
  assert.deepEqual([heads.verdict, heads.blocks], ["INDETERMINATE", 1112]);
  const chain = await chooseChain(source, "payments");
  assert.equal(chain.id, (chains[0] as ChainBuilder).name);
  await source.close();
});

test("lines of a vault are proved, and its chains exported as a store would hold them", async () => {
  const built = chainOf(1100);
  await using vault = new FakeVault([built]);
  const source = await remoteSource(await vault.start(), undefined);
  const chain = await chooseChain(source, built.name.slice(0, 8));
  const proof = await proveLine(chain, { kind: "short", seq: 1080, keys });
  const report = verifyProof(suite, proof, keys);
  assert.deepEqual(report.faults, []);
  assert.match(Buffer.from(report.envelope!.bytes).toString(), /^block 1\d{3}$/);
  await source.close();

  using dir = new CommandDir();
  dir.keys();
  const url = source.name;
  const exported = await dir.run(["export", url, "payments", "-o", "b.tar"]);
  assert.equal(exported.code, 0);
  const bundle = await dir.run(["verify", "b.tar", ...keyWords]);
  assert.match(bundle.out, /^VALID\n1 chain, 1,100 blocks/);
  const live = await dir.quick(["verify", url, "payments", ...keyWords]);
  assert.equal(live.code, 4);
  assert.match(live.out, /^age judged at 20/m);
  assert.match(live.out, /CHAIN_STALLED/);
  const then = await dir.quick(["verify", url, ...keyWords, "--at", "2026-01-01T00:18:20Z"]);
  assert.equal(then.code, 0);
  const shown = await dir.quick([
    "lines",
    url,
    "payments",
    "--from-seq",
    "1080",
    "--to-seq",
    "1081",
  ]);
  assert.equal(shown.out.split("\n").length, 3);
});

test("a fork's proof that a vault hands out is judged", async () => {
  const chain = new ChainBuilder("forked");
  chain.begin();
  const twin = chain.twin([say({ type: "heartbeat", sources: [] })]);
  const ours = chain.seal([say({ type: "stop", reason: "sigterm" })]);
  await using vault = new FakeVault([chain]);
  storeFork(vault.files, chain, ours, twin);
  const source = await remoteSource(await vault.start(), undefined);
  const report = await verified(source);
  assert.equal(report.verdict, "INVALID");
  assert.deepEqual(report.counts, { FORK: 1 });
  await source.close();
});

test("what a store holds is seen from afar as it is seen beside it, damage and all", async () => {
  const chain = chainOf(40);
  const bends: readonly ((blocks: Uint8Array, at: number) => Uint8Array)[] = [
    (blocks, at) => blocks.with(at, 0),
    (blocks, at) => blocks.with(at + 75, (blocks[at + 75] as number) ^ 0x40),
    (blocks, at) => blocks.with(at + 100, (blocks[at + 100] as number) ^ 1),
    (blocks, at) => blocks.subarray(0, at + 200),
    (blocks) => concat(blocks, new Uint8Array(20)),
    (blocks) => concat(blocks, blocks.subarray(0, 600)),
  ];
  for (const [index, bend] of bends.entries()) {
    await using vault = new FakeVault([chain]);
    const at = concat(...chain.blocks.slice(0, 7).map(({ bytes }) => bytes)).length;
    const bent = bend(vault.blocks(chain), at);
    vault.files.set(blocksName(`chains/${chain.name}`, 0), bent);
    const source = await remoteSource(await vault.start(), undefined);
    const far = await verified(source);
    const near = await verifySource(memorySource(vault.files), { suite, ...keys });
    assert.deepEqual({ ...far, source: "" }, { ...near, source: "" }, `bend ${index}`);
    assert.notEqual(far.verdict, "VALID");
    await source.close();
  }
});

const big = 40_000_000;
const hostile: readonly (readonly [what: string, answer: Answer])[] = [
  ["silence", () => true],
  ["a redirect", (_, response) => ended(response.writeHead(302, { location: "/elsewhere" }))],
  ["a server error", (_, response) => ended(response.writeHead(500))],
  ["nothing but busy", (_, response) => ended(response.writeHead(503, { "retry-after": "9999" }))],
  ["a connection cut off", (_, response) => Boolean(response.socket?.destroy())],
  ["a body that never ends", (_, response) => endless(response)],
  ["a body that trickles", (_, response) => trickle(response)],
  ["a body that is cut off", (_, response) => cutOff(response)],
  ["no JSON", (_, response) => ended(response, "<html>")],
  ["other JSON", (_, response) => ended(response, "[1]")],
  ["null", (_, response) => ended(response, "null")],
  ["deep JSON", (_, response) => ended(response, "[".repeat(100_000))],
  ["ids that are none", (_, response) => ended(response, listing('["../../etc"]'))],
  ["the same list for ever", (_, response) => ended(response, sameList)],
  ["an empty list for ever", (_, response) => ended(response, listing('[],"next":"0"'))],
  ["no list of what can't be read", (_, response) => ended(response, '{"chains":[]}')],
];
const listing = (chains: string) => `{"chains":${chains},"unread":[]}`;
const sameList = listing(`["${"a".repeat(64)}"],"next":"${"a".repeat(64)}"`);

function ended(response: ServerResponse, body: string | Uint8Array = ""): boolean {
  response.end(body);
  return true;
}

function endless(response: ServerResponse): boolean {
  const piece = Buffer.alloc(1_000_000, 0x20);
  let sent = 0;
  const more = (): void => {
    sent += piece.length;
    if (sent > big || response.destroyed) response.destroy();
    else response.write(piece, more);
  };
  more();
  return true;
}

function trickle(response: ServerResponse): boolean {
  const timer = setInterval(() => response.write(" "), 50);
  response.on("close", () => clearInterval(timer));
  return true;
}

function cutOff(response: ServerResponse): boolean {
  response.writeHead(200, { "content-length": "100" });
  response.write("{}", () => response.destroy());
  return true;
}

for (const [what, answer] of hostile) {
  test(`a vault that answers with ${what} cannot be judged, and does no more`, async () => {
    await using vault = new FakeVault([]);
    vault.instead = answer;
    const source = await remoteSource(await vault.start(), undefined, quick);
    const report = await verified(source);
    assert.equal(report.verdict, "INDETERMINATE");
    assert.equal(report.chains.length, 0);
    assert.ok(vault.asked.length < 5);
    await source.close();
  });
}

const names = (list: string) => `{"objects":${list},"unread":[]}`;
const lies: readonly (readonly [what: string, path: RegExp, body: string | Uint8Array])[] = [
  ["no objects", /[0-9a-f]{64}$/, "{}"],
  ["objects that are none", /[0-9a-f]{64}$/, names('["../../etc/passwd"]')],
  ["objects out of order", /[0-9a-f]{64}$/, names(`["${hex16(9)}.blocks","${hex16(0)}.blocks"]`)],
  ["an object that is not there", /[0-9a-f]{64}$/, names(`["${hex16(9)}.blocks"]`)],
  ["more bytes than were asked for", /object$/, new Uint8Array(9_000_000)],
  ["a page of something else", /object$/, "<html>sign in</html>"],
];

for (const [what, path, body] of lies) {
  test(`a vault that says ${what} of a chain cannot be judged`, async () => {
    await using vault = new FakeVault([chainOf(20)]);
    vault.instead = (asked, response) => {
      if (!path.test(asked)) return false;
      response.end(body);
      return true;
    };
    const source = await remoteSource(await vault.start(), undefined, quick);
    const report = await verified(source);
    assert.equal(report.verdict, "INDETERMINATE");
    await source.close();
  });
}

test("an object of which a part is missing on the way is no shorter object", async () => {
  await using vault = new FakeVault([chainOf(20)]);
  const { files } = vault;
  const source = await remoteSource(await vault.start(), undefined, quick);
  for (const cut of [".blocks", "receipt", "grant"]) {
    vault.instead = (path, response, query) => {
      const name = path.replace(/^\/v1\/store\/(.*)\/object$/, `$1/${query.get("name")}`);
      const bytes = files.get(name);
      if (bytes === undefined || !name.endsWith(cut)) return false;
      response.setHeader("sealtail-size", bytes.length);
      return ended(response, bytes.subarray(0, -1));
    };
    assert.equal((await verified(source)).verdict, "INDETERMINATE", cut);
  }
  await source.close();
});

test("a list that goes on for ever, one name a page, is given up", async () => {
  await using vault = new FakeVault([]);
  let names = 0;
  vault.instead = (_, response) => {
    names += 1;
    const id = names.toString(16).padStart(64, "0");
    return ended(response, JSON.stringify({ chains: [id], unread: [], next: id }));
  };
  const source = await remoteSource(await vault.start(), undefined, quick);
  assert.equal((await verified(source)).verdict, "INDETERMINATE");
  assert.ok(names < 5000);
  await source.close();
});

test("a connection that was closed while it was idle is no failure of the vault", async () => {
  const built = chainOf(20);
  await using vault = new FakeVault([built]);
  const used = new WeakSet<object>();
  vault.instead = (_, response) => {
    const socket = response.socket as object;
    if (used.has(socket)) response.destroy();
    used.add(socket);
    return response.destroyed;
  };
  const source = await remoteSource(await vault.start(), undefined, quick);
  assert.equal((await verified(source)).verdict, "VALID");
  await source.close();
});

test("why a vault refuses is said, and nothing listening is told from that", async () => {
  using dir = new CommandDir();
  dir.keys();
  await using vault = new FakeVault([]);
  vault.instead = (_, response) => {
    response.writeHead(403, { "content-type": "application/problem+json" });
    response.end('{"code":"forbidden","detail":"reading needs a role\\u001b[2J"}');
    return true;
  };
  const url = await vault.start();
  const refused = await dir.quick(["lines", url, "payments"]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /refused the request \(403 forbidden reading needs a role\\x1b\[2J\)/);
  const judged = await dir.quick(["verify", url, ...keyWords]);
  assert.equal(judged.code, 6);
  assert.match(judged.out, /^INDETERMINATE\n0 chains/);
  assert.match(judged.err, /^sealtail: warning: the vault refused/);
  const nobody = await dir.quick(["verify", "http://127.0.0.1:9", ...keyWords]);
  assert.equal(nobody.code, 6);
  assert.match(
    nobody.err,
    /couldn't reach the vault \(connection-refused\).*\[vault-unreachable\]/,
  );
});

test("a vault that fails midway fails the command that reads lines or proves them", async () => {
  using dir = new CommandDir();
  await using vault = new FakeVault([chainOf(20)]);
  vault.instead = (_, response, query) => {
    if (query.get("name")?.endsWith(".blocks") !== true) return false;
    return cutOff(response);
  };
  const url = await vault.start();
  for (const words of [
    ["lines", url, "payments"],
    ["prove", url, "payments", "4"],
  ]) {
    const { code, out, err } = await dir.quick(words);
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, /\[vault-(unreachable|answer-invalid)\]/);
  }
});

test("a vault that lists more chains than anybody can judge is refused, at once and in words", async () => {
  await using vault = new FakeVault([]);
  const id = (number: number): string => number.toString(16).padStart(64, "0");
  const perPage = 100_001;
  vault.instead = (path, response, query) => {
    if (path !== "/v1/store/chains") return false;
    const first = Number.parseInt(query.get("after") ?? "0", 16) + 1;
    const chains = Array.from({ length: perPage }, (_, at) => id(first + at));
    response.end(JSON.stringify({ chains, next: chains.at(-1), unread: [] }));
    return true;
  };
  const source = await remoteSource(await vault.start(), undefined);
  try {
    await assert.rejects(source.contents(), {
      code: "vault-answer-invalid",
      message: /it lists more than 200000 chains/,
    });
    assert.equal(vault.asked.length, 2);
    assert.equal((await verified(source)).verdict, "INDETERMINATE");
  } finally {
    await source.close();
  }
});
