import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type FailpointName, failpointNames } from "../../src/host/failpoint.ts";
import { builtBin } from "./built.ts";
import { Rig } from "./rig.ts";
import { assertWhole } from "./whole.ts";

const agentPoints = failpointNames.filter((name) => !name.startsWith("store-"));
/** Some are passed once in the life of a chain. */
const once = new Set<FailpointName>(agentPoints.filter((name) => name.startsWith("enrol-")));

// Each has an agent, a vault and files of its own, and most of the time waits for them.
describe("an agent that is killed", { concurrency: 3 }, () => {
  for (const name of agentPoints) {
    for (const hit of once.has(name) ? [1] : [1, 3]) {
      test(`kill -9 at ${name}, hit ${hit}, loses and doubles nothing`, async () => {
        await using rig = await Rig.make({ bin: builtBin() });
        await rig.startVault();
        rig.append("app.log", "first\nsecond\n");
        await rig.startAgent({ SEALTAIL_FAILPOINT: `${name}:${hit}` });
        const sure = name !== "recover-after-cut" && name !== "free-after-unlink";
        let died = false;
        // A busy machine may ship the first lines in one request: a third one takes more of them.
        for (let i = 0; i < 8 || (sure && !died && i < 250); i++) {
          rig.append("app.log", `line ${i}\n`.repeat(20));
          died = await rig.ended(rig.agent, 80);
        }
        if (sure) assert.ok(died, `the agent never came to ${name}\n${rig.said.slice(-2000)}`);
        else await rig.ended(rig.agent, name === "recover-after-cut" ? 100 : 5000);
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
});
