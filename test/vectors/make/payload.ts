// Payloads that are not what a payload is, hashed and signed by the right key.

import { concat, writeU32 } from "../../../src/core/bytes.ts";
import type { FindingCode } from "../../../src/core/fault.ts";
import { spanHeadLength, writeRecord } from "../../../src/core/payload.ts";
import type { SealOptions } from "../../fakes/chain-builder.ts";
import { fixedBytes } from "../../fakes/signers.ts";
import { type FrameBend, frameOf } from "./frames.ts";
import { type Vector, type Vectors, vector } from "./story.ts";

/** Three blocks; block 1 holds one line of 6 bytes and is bent. */
function bent(page: string, what: string, options: SealOptions, code: FindingCode): Vector {
  return vector(page, what, (story) => {
    const chain = story.chain();
    chain.seal([chain.line("line1\n")], options);
    chain.go();
    story.store(chain);
    story.expect("INVALID", [code, 1]);
  });
}

function items(
  what: string,
  payload: (raw: Uint8Array) => Uint8Array,
  code: FindingCode = "MALFORMED",
): Vector {
  return bent("payload.md, Items", what, { payload }, code);
}

/** The item begins at byte 32: tag, source 16, offset 8, time 8, length 4, bytes. */
function set(place: number, ...value: number[]): (raw: Uint8Array) => Uint8Array {
  return (raw) => {
    raw.set(value, 32 + place);
    return raw;
  };
}

function frames(what: string, bend: FrameBend, more: Uint8Array = new Uint8Array(0)): Vector {
  const stored = (_: Uint8Array, raw: Uint8Array): Uint8Array => concat(frameOf(raw, bend), more);
  return bent("payload.md, Opening", what, { codec: "zstd", stored }, "PAYLOAD_CORRUPT");
}

const forms: Vectors = {
  "seed-only": items("A seed and no item.", (raw) => raw.slice(0, 32)),
  "shorter-than-seed": items("31 bytes.", (raw) => raw.slice(0, 31)),
  "unknown-tag": items("An item with tag 3.", set(0, 3)),
  "span-head-cut": items("A span's head is cut.", (raw) => raw.slice(0, 32 + spanHeadLength - 1)),
  "span-cut": items("A span is one byte too long for its payload.", set(36, 7)),
  "span-empty": items("A span of no bytes.", (raw) =>
    set(36, 0)(raw).slice(0, 32 + spanHeadLength),
  ),
  "span-offset-2-53": items("A span's offset is 2^53.", set(17, 0, 0x20), "LIMIT_EXCEEDED"),
  "span-end-2-53": items(
    "A span's offset and length are more than 2^53 - 1.",
    set(17, 0, 0x1f, 255, 255, 255, 255, 255, 255),
    "LIMIT_EXCEEDED",
  ),
  "span-time-2-53": items("A span's time is above 2^53.", set(25, 0x80), "LIMIT_EXCEEDED"),
  "record-empty": items("A record of one byte.", (raw) => {
    const one = new Uint8Array(32 + 14);
    one.set(raw.subarray(0, 32));
    writeRecord(one, 32, 1, Uint8Array.of(0x7b));
    return one;
  }),
  "record-too-long": items(
    "A record says that it is 8,000,001 bytes long.",
    (raw) => {
      const cut = new Uint8Array(32 + 15);
      cut.set(raw.subarray(0, 32));
      writeRecord(cut, 32, 1, Uint8Array.of(0x7b, 0x7d));
      writeU32(cut, 32 + 9, 8_000_001);
      return cut;
    },
    "LIMIT_EXCEEDED",
  ),
  "byte-behind-items": items("One byte follows the last item.", (raw) =>
    concat(raw, Uint8Array.of(1)),
  ),
};

const opening: Vectors = {
  "raw-len-of-raw": bent(
    "payload.md, Opening",
    "raw_len of a plain payload is not its length.",
    { header: ({ rawLength }) => ({ rawLength: rawLength + 1 }) },
    "PAYLOAD_LENGTH_MISMATCH",
  ),
  "not-zstd": bent(
    "payload.md, Opening",
    "codec is zstd, the payload is plain.",
    { codec: "zstd", stored: (stored) => stored },
    "PAYLOAD_CORRUPT",
  ),
  "raw-len-of-frame": bent(
    "payload.md, Opening",
    "raw_len is not what the frame holds.",
    {
      codec: "zstd",
      stored: (_, raw) => frameOf(raw),
      header: ({ rawLength }) => ({ rawLength: rawLength - 1 }),
    },
    "PAYLOAD_CORRUPT",
  ),
  "byte-behind-frame": frames("A byte follows the frame.", {}, Uint8Array.of(0)),
  "second-frame": frames(
    "An empty second frame follows.",
    {},
    frameOf(new Uint8Array(0), { descriptor: 0xa0 }),
  ),
  "skippable-frame": frames(
    "A skippable frame follows.",
    {},
    Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0),
  ),
  "wrong-checksum": frames("The frame's checksum is wrong.", {
    checksum: Uint8Array.of(1, 2, 3, 4),
  }),
  "no-checksum": frames("The frame has no checksum.", { descriptor: 0xa0 }),
  "no-content-size": frames("The frame doesn't say how much it holds.", { descriptor: 0x04 }),
  "content-size-wrong": frames("The frame says that it holds more.", { contentBytes: 1000 }),
  "content-size-huge": frames("The frame says that it holds 4 GiB.", { contentBytes: 0xffff_ffff }),
  "window-too-large": frames("The frame's window is 16 MiB.", { descriptor: 0x84, window: 0x70 }),
  "reserved-bit": frames("The frame's reserved bit is set.", { descriptor: 0xac }),
  dictionary: frames("The frame names a dictionary.", { descriptor: 0xa5 }, Uint8Array.of(7)),
  "frame-cut": bent(
    "payload.md, Opening",
    "The frame ends too early.",
    { codec: "zstd", stored: (_, raw) => frameOf(raw).slice(0, -1) },
    "PAYLOAD_CORRUPT",
  ),
  bomb: bent(
    "payload.md, Opening",
    "A frame of few bytes holds 16 MiB; raw_len says 100.",
    {
      codec: "zstd",
      stored: () => frameOf(new Uint8Array(16_777_216), { contentBytes: 100 }),
      header: () => ({ rawLength: 100 }),
    },
    "PAYLOAD_CORRUPT",
  ),
  recompressed: vector("payload.md, Opening", "The same lines in another frame.", (story) => {
    const chain = story.chain();
    let raw = new Uint8Array(0);
    const stored = (_: Uint8Array, bytes: Uint8Array): Uint8Array => {
      raw = Uint8Array.from(bytes);
      return frameOf(bytes);
    };
    const { head } = chain.seal([chain.line("line1\n")], { codec: "zstd", stored });
    const other = frameOf(raw, { descriptor: 0x84 });
    story.store(chain, { blocks: [chain.blocks[0]?.bytes as Uint8Array, concat(head, other)] });
    story.expect("INVALID", ["PAYLOAD_LENGTH_MISMATCH", 1]);
  }),
};

const told: Vectors = {
  "line-changed": bent(
    "verification.md, E",
    "A line was changed after its envelope was made.",
    { lines: (raw) => changed(raw) },
    "LINK_MISMATCH",
  ),
  "lines-swapped": vector(
    "verification.md, E",
    "Two lines of equal length changed places.",
    (story) => {
      const chain = story.chain();
      const lines = (raw: Uint8Array): Uint8Array => {
        const text = Buffer.from(raw.subarray(-8)).toString();
        raw.set(Buffer.from(text.slice(4) + text.slice(0, 4)), raw.length - 8);
        return raw;
      };
      chain.seal([chain.line("one\ntwo\n")], { lines });
      chain.go();
      story.store(chain);
      story.expect("INVALID", ["LINK_MISMATCH", 1]);
    },
  ),
  "seed-changed": bent(
    "envelope.md, Salt",
    "The seed was changed: every salt is another.",
    {
      lines: (raw) => {
        raw.set(fixedBytes("another seed"));
        return raw;
      },
    },
    "LINK_MISMATCH",
  ),
  "line-added": vector(
    "verification.md, E",
    "A line was added after the envelopes were made.",
    (story) => {
      const chain = story.chain();
      const lines = (raw: Uint8Array): Uint8Array => {
        raw[raw.length - 3] = 0x0a;
        return raw;
      };
      chain.seal([chain.line("line1\n")], { lines });
      chain.go();
      story.store(chain);
      story.expect("INVALID", ["COUNT_MISMATCH", 1]);
    },
  ),
};

function changed(raw: Uint8Array): Uint8Array {
  raw[raw.length - 2] = 0x58;
  return raw;
}

export const payload: Vectors = { ...forms, ...opening, ...told };
