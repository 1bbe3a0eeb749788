import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { CommandDir } from "./command.ts";

const metrics = `# HELP sealtail_agent_head_block x
sealtail_agent_head_block 0
sealtail_agent_state{state="running"} 1
sealtail_agent_state{state="stopped"} 0
sealtail_agent_sync_bucket{le="1"} 3
nodejs_version_info{version="v24"} 1
`;

async function operations(ready: boolean): Promise<AsyncDisposable & { readonly url: string }> {
  const server: Server = createServer(({ url }, response) => {
    response.statusCode = url === "/readyz" && !ready ? 503 : 200;
    response.end(url === "/metrics" ? metrics : '{"ok":false}');
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

test("what a program is doing is told in a few lines, without series that count nothing", async () => {
  using dir = new CommandDir();
  await using running = await operations(true);
  const { code, out, err } = await dir.quick(["status", running.url]);
  assert.equal(
    out,
    'ready\n  agent_head_block                0\n  agent_state{state="running"}    1\n'.replaceAll(
      / {4}(?=\d)/g,
      "  ",
    ),
  );
  assert.equal(err, "");
  assert.equal(code, 0);
});

test("a program that is not ready, and one that is not there, exit with 1", async () => {
  using dir = new CommandDir();
  await using running = await operations(false);
  const unready = await dir.quick(["status", running.url]);
  assert.match(unready.out, /^not ready\n/);
  assert.equal(unready.code, 1);
  const { code, err } = await dir.quick(["status", "http://127.0.0.1:1"]);
  assert.match(err, /\(ECONNREFUSED\): http:\/\/127\.0\.0\.1:1\/metrics \[vault-unreachable\]/);
  assert.equal(code, 1);
});

test("an address with a password in it is refused without showing it", async () => {
  using dir = new CommandDir();
  const { code, err } = await dir.quick(["status", "http://me:hunter2@127.0.0.1:1"]);
  assert.match(err, /http:\/\/\*\*\*@127\.0\.0\.1:1 \[source-unusable\]/);
  assert.equal(code, 2);
});
