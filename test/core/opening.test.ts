import assert from "node:assert/strict";
import { test } from "node:test";
import { newestRun } from "../../src/core/opening.ts";

test("the newest run of a chain of any size that can be stated is found with few questions", async () => {
  for (const size of [1, 2, 1000, 2 ** 52 + 3, Number.MAX_SAFE_INTEGER]) {
    for (const first of [0, Math.floor(size / 3), size - 1]) {
      let asked = 0;
      const runAt = async (at: number): Promise<Uint8Array> => {
        asked += 1;
        assert.ok(asked < 60, "asks for ever");
        return Uint8Array.of(at >= first ? 1 : 0);
      };
      assert.equal((await newestRun(size, runAt)).first, first);
    }
  }
});
