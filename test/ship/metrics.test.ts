import assert from "node:assert/strict";
import test from "node:test";
import { Metrics } from "../../src/host/metrics.ts";
import { addShipMetrics } from "../../src/ship/metrics.ts";
import { outcomes } from "../../src/ship/sink.ts";
import { sinkStates } from "../../src/ship/sink-health.ts";
import type { ShipStatus } from "../../src/ship/status.ts";
import { settle } from "../fakes/clock.ts";
import { TestChain } from "./chain.ts";
import { ship } from "./setup.ts";
import { VaultModel } from "./vault-model.ts";

test("every series is there from the start, at zero", async () => {
  const metrics = new Metrics("sealtail_agent_", "0.0.0");
  addShipMetrics(metrics, () => undefined);
  const text = await metrics.text();
  for (const outcome of outcomes) {
    assert.match(
      text,
      new RegExp(`^sealtail_agent_send_attempts_total{outcome="${outcome}"} 0$`, "m"),
    );
  }
  for (const state of sinkStates) {
    assert.match(text, new RegExp(`^sealtail_agent_sink_state{state="${state}"} 0$`, "m"));
  }
  const samples = text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && !line.includes("build_info"));
  for (const sample of samples) assert.match(sample, /^sealtail_agent_[a-z_]+(?:\{.*\})? 0$/);
});

test("what was shipped, and what failed, can be read off", async () => {
  const metrics = new Metrics("sealtail_agent_", "0.0.0");
  let status: () => ShipStatus | undefined = () => undefined;
  const observer = addShipMetrics(metrics, () => status());
  const chain = new TestChain(3);
  const vault = new VaultModel();
  vault.script = [{ outcome: "server-error", code: "http-500" }];
  await using all = ship(chain, vault, { observer });
  status = () => all.shipper.status();
  await settle();
  const read = async (sample: string): Promise<number> => {
    const line = (await metrics.text()).split("\n").find((one) => one.startsWith(`${sample} `));
    return Number(line?.split(" ").at(-1));
  };
  assert.equal(await read('sealtail_agent_sink_state{state="unreachable"}'), 1);
  assert.equal(await read("sealtail_agent_unreceipted_blocks"), 3);
  await all.clock.advance(1000);
  assert.equal(await read('sealtail_agent_send_attempts_total{outcome="server-error"}'), 1);
  assert.equal(await read('sealtail_agent_send_attempts_total{outcome="receipt"}'), 1);
  assert.equal(await read("sealtail_agent_send_retries_total"), 1);
  assert.equal(await read("sealtail_agent_receipts_total"), 1);
  assert.equal(await read("sealtail_agent_receipted_blocks_total"), 3);
  assert.equal(await read("sealtail_agent_receipted_size"), 3);
  assert.equal(await read("sealtail_agent_sent_bytes_total"), 3000);
  assert.equal(await read("sealtail_agent_send_duration_seconds_count"), 2);
  assert.equal(await read('sealtail_agent_sink_state{state="ok"}'), 1);
  const receipted = await read("sealtail_agent_last_receipt_timestamp_seconds");
  assert.ok(receipted > 1_700_000_000);
});
