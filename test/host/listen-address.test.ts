import assert from "node:assert/strict";
import test from "node:test";
import {
  formatListenAddress,
  isLoopback,
  parseListenAddress,
} from "../../src/host/listen-address.ts";

test("host:port is read, with brackets round an IPv6 address", () => {
  assert.deepEqual(parseListenAddress("127.0.0.1:9464"), { host: "127.0.0.1", port: 9464 });
  assert.deepEqual(parseListenAddress("[::1]:0"), { host: "::1", port: 0 });
  assert.deepEqual(parseListenAddress("localhost:65535"), { host: "localhost", port: 65_535 });
});

test("anything else is no address to listen on", () => {
  for (const text of [
    "",
    "9464",
    ":9464",
    "::1:9464",
    "a:",
    "a:65536",
    "a:-1",
    "http://a:1",
    "a b:1",
  ]) {
    assert.equal(parseListenAddress(text), undefined, text);
  }
});

test("an address is written as it is read", () => {
  for (const text of ["127.0.0.1:9464", "[::1]:8443"]) {
    const address = parseListenAddress(text);
    assert.ok(address);
    assert.equal(formatListenAddress(address), text);
  }
});

test("only addresses of this machine are loopback", () => {
  for (const host of ["127.0.0.1", "127.8.0.1", "::1", "localhost"]) assert.ok(isLoopback(host));
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "vault.example", "127.evil.example"]) {
    assert.ok(!isLoopback(host), host);
  }
});
