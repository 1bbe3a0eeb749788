// A vault may show malformed bytes as a chain of an agent's subject: they say nothing, and end no
// agent.

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { suite, test } from "node:test";
import { concat, utf8 } from "../../src/core/bytes.ts";
import { decodeHeader, encodeHeader } from "../../src/core/header.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { writeRecord } from "../../src/core/payload.ts";
import { encodeRecord } from "../../src/core/record.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import type { ListedChain } from "../../src/ship/vault-reads.ts";
import { worse } from "../fakes/findings.ts";
import { World } from "./world.ts";

/** The payload of a genesis that says this. */
function saying(...records: readonly JsonObject[]): Uint8Array {
  const raw = new Uint8Array(4096);
  const end = records.reduce((at, each) => writeRecord(raw, at, 1, encodeRecord(each)), 32);
  return raw.slice(0, end);
}

/** An object that cannot be made text. */
const odd = { toString: 1, valueOf: 1 };

const payloads: readonly (readonly [string, Uint8Array])[] = [
  ["an item of no kind", new Uint8Array(100).fill(9)],
  ["no item", utf8("x")],
  ["a predecessor that is no id", saying({ type: "predecessor", chain: odd })],
  ["no predecessor's positions", saying({ type: "predecessor", chain: "a".repeat(64) })],
  ["a host that is no text", saying({ type: "start", host: odd })],
];

/** The vault shows one more chain, the newest, whose genesis has this payload. */
function plant({ vault }: World, payload: Uint8Array): void {
  const [[own, { stored }] = assert.fail("no chain")] = [...vault.chains];
  const lengths = { rawLength: payload.length, storedLength: payload.length };
  const header = {
    ...{ ...decodeHeader(stored[0] as Uint8Array), codec: "raw" as const, ...lengths },
    storedHash: nativeSuite.sha256(payload),
  };
  const block = concat(encodeHeader(header), new Uint8Array(64), payload);
  const planted: ListedChain = {
    ...{ id: "a".repeat(64), state: "silent", seenAt: 99, size: 1 },
    // The vault could not read it either.
    words: undefined,
  };
  const honest = { ...vault.reads };
  Object.assign(vault.reads, {
    chainsOf: async (subject: string) => [...(await honest.chainsOf(subject)), planted],
    size: (id: string) => honest.size(id === planted.id ? own : id),
    grant: (id: string) => honest.grant(id === planted.id ? own : id),
    receipt: (id: string) => honest.receipt(id === planted.id ? own : id),
    heads: (id: string, from: number, count: number) =>
      id === planted.id ? Promise.resolve(block.subarray(0, 448)) : honest.heads(id, from, count),
    blocks: (id: string, from: number, count: number) =>
      id === planted.id ? Readable.from([block]) : honest.blocks(id, from, count),
  });
}

suite("a chain at the vault with a malformed genesis", () => {
  for (const lost of ["keys", "state"] as const) {
    for (const [name, payload] of payloads) {
      test(`that holds ${name} ends no agent that goes on after its ${lost} went`, async () => {
        await using world = await World.make({ maxChains: 9 });
        world.asks = true;
        world.files.append("/logs/a.log", "one\n");
        await world.live();
        plant(world, payload);
        if (lost === "state") await world.loseState();
        else await world.files.unlink(`${world.dir}/chains/0000/keys`);
        world.files.append("/logs/a.log", "two\n");
        await world.start();
        await world.until(() => world.vault.chains.size === 2);
        await world.caughtUp();
        await world.stop();
        const { bytes, findings, reasons } = await world.verify();
        assert.deepEqual(worse(findings), []);
        assert.equal(reasons.length, 1);
        assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
      });
    }
  }
});
