// To whom the operations listener answers, and what.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { systemClock as clock } from "../../src/host/clock.ts";
import { Metrics } from "../../src/host/metrics.ts";
import { openOperations, type Probe } from "../../src/host/operations-listener.ts";
import { RecordingDiag } from "../fakes/diag.ts";

function ask(port: number, host: string, path = "/status"): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const headers = { host };
  const options = { port, path, headers, host: "127.0.0.1", agent: false };
  const request = http.get(options, (response) => {
    response.resume();
    resolve(response.statusCode);
  });
  request.on("error", reject);
  return promise;
}

interface Shown {
  readonly alive?: Probe;
  readonly ready?: Probe;
}

const fine: Probe = { ok: true, checks: {} };

function open(
  listen: string,
  { alive = fine, ready = fine }: Shown = {},
): ReturnType<typeof openOperations> {
  return openOperations({
    ...{ listen, clock, diag: new RecordingDiag(), metrics: new Metrics("test_", "1.2.3") },
    ...{ alive: () => alive, started: () => fine, ready: async () => ready },
    status: () => ({ path: "/var/log/app", size: 2n ** 60n }),
  });
}

async function statuses(listen: string, hosts: readonly string[]): Promise<(number | undefined)[]> {
  const listener = await open(listen);
  try {
    return await Promise.all(hosts.map((host) => ask(listener.port, host)));
  } finally {
    await listener.close(0);
  }
}

const ours = ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:9464", "[::1]:80", "[::1]"];
const foreign = [
  ...["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "localhost.evil.example"],
  ...[":9464", "10.0.0.1", "localhost:9464:1", "evil@localhost", "127.0.0.1, evil.example"],
];

test("on an address of this machine, only requests that name this machine are answered", async () => {
  assert.deepEqual(
    await statuses("127.0.0.1:0", ours),
    ours.map(() => 200),
  );
  assert.deepEqual(
    await statuses("127.0.0.1:0", foreign),
    foreign.map(() => 421),
  );
  assert.deepEqual(await statuses("localhost:0", ["evil.example", "localhost"]), [421, 200]);
});

test("where every address is listened on, every name will do", async () => {
  assert.deepEqual(await statuses("0.0.0.0:0", ["node-7:9464", "localhost"]), [200, 200]);
});

test("a probe is green or red, and says what it looked at and what else there is to know", async () => {
  const ready = { ok: false, checks: { room: false }, detail: { damaged: { count: 1 } } };
  const listener = await open("127.0.0.1:0", { ready });
  try {
    const get = async (path: string): Promise<unknown[]> => {
      const response = await fetch(`${listener.url}${path}`);
      return [response.status, await response.json()];
    };
    assert.deepEqual(await get("/livez"), [200, fine]);
    assert.deepEqual(await get("/startupz?verbose"), [200, fine]);
    const red = { ok: false, checks: { room: false }, damaged: { count: 1 } };
    assert.deepEqual(await get("/readyz"), [503, red]);
    assert.deepEqual(await get("/status"), [200, { path: "/var/log/app", size: `${2n ** 60n}` }]);
    assert.deepEqual((await get("/elsewhere"))[0], 404);
  } finally {
    await listener.close(0);
  }
});

test("metrics are those of the program and of its process", async () => {
  const listener = await open("127.0.0.1:0");
  try {
    const response = await fetch(`${listener.url}/metrics`);
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=/);
    const text = await response.text();
    assert.match(text, /^test_build_info\{version="1.2.3",node_version="v[0-9.]+"\} 1$/m);
    assert.match(text, /^process_cpu_seconds_total /m);
    assert.doesNotMatch(text, /nodejs_active_handles_total/);
  } finally {
    await listener.close(0);
  }
});

test("what changes something is refused, and asking for headers alone is not", async () => {
  const listener = await open("127.0.0.1:0");
  try {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const { status, headers } = await fetch(`${listener.url}/livez`, { method });
      assert.deepEqual([status, headers.get("allow")], [405, "GET, HEAD"]);
    }
    const head = await fetch(`${listener.url}/livez`, { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
  } finally {
    await listener.close(0);
  }
});
