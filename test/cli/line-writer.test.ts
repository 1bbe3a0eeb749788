import assert from "node:assert/strict";
import test from "node:test";
import { LineWriter } from "../../src/cli/line-writer.ts";
import type { Ui } from "../../src/cli/ui.ts";
import { envelopeHeadLength } from "../../src/core/envelope.ts";

/** A piece of a line at an offset, as an envelope. */
function piece(offset: number, byte: number, length: number): Uint8Array {
  const envelope = new Uint8Array(envelopeHeadLength + length).fill(byte, envelopeHeadLength);
  new DataView(envelope.buffer).setBigUint64(68, BigInt(offset));
  return envelope;
}

test("what is handed to the output stays as it is, however slowly that is taken", () => {
  const taken: Uint8Array[] = [];
  const ui = { write: (bytes: Uint8Array) => taken.push(bytes), warn: assert.fail };
  const writer = new LineWriter(ui as unknown as Ui, "raw");
  const held = new Uint8Array(envelopeHeadLength + 200_000);
  for (let turn = 0; turn < 3; turn += 1) {
    held.set(piece(turn * 200_000, turn, 200_000));
    writer.write({ block: turn, envelope: held, hash: undefined, source: undefined });
  }
  writer.flush();
  const bytes = Buffer.concat(taken);
  assert.equal(bytes.length, 600_000);
  for (const turn of [0, 1, 2]) {
    assert.ok(bytes.subarray(turn * 200_000, (turn + 1) * 200_000).every((byte) => byte === turn));
  }
});
