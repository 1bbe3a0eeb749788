import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { findingClasses } from "../../src/core/fault.ts";
import { type FailpointName, failpointNames } from "../../src/host/failpoint.ts";
import { Rig } from "./rig.ts";

const agentPoints = failpointNames.filter((name) => !name.startsWith("store-"));
/** Some are passed once in the life of a chain. */
const once = new Set<FailpointName>(agentPoints.filter((name) => name.startsWith("enrol-")));
const randomKills = Number(process.env.SEALTAIL_KILLS ?? 100);

/** Everything written is sealed exactly once, in order, in one chain without a worse finding. */
async function assertWhole(rig: Rig, names: readonly string[]): Promise<void> {
  const { reports, findings, bytes } = await rig.verify();
  const bad = findings.filter(({ code }) => findingClasses[code] !== "finding");
  assert.deepEqual(bad, [], rig.said.slice(-3000));
  assert.equal(reports.length, 1);
  for (const name of names) {
    const written = rig.log(name).toString();
    const sealed = [...bytes]
      .filter(([key]) => key.startsWith(`${firstName(name)}#`))
      .map(([, parts]) => Buffer.concat(parts).toString());
    assert.ok(sealed.includes(written), `${name}: sealed once and whole\n${rig.said.slice(-3000)}`);
    const total = sealed.reduce((sum, text) => sum + text.length, 0);
    assert.equal(
      total,
      names.reduce(
        (sum, each) => sum + (firstName(each) === firstName(name) ? rig.log(each).length : 0),
        0,
      ),
    );
  }
}

// A rotated file was declared under the name that it had before.
const firstName = (name: string): string => name.replace(/\.\d+$/, "");

for (const name of agentPoints) {
  for (const hit of once.has(name) ? [1] : [1, 3]) {
    test(`kill -9 at ${name}, hit ${hit}, loses and doubles nothing`, async () => {
      await using rig = await Rig.make();
      await rig.startVault();
      rig.append("app.log", "first\nsecond\n");
      await rig.startAgent({ SEALTAIL_FAILPOINT: `${name}:${hit}` });
      for (let i = 0; i < 8; i++) {
        rig.append("app.log", `line ${i}\n`.repeat(20));
        await pause(80);
      }
      const died = await rig.ended(rig.agent, name === "recover-after-cut" ? 100 : 5000);
      if (name !== "recover-after-cut" && name !== "free-after-unlink") {
        assert.ok(died, `the agent never came to ${name}\n${rig.said.slice(-2000)}`);
      }
      await rig.stop(rig.agent, "SIGKILL");
      rig.append("app.log", "while it was down\n");
      await rig.startAgent();
      await rig.caughtUp();
      assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
      await rig.stop(rig.vault, "SIGTERM");
      await assertWhole(rig, ["app.log"]);
    });
  }
}

test(`kill -9 at ${randomKills} random times under load and rotation loses and doubles nothing`, async () => {
  await using rig = await Rig.make();
  await rig.startVault();
  const names = ["app.log"];
  let count = 0;
  for (let kill = 0; kill < randomKills; kill++) {
    await rig.startAgent();
    const until = Date.now() + Math.random() * 400;
    while (Date.now() < until) {
      rig.append(
        "app.log",
        `line ${count++} ${"x".repeat(count % 200)}\n`.repeat(1 + (count % 30)),
      );
      await pause(Math.random() * 20);
    }
    await rig.stop(rig.agent, "SIGKILL");
    if (kill % 10 === 9) {
      const rotated = `app.log.${names.length}`;
      renameSync(join(rig.logs, "app.log"), join(rig.logs, rotated));
      names.push(rotated);
      rig.append("app.log", `after rotation ${names.length}\n`);
    }
  }
  await rig.startAgent();
  await rig.caughtUp(60_000);
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  await assertWhole(rig, names);
});
