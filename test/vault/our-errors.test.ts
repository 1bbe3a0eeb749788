import assert from "node:assert/strict";
import { test } from "node:test";
import type { Suite } from "../../src/core/digest.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { say } from "../fakes/chain-items.ts";
import { chainOf, Rig } from "./rig.ts";

test("a vault that runs out of memory while it judges a block asks for it again, and refuses nothing", async () => {
  let short = false;
  const suite: Suite = {
    ...nativeSuite,
    shake256: (bytes, length) => {
      if (short) throw new RangeError("Array buffer allocation failed");
      return nativeSuite.shake256(bytes, length);
    },
  };
  await using rig = await Rig.start({ suite });
  const chain = chainOf("payments");
  chain.begin();
  assert.equal((await rig.post(chain)).status, 200);
  chain.seal([say({ type: "heartbeat", sources: [] })]);
  short = true;
  const { status, text, headers } = await rig.post(chain);
  assert.equal(status, 503, text);
  assert.ok(headers.has("retry-after"));
  short = false;
  assert.equal((await rig.post(chain)).status, 200);
});
