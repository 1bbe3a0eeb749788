import assert from "node:assert/strict";
import { test } from "node:test";
import type { Suite } from "../../src/core/digest.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { storeChain } from "../fakes/chain-store.ts";
import { judge } from "./judging.ts";

function sealed() {
  const chain = new ChainBuilder("app", { codec: "zstd" });
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  chain.seal([say(record), lines(id, "a\n")]);
  return storeChain(new Map(), chain);
}

/** The native suite, where one primitive runs out of memory. */
function short(primitive: keyof Suite): Suite {
  const fail = (): never => {
    throw new RangeError("Array buffer allocation failed");
  };
  return { ...nativeSuite, [primitive]: fail };
}

test("memory that runs out while a payload is opened is an error of ours, never a finding", async () => {
  const files = sealed();
  assert.equal((await judge(files)).verdict, "VALID");
  for (const primitive of ["zstdDecompress", "shake256", "verifyEd25519", "sha256"] as const) {
    const judging = judge(files, { suite: short(primitive) });
    await assert.rejects(judging, { name: "RangeError" }, primitive);
  }
});
