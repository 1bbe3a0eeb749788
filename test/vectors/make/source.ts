// What a chain says about its files does not join up.

import type { Item } from "../../fakes/chain-items.ts";
import { lines, say } from "../../fakes/chain-items.ts";
import { type Expected, type StoryChain, type Vector, type Vectors, vector } from "./story.ts";

/** A line of 7 bytes in block 1; block 2, from seq 5, holds the items; block 3 goes on. */
function told(
  page: string,
  what: string,
  items: (chain: StoryChain) => Item[],
  verdict: "INVALID" | "INCOMPLETE",
  ...findings: readonly Expected[]
): Vector {
  return vector(page, what, (story) => {
    const chain = story.chain();
    chain.go();
    chain.seal(items(chain));
    chain.seal([say({ type: "heartbeat", sources: [] })]);
    story.store(chain);
    story.expect(verdict, ...findings);
  });
}

const page = "continuity.md";
const stranger = "ab".repeat(16);

export const source: Vectors = {
  "line-ahead": told(
    page,
    "A line begins 3 bytes too far ahead.",
    (chain) => [chain.line("x\n", 10)],
    "INCOMPLETE",
    ["GAP_UNDECLARED", 2, 5],
  ),
  "line-behind": told(
    page,
    "A line begins one byte too early.",
    (chain) => [chain.line("x\n", 6)],
    "INVALID",
    ["OFFSET_OVERLAP", 2, 5],
  ),
  "line-sealed-twice": told(
    page,
    "The first line is sealed again.",
    (chain) => [chain.line("line 1\n", 0)],
    "INVALID",
    ["OFFSET_OVERLAP", 2, 5],
  ),
  "first-line-ahead": vector(page, "The first line of a source does not begin at 0.", (story) => {
    const chain = story.chain();
    chain.seal([chain.line("x\n", 1)]);
    chain.go();
    story.store(chain);
    story.expect("INCOMPLETE", ["GAP_UNDECLARED", 1, 4]);
  }),
  "line-undeclared": told(
    page,
    "A line of a source that nobody declared.",
    () => [lines(stranger, "x\n", 0)],
    "INVALID",
    ["SOURCE_UNDECLARED", 2, 5],
  ),
  "line-before-declaration": told(
    page,
    "A line stands before its source's declaration.",
    (chain) => {
      const web = chain.source("/var/log/web.log");
      return [lines(web.id, "x\n", 0), say(web.record)];
    },
    "INVALID",
    ["SOURCE_UNDECLARED", 2, 5],
  ),
  "line-behind-end": told(
    page,
    "A line of a source that has ended.",
    (chain) => [
      say({ type: "end", source: chain.app, size: 7, cause: "deleted" }),
      chain.line("x\n", 7),
    ],
    "INVALID",
    ["SOURCE_UNDECLARED", 2, 6],
  ),
  "end-wrong-size": told(
    page,
    "An end with another size than what was sealed.",
    (chain) => [say({ type: "end", source: chain.app, size: 8, cause: "deleted" })],
    "INVALID",
    ["MALFORMED", 2, 5],
  ),
  "end-of-stranger": told(
    page,
    "An end of a source that is not open.",
    () => [say({ type: "end", source: stranger, size: 0, cause: "deleted" })],
    "INVALID",
    ["SOURCE_UNDECLARED", 2, 5],
  ),
  "gap-wrong-from": told(
    page,
    "A gap that does not begin where the source stands.",
    (chain) => [
      say({ type: "gap", source: chain.app, from: 8, to: 20, cause: "unreadable" }),
      chain.line("x\n", 20),
    ],
    "INVALID",
    ["GAP_DECLARED", 2, 5],
    ["MALFORMED", 2, 5],
  ),
  "gap-without-readable-end": told(
    "record.md, Reading a record",
    "Where a gap ends is a text: where its source goes on is unknown, and not wrong.",
    (chain) => [
      say({ type: "gap", source: chain.app, from: 7, to: "20", cause: "unreadable" }),
      chain.line("x\n", 20),
    ],
    "INVALID",
    ["MALFORMED", 2, 5],
  ),
  "gap-of-nothing": told(
    page,
    "A gap that ends where it begins.",
    (chain) => [say({ type: "gap", source: chain.app, from: 7, to: 7, cause: "unreadable" })],
    "INVALID",
    ["GAP_DECLARED", 2, 5],
    ["MALFORMED", 2, 5],
  ),
  "gap-of-stranger": told(
    page,
    "A gap of a source that is not open.",
    () => [say({ type: "gap", source: stranger, from: 0, to: 7, cause: "skipped" })],
    "INVALID",
    ["GAP_DECLARED", 2, 5],
    ["SOURCE_UNDECLARED", 2, 5],
  ),
  "rewritten-ahead": told(
    page,
    "Bytes that were never sealed are said to be rewritten.",
    (chain) => [say({ type: "rewritten", source: chain.app, from: 0, to: 8 })],
    "INVALID",
    ["MALFORMED", 2, 5],
    ["SOURCE_REWRITTEN", 2, 5],
  ),
  "rewritten-stranger": told(
    page,
    "A source that is not open is said to be rewritten.",
    () => [say({ type: "rewritten", source: stranger, from: 0, to: 1 })],
    "INVALID",
    ["SOURCE_REWRITTEN", 2, 5],
    ["SOURCE_UNDECLARED", 2, 5],
  ),
  "heartbeat-of-stranger": told(
    page,
    "A heartbeat names a source that is not open.",
    () => [say({ type: "heartbeat", sources: [{ source: stranger, size: 0, offset: 0 }] })],
    "INVALID",
    ["SOURCE_UNDECLARED", 2, 5],
  ),
  "out-of-scope": vector(
    "grant.md, Globs",
    "A source that no glob of the grant matches.",
    (story) => {
      const chain = story.chain({ terms: { sources: ["/var/log/*.log"] } });
      const secret = chain.source("/var/log/sub/app.log");
      chain.seal([say(secret.record), lines(secret.id, "x\n")]);
      story.store(chain);
      story.expect("INVALID", ["SOURCE_OUT_OF_SCOPE", 1, 4]);
    },
  ),
  "scope-question-mark": vector(
    "grant.md, Globs",
    "A question mark stands for one byte, not for none.",
    (story) => {
      const chain = story.chain({ path: "/a", terms: { sources: ["/a?"] } });
      story.store(chain);
      story.expect("INVALID", ["SOURCE_OUT_OF_SCOPE", 0, 3]);
    },
  ),
  "scope-escape": vector(
    "grant.md, Globs",
    "Globs match the escaped path, not what it stands for.",
    (story) => {
      const chain = story.chain({ path: "/a%20b", terms: { sources: ["/a?b"] } });
      story.store(chain);
      story.expect("INVALID", ["SOURCE_OUT_OF_SCOPE", 0, 3]);
    },
  ),
  "lost-payload-loosens": vector(
    "continuity.md, When a payload was not read",
    "A payload that declared a source and moved another one can't be read: lines of both pass.",
    (story) => {
      const chain = story.chain();
      const web = chain.source("/var/log/web.log");
      const lost = chain.seal([say(web.record), lines(web.id, "one\n"), chain.line("two\n")]);
      chain.seal([lines(web.id, "three\n"), chain.line("four\n")]);
      chain.seal([chain.snapshot(), lines(web.id, "five\n")]);
      chain.seal([lines(web.id, "six\n", 99)]);
      lost.bytes[lost.bytes.length - 1] = 0;
      story.store(chain);
      story.expect("INVALID", ["PAYLOAD_HASH_MISMATCH", 1], ["GAP_UNDECLARED", 4, 11]);
    },
  ),
};
