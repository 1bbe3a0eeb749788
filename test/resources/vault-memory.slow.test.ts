// A vault that is sent more at once than it has memory for.

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { systemClock as clock } from "../../src/host/clock.ts";
import { silentDiag as diag } from "../../src/host/diag.ts";
import { systemFiles as files } from "../../src/host/files.ts";
import { Wal } from "../../src/wal/wal.ts";
import { has, MemoryGroup, peakMiB } from "./machine.ts";
import { noise, Site } from "./site.ts";

const MiB = 1024 * 1024;
const senders = 20;

/** What an agent's buffer holds, as much as one request takes. */
async function bodyOf(dir: string): Promise<Buffer> {
  await using wal = await Wal.open({ files, clock, diag, dir, scrub: () => {} });
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const { bytes } of wal.scan()) {
    if (length + bytes.length > 8 * MiB) break;
    parts.push(bytes);
    length += bytes.length;
  }
  return Buffer.concat(parts);
}

/** Sends the body in two halves, the second one when all have begun. */
async function send(
  url: string,
  body: Buffer,
  grant: string,
  all: Promise<void>,
): Promise<Response> {
  const half = body.length >> 1;
  const stream = new ReadableStream({
    async start(controller) {
      controller.enqueue(body.subarray(0, half));
      await all;
      controller.enqueue(body.subarray(half));
      controller.close();
    },
  });
  const headers = { "content-length": String(body.length), "sealtail-grant": grant };
  return fetch(url, { method: "POST", body: stream, headers, duplex: "half" });
}

test("a vault with 256 MiB that many agents send more at once says when to come back, and stores the rest", async (t) => {
  if (!has(t, "memory-group")) return;
  await using site = await Site.make({
    agentYaml: "seal: { max_age: 50ms }\ndrain: { deadline: 1s }",
    maxChains: senders,
  });
  const { rig } = site;
  using group = new MemoryGroup(256);
  await rig.startVault();
  await rig.stop(rig.vault, "SIGTERM");
  for (let i = 0; i < 9; i++) rig.append("a.log", noise(MiB));
  const bodies: { id: string; body: Buffer }[] = [];
  for (let chain = 0; chain < senders; chain++) {
    await rig.startAgent();
    await site.until("sealed", async () => (await site.seen()).buffer.bytes > 6 * MiB);
    const id = ((await rig.status()) as unknown as { chain: string }).chain;
    await rig.stop(rig.agent, "SIGKILL");
    bodies.push({ id, body: await bodyOf(join(rig.stateDir, "chains/0000/wal")) });
    rmSync(rig.stateDir, { recursive: true });
  }
  const grant = readFileSync(join(rig.dir, "grant")).toString("base64");
  await rig.startVault();
  group.add(rig.vault?.pid);
  const begun = pause(2000);
  const sent = bodies.map(async ({ id, body }) => {
    const answer = await send(`${rig.vaultUrl}/v1/chains/${id}/blocks`, body, grant, begun);
    return { status: answer.status, after: answer.headers.get("retry-after"), id };
  });
  const answers = await Promise.all(sent.map((each) => each.catch((error) => String(error.cause))));
  const peak = Math.round(peakMiB(rig.vault?.pid));
  assert.equal(group.kills, 0, `killed for its memory; ${rig.said.slice(-500)}`);
  const taken = answers.filter((each) => typeof each === "object" && each.status === 200);
  const away = answers.filter((each) => typeof each === "object" && each.status === 503);
  t.diagnostic(`${taken.length} stored, ${away.length} sent away, peak ${peak} MiB`);
  assert.equal(taken.length + away.length, senders, JSON.stringify(answers));
  assert.ok(taken.length > 0 && away.length > 0);
  for (const each of away) assert.match((typeof each === "object" && each.after) || "", /^[1-9]/);
  // Those that were sent away come back, one by one here, and nothing is missing.
  for (const { id, body } of bodies) {
    const answer = await send(`${rig.vaultUrl}/v1/chains/${id}/blocks`, body, grant, begun);
    assert.equal(answer.status, 200, await answer.text());
  }
  assert.equal((await rig.verify()).reports.length, senders);
});
