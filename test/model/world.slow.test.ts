// More worlds than the quick tests have time for, on all processors; test/model/world.test.ts says
// what they are. SEALTAIL_WORLDS=n lives through n of them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

const worlds = Number(process.env["SEALTAIL_WORLDS"] ?? 2400);
/** Enough to see whether they are of one kind. */
const failuresMax = 5;
/** In one thread; then its memory is given back. */
const count = 50;

/** Takes stretches of seeds off the list until it is empty or something failed. */
async function live(stretches: number[], failures: string[]): Promise<void> {
  for (let from = stretches.shift(); from !== undefined; from = stretches.shift()) {
    const worker = new Worker(new URL("./trial-worker.ts", import.meta.url), {
      workerData: { from, count },
    });
    const [failure] = (await once(worker, "message")) as [string | null];
    await worker.terminate();
    if (failure === null) continue;
    failures.push(failure);
    if (failures.length === failuresMax) stretches.length = 0;
  }
}

test(`${worlds} worlds keep every byte`, async () => {
  // A hundred from each thousand.
  const stretches = Array.from({ length: Math.ceil(worlds / count) }, (_, i) => {
    return 1000 * (1 + Math.floor(i / 2)) + (i % 2) * count;
  });
  const failures: string[] = [];
  const threads = Array.from({ length: availableParallelism() }, () => live(stretches, failures));
  await Promise.all(threads);
  assert.deepEqual(failures, [], failures.join("\n\n"));
});
