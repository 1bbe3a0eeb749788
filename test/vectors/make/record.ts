// Records in a form, or with a content, that no agent may write.

import type { FindingCode } from "../../../src/core/fault.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { say, sayBytes } from "../../fakes/chain-items.ts";
import type { StoryChain, Vector, Vectors } from "./story.ts";
import { vector } from "./story.ts";

/** Three blocks; block 1 holds the record, seq 4. */
function bytes(
  what: string,
  record: string | Uint8Array,
  code: FindingCode = "NON_CANONICAL",
): Vector {
  return vector("record.md, Canonical JSON", what, (story) => {
    const chain = story.chain();
    chain.seal([sayBytes(record)]);
    chain.go();
    story.store(chain);
    story.expect("INVALID", [code, 1, 4]);
  });
}

function content(what: string, record: (chain: StoryChain) => JsonObject): Vector {
  return vector("record.md, Reading a record", what, (story) => {
    const chain = story.chain();
    chain.seal([say(record(chain))]);
    chain.seal([say({ type: "heartbeat", sources: [] })]);
    story.store(chain);
    story.expect("INVALID", ["MALFORMED", 1, 4]);
  });
}

const text = (value: string): string => `{"reason":${value},"type":"stop"}`;
const number = (value: string): string => `{"a":${value},"type":"x"}`;

const forms: Vectors = {
  "json-space": bytes("A space behind a colon.", '{"reason": "x","type":"stop"}'),
  "json-newline": bytes("A newline behind the object.", `${text('"x"')}\n`),
  "json-key-order": bytes("Keys out of order.", '{"type":"stop","reason":"x"}'),
  "json-key-order-utf-16": bytes(
    "Keys in the order of code points: UTF-16 code units decide.",
    '{"type":"x","\ufb33":1,"\ud83d\ude00":2}',
  ),
  "json-key-twice": bytes("A key twice.", '{"reason":"x","reason":"x","type":"stop"}'),
  "json-fraction": bytes("1.0 instead of 1.", number("1.0")),
  "json-half": bytes("0.5.", number("0.5")),
  "json-exponent": bytes("1e2 instead of 100.", number("1e2")),
  "json-negative": bytes("A negative number.", number("-1")),
  "json-minus-zero": bytes("Minus zero.", number("-0")),
  "json-2-53": bytes("2^53.", number("9007199254740992")),
  "json-rounded": bytes("A number that rounds to 2^53 - 1.", number("9007199254740991.1")),
  "json-leading-zero": bytes("01.", number("01")),
  "json-null": bytes("null.", number("null")),
  "json-escaped-letter": bytes("A letter as an escape.", text('"\\u0041"')),
  "json-escaped-slash": bytes("A slash as an escape.", text('"\\/"')),
  "json-long-escape": bytes("\\u000a instead of \\n.", text('"\\u000a"')),
  "json-upper-escape": bytes("\\u001F instead of \\u001f.", text('"\\u001F"')),
  "json-delete-escaped": bytes("\\u007f, which needs no escape.", text('"\\u007f"')),
  "json-raw-control": bytes("A raw control character.", text('"\u0001"')),
  "json-lone-surrogate": bytes("A lone surrogate as an escape.", text('"\\ud800"')),
  "json-surrogate-bytes": bytes(
    "A surrogate as three bytes: no UTF-8.",
    Uint8Array.from([
      ...Buffer.from('{"reason":"'),
      0xed,
      0xa0,
      0x80,
      ...Buffer.from('","type":"stop"}'),
    ]),
  ),
  "json-overlong": bytes(
    "A slash as two bytes: no UTF-8.",
    Uint8Array.from([
      ...Buffer.from('{"reason":"'),
      0xc0,
      0xaf,
      ...Buffer.from('","type":"stop"}'),
    ]),
  ),
  "json-bom": bytes("A byte order mark.", `\ufeff${text('"x"')}`),
  "json-array": bytes("An array.", '["type"]'),
  "json-string": bytes("A string.", '"type"'),
  "json-not": bytes("No JSON.", "{}{}"),
  "json-trailing-comma": bytes("A comma too many.", '{"type":"x",}'),
  "json-depth-17": bytes(
    "One level too deep.",
    `{"a":${"[".repeat(16)}${"]".repeat(16)},"type":"x"}`,
  ),
  "json-without-type": bytes("An object without a type.", "{}", "MALFORMED"),
  "json-type-number": bytes("A type that is a number.", '{"type":1}', "MALFORMED"),
  "json-proto": vector("record.md", "A key that a program might take for its own.", (story) => {
    const chain = story.chain();
    chain.seal([sayBytes('{"__proto__":{"type":"stop"},"type":"weather"}')]);
    chain.seal([sayBytes('{"type":"constructor"}')]);
    story.store(chain);
    story.expect("VALID_WITH_FINDINGS", ["UNKNOWN_RECORD", 1, 4], ["UNKNOWN_RECORD", 2, 5]);
  }),
  "json-keys-utf-16": vector("record.md", "Keys in the order of UTF-16 code units.", (story) => {
    const chain = story.chain();
    chain.seal([sayBytes('{"type":"x","\ud83d\ude00":2,"\ufb33":1}')]);
    story.store(chain);
    story.expect("VALID_WITH_FINDINGS", ["UNKNOWN_RECORD", 1, 4]);
  }),
};

const other = (chain: StoryChain): JsonObject => chain.source("/var/log/other.log").record;

const contents: Vectors = {
  "stop-without-reason": content("A stop without its reason.", () => ({ type: "stop" })),
  "config-no-object": content("A config that is no object.", () => ({ type: "config", config: 1 })),
  "heartbeat-without-offset": content("A heartbeat's source without offset.", (chain) => ({
    type: "heartbeat",
    sources: [{ source: chain.app, size: 1 }],
  })),
  "clock-without-mono": content("A clock record without mono.", () => ({
    type: "clock",
    before: 1,
    after: 2,
  })),
  "sink-unknown-event": content("A sink record with an unknown event.", () => ({
    type: "sink",
    event: "sad",
  })),
  "gap-unknown-cause": content("A gap with an unknown cause.", (chain) => ({
    ...{ type: "gap", source: chain.app, from: 0, to: 5, cause: "lost" },
  })),
  "end-of-object": content(
    "An end whose source is an object that programs can't make text of.",
    () => ({
      ...{ type: "end", source: { toString: 1, valueOf: 1 }, size: 0, cause: "deleted" },
    }),
  ),
  "gap-from-object": content("A gap that begins at such an object.", (chain) => ({
    ...{
      type: "gap",
      source: chain.app,
      from: { toString: 1, valueOf: 1 },
      to: 5,
      cause: "skipped",
    },
  })),
  "source-without-birth": content("A source without its birth.", (chain) => {
    const { birth: _, ...rest } = other(chain);
    return rest as JsonObject;
  }),
  "source-dev-number": content("dev is a number.", (chain) => ({ ...other(chain), dev: 1 })),
  "source-ino-zeros": content("ino has a leading zero.", (chain) => ({
    ...other(chain),
    ino: "01",
  })),
  "source-upper-fingerprint": content("A fingerprint in upper case.", (chain) => ({
    ...other(chain),
    fingerprint: "AB".repeat(32),
  })),
  "source-fingerprint-too-long": content("fingerprint_len is 1,025.", (chain) => ({
    ...other(chain),
    fingerprint_len: 1025,
  })),
  "path-space": content("A path with a space.", (chain) => ({ ...other(chain), path: "/a b" })),
  "path-upper": content("A path with %2F in upper case.", (chain) => ({
    ...other(chain),
    path: "/a%FF",
  })),
  "path-needless": content("A path with an escape that it needs not.", (chain) => ({
    ...other(chain),
    path: "/a%41",
  })),
  "path-percent": content("A path that ends in a percent sign.", (chain) => ({
    ...other(chain),
    path: "/a%",
  })),
  "path-utf-8": content("A path with a letter that is not ASCII.", (chain) => ({
    ...other(chain),
    path: "/\u00e9",
  })),
  "predecessor-later": content("A predecessor in block 1.", () => ({
    ...{ type: "predecessor", chain: "ab".repeat(32), size: 1, root: "cd".repeat(32) },
    ...{ reason: "x", positions: [] },
  })),
};

export const record: Vectors = { ...forms, ...contents };
