// To whom the operations listener answers.

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { systemClock as clock } from "../../src/host/clock.ts";
import { json, openOperationsListener } from "../../src/host/operations-listener.ts";
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

async function statuses(listen: string, hosts: readonly string[]): Promise<(number | undefined)[]> {
  const routes = { "/status": () => json(200, { path: "/var/log/app" }) };
  const diag = new RecordingDiag();
  const listener = await openOperationsListener({ listen, clock, diag, routes });
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
