// Chains in which nothing is wrong: whoever finds a fault here is too strict.

import { concat } from "../../../src/core/bytes.ts";
import { formatNote, formatVerifierKey } from "../../../src/core/note.ts";
import { encodePath } from "../../../src/core/record.ts";
import { second, testRoot, testTime, testVault } from "../../fakes/chain-builder.ts";
import { at, lines, say } from "../../fakes/chain-items.ts";
import { fixedBytes, NoteSigner, TestVault } from "../../fakes/signers.ts";
import { frameOf } from "./frames.ts";
import { keptVector, type Vectors, vector } from "./story.ts";

const utf8 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

export const good: Vectors = {
  genesis: vector("block.md", "A chain of one block.", (story) => {
    story.store(story.chain());
    story.expect("VALID");
  }),
  blocks: vector("block.md", "Nine blocks in three objects, one line each.", (story) => {
    const chain = story.chain();
    chain.go(8);
    story.store(chain);
    story.expect("VALID");
  }),
  bytes: vector("envelope.md", "Lines of bytes that programs like to change.", (story) => {
    const chain = story.chain();
    chain.seal([chain.line("crlf\r\n\rlone cr\n\n\nnul \0 nul\n\u2028\u2029\u0085\n\ufeffbom\n")]);
    chain.seal([
      chain.line(Uint8Array.of(0xff, 0xfe, 0x0a, 0xc0, 0xaf, 0x0a, 0xed, 0xa0, 0x80, 0x0a)),
    ]);
    chain.seal([chain.line("no end")]);
    chain.seal([chain.line(" of the line\n"), chain.line("SEALBLK1\n")]);
    story.store(chain);
    story.expect("VALID");
  }),
  "envelope-groups": vector(
    "block.md, Envelope tree",
    "Blocks of 15 to 17, 32, 33 lines.",
    (story) => {
      const chain = story.chain();
      for (const count of [15, 16, 17, 32, 33]) {
        chain.seal([chain.line(Array.from({ length: count }, (_, n) => `${n}\n`).join(""))]);
      }
      story.store(chain);
      story.expect("VALID");
    },
  ),
  "zstd-frames": vector(
    "payload.md, Opening",
    "Frames of plain and run-length blocks.",
    (story) => {
      const chain = story.chain();
      const stored = (_: Uint8Array, raw: Uint8Array): Uint8Array => frameOf(raw);
      chain.seal([chain.line(`${"a".repeat(300_000)}\n`)], { codec: "zstd", stored });
      chain.seal([chain.line("b\n")], { codec: "zstd", stored });
      story.store(chain);
      story.expect("VALID");
    },
  ),
  "zstd-compressed": keptVector(
    "payload.md, Opening",
    "Payloads made by a real compressor.",
    (story) => {
      const chain = story.chain({ codec: "zstd" });
      for (let n = 1; n < 4; n++) {
        const text = Array.from({ length: 200 }, (_, i) => `${n} GET /page/${i * n} 200\n`).join(
          "",
        );
        chain.seal([chain.line(text)]);
      }
      story.store(chain);
      story.expect("VALID");
    },
  ),
  "line-cuts": vector(
    "envelope.md, Lines",
    "Stretches of 262,143, 262,144, 262,145 and 524,288 bytes, with LF and without.",
    (story) => {
      const chain = story.chain();
      const stored = (_: Uint8Array, raw: Uint8Array): Uint8Array => frameOf(raw);
      for (const length of [262_143, 262_144, 262_145, 524_288]) {
        chain.seal([chain.line(`${"x".repeat(length)}\n`)], { codec: "zstd", stored });
        chain.seal([chain.line("y".repeat(length))], { codec: "zstd", stored });
      }
      story.store(chain, { perObject: 9 });
      story.expect("VALID");
    },
  ),
  "many-sources": vector("continuity.md", "Lines of five sources, interleaved.", (story) => {
    const chain = story.chain();
    const files = ["a", "b", "c", "d"].map((name) => chain.source(`/var/log/${name}`));
    chain.seal(files.map(({ record }) => say(record)));
    for (let n = 0; n < 3; n++) {
      chain.seal([...files.map(({ id }) => lines(id, `${n}\n`)), chain.line()]);
    }
    story.store(chain);
    story.expect("VALID");
  }),
  "two-spans": vector(
    "envelope.md",
    "Spans of one block with times of their own, one going back.",
    (story) => {
      const chain = story.chain();
      const time = chain.time;
      chain.seal([
        at(time + 3, chain.line()),
        at(time + 1, chain.line()),
        at(time + 2, chain.line()),
      ]);
      story.store(chain);
      story.expect("VALID");
    },
  ),
  rotated: vector(
    "continuity.md",
    "A file starts again: end, then its next generation.",
    (story) => {
      const chain = story.chain();
      chain.go();
      const next = chain.source("/var/log/app.log", 1);
      const size = chain.sources.get(chain.app)?.expected as number;
      chain.seal([
        say({ type: "end", source: chain.app, size, cause: "restarted" }),
        say(next.record),
        lines(next.id, "new\n"),
      ]);
      story.store(chain);
      story.expect("VALID");
    },
  ),
  "declared-again": vector(
    "continuity.md",
    "The same bytes declared while open change nothing; after an end they begin at 0 again.",
    (story) => {
      const chain = story.chain();
      const { record } = chain.source("/var/log/app.log");
      chain.go();
      chain.seal([say(record), chain.line()]);
      const size = chain.sources.get(chain.app)?.expected as number;
      chain.seal([say({ type: "end", source: chain.app, size, cause: "deleted" })]);
      chain.seal([say(record), chain.line("zero\n", 0)]);
      story.store(chain);
      story.expect("VALID_WITH_FINDINGS", ["SOURCE_REWRITTEN", 4, 9]);
    },
  ),
  "odd-path": vector(
    "record.md, Paths",
    "A path of bytes that are no text, within a glob.",
    (story) => {
      const path = encodePath(Uint8Array.of(...utf8("/l/\u00e9 %"), 0xff, 0x7f));
      const chain = story.chain({ path, terms: { sources: ["/l/%c3%a9%20%25%ff%7?"] } });
      chain.go();
      story.store(chain);
      story.expect("VALID");
    },
  ),
  globs: vector("grant.md, Globs", "Sources that each fit one of the grant's globs.", (story) => {
    const chain = story.chain({ terms: { sources: ["/var/log/*.log", "/srv/**/x?z"] } });
    const paths = ["/srv/a/b/xyz", "/srv//xzz", "/var/log/.log"];
    chain.seal(paths.map((path) => say(chain.source(path).record)));
    story.store(chain);
    story.expect("VALID");
  }),
  heartbeats: vector("record.md, heartbeat", "Heartbeats with sources and without.", (story) => {
    const chain = story.chain();
    chain.seal([say({ type: "heartbeat", sources: [] })]);
    const source = { source: chain.app, size: 100, offset: 0 };
    chain.seal([say({ type: "heartbeat", sources: [source] })]);
    story.store(chain);
    story.expect("VALID");
  }),
  "sink-record": vector(
    "record.md, sink",
    "What an agent says of its vault is no finding.",
    (story) => {
      const chain = story.chain();
      chain.seal([say({ type: "sink", event: "unreachable", since: 5, detail: "no route" })]);
      story.store(chain);
      story.expect("VALID");
    },
  ),
  "json-limits": vector(
    "record.md, Canonical JSON",
    "The deepest object and the largest number.",
    (story) => {
      const chain = story.chain();
      let config: Record<string, unknown> = {
        n: Number.MAX_SAFE_INTEGER,
        t: true,
        u: "\u20ac\u0001\ud83d\ude00",
      };
      for (let depth = 3; depth <= 15; depth++) config = { d: config };
      chain.seal([say({ type: "config", config: config as never })]);
      story.store(chain);
      story.expect("VALID_WITH_FINDINGS", ["CONFIG_CHANGED", 1, 4]);
    },
  ),
  "snapshot-anywhere": vector(
    "record.md, snapshot",
    "A snapshot in a block that need not hold one.",
    (story) => {
      const chain = story.chain();
      chain.go(4);
      chain.seal([chain.snapshot(), chain.line()]);
      story.store(chain);
      story.expect("VALID");
    },
  ),
  "receipts-recorded": vector(
    "receipt.md",
    "Receipts in records: two in one block, one again.",
    (story) => {
      const chain = story.chain();
      chain.go(2);
      const [one, two] = [chain.receipt(1), chain.receipt(2)];
      chain.seal([say({ type: "receipt", note: one }), say({ type: "receipt", note: two })]);
      chain.seal([say({ type: "receipt", note: two })]);
      chain.seal([say({ type: "receipt", note: chain.receipt(4) })]);
      story.store(chain);
      story.expect("VALID");
    },
  ),
  "other-signatures": vector(
    "note.md",
    "Signature lines by keys that nobody knows are ignored.",
    (story) => {
      const other = new NoteSigner("witness.example");
      const chain = story.chain({
        grantNote: (note) => `${note}${formatNote("x\n", [other.sign("x")]).split("\n\n")[1]}`,
      });
      chain.go();
      const note = chain.receipt();
      const [text] = note.split("\n\n") as [string];
      const more = formatNote(`${text}\n`, [other.sign(text), other.cosign(text, 5)]);
      story.store(chain, { receipt: `${note}${more.split("\n\n")[1]}` });
      story.expect("VALID");
    },
  ),
  "two-runs": vector("block.md, Runs", "A stop, and a new run twenty seconds later.", (story) => {
    const chain = story.chain();
    chain.go();
    chain.stop();
    chain.restart([chain.line()], { time: chain.time + 20 * second });
    chain.go();
    story.store(chain);
    story.expect("VALID_WITH_FINDINGS", ["DOWNTIME", 3]);
  }),
  "config-in-restart": vector(
    "record.md, snapshot",
    "A new run with a config of its own.",
    (story) => {
      const chain = story.chain();
      chain.stop();
      chain.newRun();
      const config = { service: "app", more: [1, "two", false] };
      const first = [chain.start(), say({ type: "config", config }), chain.snapshot({ config })];
      chain.seal([...first, chain.line()]);
      story.store(chain);
      story.expect("VALID_WITH_FINDINGS", ["DOWNTIME", 2], ["CONFIG_CHANGED", 2, 6]);
    },
  ),
  "unclean-restart": vector(
    "block.md, Runs",
    "A new run without a stop of the old one.",
    (story) => {
      const chain = story.chain();
      chain.go();
      chain.restart([chain.line()]);
      story.store(chain);
      story.expect("VALID_WITH_FINDINGS", ["RESTART_UNCLEAN", 2]);
    },
  ),
  final: vector("block.md", "A chain that was retired: its head never grows old.", (story) => {
    const chain = story.chain();
    chain.go();
    chain.seal([chain.line()], { kind: "final" });
    story.store(chain);
    story.at = (testTime + 86_400) * second;
    story.expect("VALID");
  }),
  "gap-declared": vector("record.md, gap", "100 bytes that the agent could not read.", (story) => {
    const chain = story.chain();
    chain.go();
    const from = chain.sources.get(chain.app)?.expected as number;
    chain.seal([say({ type: "gap", source: chain.app, from, to: from + 100, cause: "truncated" })]);
    chain.go();
    story.store(chain);
    story.expect("VALID_WITH_FINDINGS", ["GAP_DECLARED", 2, 5]);
  }),
  "gap-without-end": vector("record.md, gap", "A gap without `to` closes its source.", (story) => {
    const chain = story.chain();
    const from = chain.sources.get(chain.app)?.expected as number;
    const next = chain.source("/var/log/app.log", 1);
    chain.seal([
      say({ type: "gap", source: chain.app, from, cause: "rotated-away" }),
      say(next.record),
      lines(next.id, "new\n"),
    ]);
    story.store(chain);
    story.expect("VALID_WITH_FINDINGS", ["GAP_DECLARED", 1, 4]);
  }),
  "clock-step": vector(
    "record.md, clock",
    "The clock went back an hour, and the agent says so.",
    (story) => {
      const chain = story.chain();
      chain.go();
      const [before, after] = [chain.time, chain.time - 3600 * second];
      const step = say({ type: "clock", before, after, mono: chain.mono });
      chain.seal([step, chain.line()], { time: after });
      story.store(chain, { receipt: chain.receipt(undefined, testTime + 10) });
      story.expect("VALID_WITH_FINDINGS", ["CLOCK_STEP_DECLARED", 2, 5]);
    },
  ),
  "unknown-record": vector("record.md", "A type and a key that a newer agent may use.", (story) => {
    const chain = story.chain();
    chain.seal([say({ type: "weather", sky: "blue" })]);
    chain.seal([say({ type: "stop", reason: "sigterm", mood: "fine" })]);
    story.store(chain);
    story.expect("VALID_WITH_FINDINGS", ["UNKNOWN_RECORD", 1, 4], ["UNKNOWN_RECORD", 2, 5]);
  }),
  "rewritten-record": vector(
    "record.md, rewritten",
    "Sealed bytes were changed in place.",
    (story) => {
      const chain = story.chain();
      chain.go();
      chain.seal([say({ type: "rewritten", source: chain.app, from: 1, to: 4 })]);
      story.store(chain);
      story.expect("VALID_WITH_FINDINGS", ["SOURCE_REWRITTEN", 2, 5]);
    },
  ),
  "unconfirmed-tail": vector("verification.md, F", "No receipt at all.", (story) => {
    const chain = story.chain();
    chain.go(2);
    story.store(chain, { receipt: undefined });
    story.expect("VALID_WITH_FINDINGS", ["TAIL_UNCONFIRMED", 0, undefined, { blocks: 3 }]);
  }),
  "older-receipt": vector(
    "verification.md, F",
    "The receipt covers all but the last block.",
    (story) => {
      const chain = story.chain();
      chain.go(2);
      story.store(chain, { receipt: chain.receipt(2) });
      story.expect("VALID_WITH_FINDINGS", ["TAIL_UNCONFIRMED", 2, undefined, { blocks: 1 }]);
    },
  ),
  "two-vaults-of-a-name": vector(
    "receipt.md",
    "The vault has exchanged its keys: both pairs are trusted, receipts by either count.",
    (story) => {
      const chain = story.chain();
      const newer = new TestVault(testVault.name, "newer");
      chain.go();
      const note = newer.receipt(chain.id, 2, chain.roots[2] as Uint8Array, testTime + 2);
      chain.seal([say({ type: "receipt", note })]);
      story.store(chain);
      const keys = [newer.receiptKey, newer.timeKey].map(({ key }) => formatVerifierKey(key));
      story.vaults = [...story.vaults, ...keys];
      story.expect("VALID");
    },
  ),
  "no-vault-keys": vector("grant.md", "Without vault keys no audience is wrong.", (story) => {
    const chain = story.chain({ vault: new TestVault("elsewhere") });
    story.store(chain);
    story.vaults = [];
    story.expect("VALID_WITH_FINDINGS", ["TAIL_UNCONFIRMED", 0, undefined, { blocks: 1 }]);
  }),
  "agent-clock-ahead-of-grant": vector(
    "grant.md",
    "The agent's clock lies behind not-after, the receipt does not: no fault.",
    (story) => {
      const chain = story.chain({ terms: { notAfter: testTime - 100 } });
      story.store(chain, { receipt: chain.receipt(1, testTime - 200) });
      story.expect("VALID");
    },
  ),
  "torn-tail": vector(
    "store.md, Torn tails",
    "The newest block is cut, and no receipt covers it.",
    (story) => {
      const chain = story.chain();
      chain.go(2);
      const receipt = chain.receipt();
      const torn = chain.twin([chain.line()]).bytes.subarray(0, 470);
      const whole = chain.blocks.map(({ bytes }) => bytes);
      story.store(chain, { receipt, blocks: [...whole, torn] });
      story.expect("VALID");
    },
  ),
  "torn-tail-like-blocks": vector(
    "store.md, Where a block ends",
    "A torn block whose lines look like blocks: its own head says how long it is.",
    (story) => {
      const chain = story.chain();
      const decoy = chain.blocks[0]?.bytes as Uint8Array;
      const receipt = chain.receipt();
      const torn = chain.twin([chain.line(concat(decoy, decoy))]).bytes;
      const whole = chain.blocks.map(({ bytes }) => bytes);
      story.store(chain, { receipt, blocks: [...whole, torn.subarray(0, -20)] });
      story.expect("VALID");
    },
  ),
  "torn-head": vector(
    "store.md, Torn tails",
    "Of the newest block 100 bytes were written.",
    (story) => {
      const chain = story.chain();
      const receipt = chain.receipt();
      const torn = chain.twin([chain.line()]).bytes.subarray(0, 100);
      const whole = chain.blocks.map(({ bytes }) => bytes);
      story.store(chain, { receipt, blocks: [...whole, torn] });
      story.expect("VALID");
    },
  ),
  "lines-like-blocks": vector("store.md", "Lines that hold whole blocks.", (story) => {
    const chain = story.chain();
    const decoy = chain.blocks[0]?.bytes as Uint8Array;
    chain.seal([chain.line(concat(decoy, decoy))]);
    chain.go();
    story.store(chain);
    story.expect("VALID");
  }),
  "two-chains": vector("verification.md", "Two chains of two grants.", (story) => {
    const [one, two] = [story.chain(), story.chain({ label: "web" })];
    two.go(3);
    story.store(one);
    story.store(two);
    story.expect("VALID");
  }),
  "one-grant-two-chains": vector(
    "grant.md, max-chains",
    "A grant for two chains, used twice.",
    (story) => {
      const setup = { grantKey: "shared", terms: { maxChains: 2 } };
      story.store(story.chain(setup));
      story.store(
        story.chain({ ...setup, label: "second", terms: { ...setup.terms, subject: "app" } }),
      );
      story.expect("VALID");
    },
  ),
  predecessor: vector(
    "record.md, predecessor",
    "A chain that goes on for another one.",
    (story) => {
      const old = story.chain({ label: "old" });
      old.go(2);
      const position = { record: old.source("/var/log/app.log").record, offset: 14 };
      const record = say({
        ...{
          type: "predecessor",
          chain: old.name,
          size: 2,
          root: rootOf(old, 2),
          reason: "state lost",
        },
        positions: [position],
      });
      const next = story.chain({ label: "next", path: "/var/log/more.log" }, [record]);
      next.seal([lines(old.app, "line 2\n")]);
      story.store(next);
      story.store(old);
      story.chains[old.name] = "VALID";
      story.expect("VALID_WITH_FINDINGS", ["CHAIN_REPLACED", 0, 4]);
    },
  ),
  "grant-of-mixed-signatures": vector("grant.md", "The root's second key signed too.", (story) => {
    const other = new NoteSigner("root.example", 1, "root two");
    const chain = story.chain({
      grantNote: (note) => {
        const text = `${note.split("\n\n")[0]}\n`;
        return formatNote(text, [other.sign(text), testRoot.sign(text)]);
      },
    });
    story.store(chain);
    story.expect("VALID");
  }),
  "random-looking-run": vector(
    "block.md",
    "Any run id is good, that of all zeros too.",
    (story) => {
      const chain = story.chain();
      chain.stop();
      chain.newRun();
      chain.runId = new Uint8Array(16);
      chain.seal([chain.start(), chain.snapshot(), lines(chain.app, fixedBytes("line", 40))]);
      story.store(chain);
      story.expect("VALID_WITH_FINDINGS", ["DOWNTIME", 2]);
    },
  ),
};

function rootOf(chain: { roots: Uint8Array[] }, size: number): string {
  return Buffer.from(chain.roots[size] as Uint8Array).toString("hex");
}
