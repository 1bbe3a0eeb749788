import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { CommandDir } from "./command.ts";

async function probe(status: number): Promise<AsyncDisposable & { readonly address: string }> {
  const server = createServer(({ url }, response) => {
    response.statusCode = url === "/livez" ? status : 200;
    response.end('{"ok":false,"checks":{"loop":false}}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("the first address that answers decides whether the container is healthy", async () => {
  using dir = new CommandDir();
  await using alive = await probe(200);
  await using hung = await probe(503);
  const nobody = "127.0.0.1:1";
  const fine = await dir.quick(["health", nobody, alive.address, hung.address]);
  assert.deepEqual([fine.code, fine.out], [0, `alive: ${alive.address}\n`]);
  assert.equal((await dir.quick(["health", `http://${alive.address}`])).code, 0);
  const ill = await dir.quick(["health", hung.address, alive.address]);
  assert.equal(ill.code, 1);
  assert.match(ill.err, /\[vault-refused\]/);
  const away = await dir.quick(["health", nobody]);
  assert.equal(away.code, 1);
  assert.match(away.err, /\[vault-unreachable\]/);
});

test("an image's addresses come from its environment", async () => {
  using dir = new CommandDir();
  await using alive = await probe(200);
  const env = { SEALTAIL_HEALTH: `127.0.0.1:1 ${alive.address}` };
  assert.equal((await dir.quick(["health"], env)).code, 0);
  assert.equal((await dir.quick(["health"], { SEALTAIL_HEALTH: "127.0.0.1:1" })).code, 1);
});
