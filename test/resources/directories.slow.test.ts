// Fifty thousand directories: what they cost, and that logs below them are sealed in time.

import assert from "node:assert/strict";
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { builtBin } from "../crash/built.ts";
import { peakMiB } from "./machine.ts";
import { Site } from "./site.ts";

/** The whole agent, as it is installed. */
const limitMiB = 120;

/** Peak memory of an agent below so many directories. */
async function peakBelow(directories: number): Promise<number> {
  await using site = await Site.make({
    agentYaml: "seal: { max_age: 50ms, max_silence: 10m }\n",
    include: "**/*.log",
    bin: builtBin(),
  });
  const { rig } = site;
  for (let n = 0; n < directories; n += 1) {
    mkdirSync(join(rig.logs, `service-${n % 260}`, `instance-of-something-${n}`), {
      recursive: true,
    });
  }
  const log = join(rig.logs, "service-7", "instance-of-something-7", "a.log");
  appendFileSync(log, "first\n");
  await rig.startVault();
  await rig.startAgent();
  const sealed = (size: number): Promise<void> =>
    site.until(
      `${size} bytes sealed`,
      async () => (await site.seen()).files.some(({ offset }) => offset === size),
      120_000,
    );
  await sealed(6);
  // Long before the next sweep.
  appendFileSync(log, "second\n");
  const before = Date.now();
  await sealed(13);
  assert.ok(Date.now() - before < 10_000, `${Date.now() - before} ms`);
  assert.equal(await site.metric("sealtail_agent_search_incomplete"), 0);
  assert.ok((await site.metric("sealtail_agent_search_directories")) > directories);
  assert.ok((await site.health()).ready, (await site.health()).text);
  return peakMiB(rig.agent?.pid);
}

test("an agent below 52,000 directories seals their logs in time, within 120 MiB", async (t) => {
  const peak = await peakBelow(52_000);
  t.diagnostic(`${peak.toFixed(0)} MiB`);
  assert.ok(peak <= limitMiB, `${peak.toFixed(0)} MiB`);
});
