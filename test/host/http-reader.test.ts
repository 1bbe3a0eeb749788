// What is read from a server that is slow, busy or hostile.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpAnswer, HttpRequest } from "../../src/host/http-client.ts";
import { HttpReader } from "../../src/host/http-reader.ts";
import { FakeClock } from "../fakes/clock.ts";

interface Said {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A reader of a server that says one thing after the other, and what it was asked. */
function readerOf(...said: readonly Said[]): { reader: HttpReader; asked: HttpRequest[] } {
  const asked: HttpRequest[] = [];
  const ask = async (request: HttpRequest): Promise<HttpAnswer> => {
    const { status = 200, headers = {}, body = "" } = said[asked.push(request) - 1] as Said;
    const pieces = (async function* () {
      yield new TextEncoder().encode(body);
    })();
    return { status, header: (name) => headers[name], body: pieces };
  };
  const clock = new FakeClock();
  const never = { now: () => 0, mono: () => clock.mono(), sleep: async () => {} };
  const options = { who: "the server", url: "http://x", clock: never, tries: 3, waitMsMax: 1 };
  return { reader: new HttpReader({ ask }, { ...options, until: 1000 }), asked };
}

test("what is there is read, what is not there is undefined", async () => {
  const { reader } = readerOf({ body: '{"a":1}' }, { status: 404, body: "no" }, { body: "{" });
  assert.deepEqual(await reader.json("/a", 10), { a: 1 });
  assert.equal(await reader.json("/b", 10), undefined);
  await assert.rejects(reader.json("/c", 10), {
    code: "vault-answer-invalid",
    place: "http://x/c",
  });
});

test("a busy server is asked again, but not for ever", async () => {
  const busy: Said = { status: 503, headers: { "retry-after": "9" } };
  const { reader, asked } = readerOf(busy, { status: 429 }, { body: "ok" }, busy, busy, busy);
  assert.equal(new TextDecoder().decode(await reader.bytes("/", 10)), "ok");
  assert.equal(asked.length, 3);
  await assert.rejects(reader.bytes("/", 10), { code: "vault-refused" });
  assert.equal(asked.length, 6);
});

test("a refusal is told in the server's words, made printable; a redirect is no answer", async () => {
  const headers = { "content-type": "application/problem+json" };
  const body = '{"code":"forbidden","detail":"no\\u001b[2J"}';
  const { reader } = readerOf({ status: 403, headers, body }, { status: 302 });
  const message = "the server refused the request (403 forbidden no\\x1b[2J)";
  await assert.rejects(reader.bytes("/", 10), { code: "vault-refused", message });
  await assert.rejects(reader.bytes("/", 10), { code: "vault-answer-invalid" });
});

test("an answer has a size: no more than may be, and exactly what was said", async () => {
  const { reader } = readerOf({ body: "12345" }, { body: "12345" }, { body: "12345" });
  await assert.rejects(reader.bytes("/", 4), { code: "vault-answer-invalid" });
  const read = async (want: number): Promise<number> => {
    let length = 0;
    for await (const piece of (await reader.pieces("/", 5, () => want)) ?? []) {
      length += piece.length;
    }
    return length;
  };
  assert.equal(await read(5), 5);
  await assert.rejects(read(6), { code: "vault-answer-invalid" });
});

test("whoever does not answer in time cannot be reached, and no time is lost after that", async () => {
  const ask = ({ signal }: HttpRequest): Promise<HttpAnswer> =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const options = { who: "the server", url: "http://x", clock: new FakeClock(), tries: 3 };
  const keep = setInterval(() => {}, 1000);
  const reader = new HttpReader({ ask }, { ...options, waitMsMax: 1, until: 20 });
  const message = "couldn't reach the server (timeout)";
  await assert.rejects(reader.bytes("/", 10), { code: "vault-unreachable", message });
  clearInterval(keep);
});
