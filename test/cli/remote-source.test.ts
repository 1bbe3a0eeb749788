import assert from "node:assert/strict";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { chooseChain, type OpenedSource } from "../../src/cli/chains-source.ts";
import { makeProof } from "../../src/cli/proof-maker.ts";
import { remoteSource } from "../../src/cli/remote-source.ts";
import { headLength } from "../../src/core/block.ts";
import { concat } from "../../src/core/bytes.ts";
import { verifyProof } from "../../src/core/proof-check.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { type SourceReport, verifySource } from "../../src/verify/all.ts";
import { ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { CommandDir, keyWords } from "./command.ts";

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

/** Serves chains as the vault's API does; `instead` may answer first. */
class FakeVault implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #chains: ReadonlyMap<string, ChainBuilder>;
  /** Blocks on a page at most. */
  pageMax = 300;
  instead: Answer = () => false;
  forks: Uint8Array = new Uint8Array(0);
  /** Bends what is served as block `number`. */
  bend: (number: number, bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes;

  constructor(chains: readonly ChainBuilder[]) {
    this.#chains = new Map(chains.map((chain) => [chain.name, chain]));
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://vault");
      this.asked.push(request.url ?? "");
      if (this.instead(url.pathname, response, url.searchParams)) return;
      const body = this.#answer(url.pathname, url.searchParams);
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

  #answer(path: string, query: URLSearchParams): string | Uint8Array | undefined {
    const [, version, top, id = "", what] = path.split("/");
    if (version !== "v1" || top !== "chains") return undefined;
    if (id === "") return this.#list(query.get("after") ?? "", Number(query.get("limit")));
    const chain = this.#chains.get(id);
    if (chain === undefined) return undefined;
    const from = Number(query.get("from"));
    const count = Math.min(Number(query.get("limit")), this.pageMax);
    const page = chain.blocks.slice(from, from + count);
    switch (what) {
      case undefined:
        return JSON.stringify({ chain: id, size: chain.length });
      case "grant":
        return chain.grant;
      case "receipt":
        return chain.receipt();
      case "forks":
        return this.forks;
      case "headers":
        return concat(...page.map(({ bytes }) => bytes.subarray(0, headLength)));
      case "blocks":
        return concat(...page.map(({ bytes }, index) => this.bend(from + index, bytes)));
      default:
        return undefined;
    }
  }

  // Two on a page, so that there are several.
  #list(after: string, limit: number): string {
    const ids = [...this.#chains.keys()].sort().filter((id) => id > after);
    const page = ids.slice(0, Math.min(2, limit));
    const next = page.length < ids.length ? { next: page.at(-1) } : {};
    return JSON.stringify({ chains: page.map((chain) => ({ chain })), ...next });
  }
}

const quick = { idleMs: 300, answerMs: 600, tries: 2, waitMsMax: 20 };

async function verified(source: OpenedSource, headersOnly = false): Promise<SourceReport> {
  return await verifySource(source, { suite, ...keys, headersOnly });
}

test("a vault's chains are verified, also over several pages and objects", async () => {
  const chains = [chainOf(2500), ...["a", "b", "c", "d"].map((label) => chainOf(3, label))];
  await using vault = new FakeVault(chains);
  const source = await remoteSource(await vault.start(), undefined);
  const report = await verified(source);
  assert.deepEqual([report.verdict, report.findings], ["VALID", []]);
  assert.equal(report.chains.length, 5);
  assert.equal(report.blocks, 2512);
  assert.ok(vault.asked.some((path) => path.includes("blocks?from=1024&")));
  const heads = await verified(source, true);
  assert.deepEqual([heads.verdict, heads.blocks], ["VALID", 2512]);
  const chain = await chooseChain(source, "payments");
  assert.equal(chain.id, (chains[0] as ChainBuilder).name);
  await source.close();
});

test("lines of a vault are proved, and its chains exported as a store would hold them", async () => {
  const built = chainOf(1500);
  await using vault = new FakeVault([built]);
  const source = await remoteSource(await vault.start(), undefined);
  const chain = await chooseChain(source, built.name.slice(0, 8));
  const proof = await makeProof(chain, 1400, keys);
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
  assert.match(bundle.out, /^VALID\n1 chain, 1,500 blocks/);
  const live = await dir.quick(["verify", url, "payments", ...keyWords]);
  assert.equal(live.code, 4);
  assert.match(live.out, /^age judged at 20/m);
  assert.match(live.out, /CHAIN_STALLED/);
  const then = await dir.quick(["verify", url, ...keyWords, "--at", "2026-01-01T00:25:00Z"]);
  assert.equal(then.code, 0);
  const shown = await dir.quick([
    "lines",
    url,
    "payments",
    "--from-seq",
    "1400",
    "--to-seq",
    "1401",
  ]);
  assert.equal(shown.out.split("\n").length, 3);
});

test("a fork's proof that a vault hands out is judged", async () => {
  const chain = new ChainBuilder("forked");
  chain.begin();
  const twin = chain.twin([say({ type: "heartbeat", sources: [] })]);
  const ours = chain.seal([say({ type: "stop", reason: "sigterm" })]);
  await using vault = new FakeVault([chain]);
  vault.forks = concat(ours.head, twin.head);
  const source = await remoteSource(await vault.start(), undefined);
  const report = await verified(source);
  assert.equal(report.verdict, "INVALID");
  assert.deepEqual(report.counts, { FORK: 1 });
  await source.close();
});

test("blocks that a vault bends are found, and hide no others", async () => {
  const chain = chainOf(1400);
  await using vault = new FakeVault([chain]);
  vault.bend = (number, bytes) => {
    if (number !== 700) return bytes;
    const bent = bytes.slice();
    bent[100] = (bent[100] as number) ^ 1;
    return bent;
  };
  const source = await remoteSource(await vault.start(), undefined);
  const report = await verified(source);
  assert.equal(report.verdict, "INVALID");
  assert.equal(report.counts.BAD_SIGNATURE, 1);
  assert.equal(report.blocks, 1399);
  await source.close();
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
  ["ids that are none", (_, response) => ended(response, '{"chains":[{"chain":"../../etc"}]}')],
  ["the same list for ever", (_, response) => ended(response, sameList)],
  ["an empty list for ever", (_, response) => ended(response, '{"chains":[],"next":"0"}')],
];
const sameList = `{"chains":[{"chain":"${"a".repeat(64)}"}],"next":"${"a".repeat(64)}"}`;

function ended(response: ServerResponse, body = ""): boolean {
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

const lies: readonly (readonly [what: string, path: RegExp, body: string | Uint8Array])[] = [
  ["a size beyond all numbers", /[0-9a-f]{64}$/, '{"size":9007199254740991}'],
  ["a size below zero", /[0-9a-f]{64}$/, '{"size":-1}'],
  ["no size", /[0-9a-f]{64}$/, "{}"],
  ["no blocks", /blocks$/, ""],
  ["more than was asked for", /blocks$/, new Uint8Array(9_000_000)],
  ["no headers", /headers$/, ""],
  ["half a header", /headers$/, new Uint8Array(100)],
  ["half a proof", /forks$/, new Uint8Array(100)],
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

test("headers that are none are judged like any others", async () => {
  await using vault = new FakeVault([chainOf(20)]);
  vault.instead = (path, response, query) => {
    if (!path.endsWith("/headers")) return false;
    response.end(new Uint8Array(Number(query.get("limit")) * headLength));
    return true;
  };
  const source = await remoteSource(await vault.start(), undefined, quick);
  const report = await verified(source);
  assert.notEqual(report.verdict, "VALID");
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
  assert.match(nobody.err, /couldn't reach the vault \(ECONNREFUSED\).*\[vault-unreachable\]/);
});

test("a vault that fails midway fails the command that reads lines or proves them", async () => {
  using dir = new CommandDir();
  await using vault = new FakeVault([chainOf(20)]);
  vault.instead = (path, response) => {
    if (!path.endsWith("/blocks")) return false;
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
