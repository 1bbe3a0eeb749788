// Signals: which of them stop a program, which are the same one twice, and what SIGHUP does.

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { onStopSignals, sayHangUp } from "../../src/cli/running.ts";
import { FakeClock } from "../fakes/clock.ts";
import { RecordingDiag } from "../fakes/diag.ts";

test("a signal that a terminal and npm both deliver counts once, an impatient one counts", async () => {
  const clock = new FakeClock();
  const stops: string[] = [];
  using _ = onStopSignals({ stop: (reason) => void stops.push(reason), clock });
  process.emit("SIGINT", "SIGINT");
  process.emit("SIGINT", "SIGINT");
  assert.deepEqual(stops, ["sigint"]);
  // Somebody who asks five times a second must be heard.
  for (let n = 0; n < 2; n++) {
    await clock.advance(200);
    process.emit("SIGTERM", "SIGTERM");
  }
  assert.deepEqual(stops, ["sigint", "sigterm"]);
});

test("SIGHUP stops what lives in a terminal, and leaves a daemon alone", () => {
  const stops: string[] = [];
  const diag = new RecordingDiag();
  {
    using _ = onStopSignals({ stop: (reason) => void stops.push(reason) });
    process.emit("SIGHUP", "SIGHUP");
  }
  assert.deepEqual(stops, ["sighup"]);
  using _ = onStopSignals({
    stop: (reason) => void stops.push(reason),
    hangUp: () => sayHangUp(diag),
  });
  process.emit("SIGHUP", "SIGHUP");
  assert.deepEqual([stops, diag.phrases("warn").length], [["sighup"], 1]);
});
