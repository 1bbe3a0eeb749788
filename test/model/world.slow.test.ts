// More worlds than the quick tests have time for; test/model/world.test.ts says what they are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { firstFailure } from "./trial.ts";

for (let block = 1; block <= 7; block += 1) {
  test(`worlds ${block * 1000} to ${block * 1000 + 99} keep every byte`, async () => {
    const failure = await firstFailure(block * 1000, 100);
    assert.equal(failure, undefined, failure);
  });
}
