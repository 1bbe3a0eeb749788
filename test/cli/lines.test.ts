import assert from "node:assert/strict";
import test from "node:test";
import { formatVerifierKey } from "../../src/core/note.ts";
import { ChainBuilder } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";
import { NoteSigner } from "../fakes/signers.ts";
import { CommandDir, keyWords, withoutKeys } from "./command.ts";

const binary = Buffer.from([0x66, 0xff, 0x00, 0x0d, 0x0a, 0xc3, 0x28, 0x0a]);
const long = Buffer.alloc(300_000, 0x61);
const first = Buffer.concat([
  Buffer.from("one\ntwo refund\n\n"),
  binary,
  long,
  Buffer.from("\nend"),
]);

interface Made {
  readonly chain: ChainBuilder;
  readonly app: string;
  readonly web: string;
}

/** Two files; the first holds what is hard to print. */
function made(): Made {
  const chain = new ChainBuilder("payments");
  chain.begin();
  const [app, web] = [chain.source("/var/log/app.log"), chain.source("/var/log/web 1.log")];
  const encoded = { ...web.record, path: "/var/log/web%201.log", name: "web" };
  const webId = chain.sources.idOf(encoded);
  chain.seal([say(app.record), say(encoded), lines(app.id, first.subarray(0, 24))]);
  chain.seal([lines(webId, "GET /\nrefund \x1b[31m\n"), lines(app.id, first.subarray(24))]);
  chain.seal([lines(webId, "GET /later\n")]);
  return { chain, app: app.id, web: webId };
}

test("lines are shown with number, time and path, and nothing in them moves the cursor", async () => {
  using dir = new CommandDir();
  dir.store(made().chain);
  const { code, out, err } = await dir.run(["lines", "--data", "data", "payments"]);
  assert.deepEqual([code, err], [0, ""]);
  const shown = out.split("\n");
  assert.equal(shown.length, 11);
  assert.equal(shown[0], "5  2026-01-01T00:00:01.000Z  /var/log/app.log  one");
  assert.equal(shown[2], "7  2026-01-01T00:00:01.000Z  /var/log/app.log  ");
  assert.equal(shown[3], "8  2026-01-01T00:00:01.000Z  /var/log/app.log  f\ufffd\\x00\\x0d");
  assert.equal(shown[6], "11  2026-01-01T00:00:02.000Z  /var/log/web%201.log  refund \\x1b[31m");
  assert.match(shown[7] as string, /app\.log {2}a{300000}$/);
  assert.match(shown[8] as string, /app\.log {2}end$/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
  assert.ok(!/[\x00-\x08\x0b-\x1f\x7f]/.test(out));
});

test("raw output is the file, byte by byte, and of one file only", async () => {
  using dir = new CommandDir();
  const { chain, app } = made();
  dir.store(chain);
  const raw = ["lines", "--data", "data", "payments", "--raw"];
  for (const source of ["name:app", `id:${app}`, `id:${app.slice(0, 8)}`, "/var/*/app.log"]) {
    const { code, bytes, err } = await dir.run([...raw, "--source", source]);
    assert.deepEqual([code, err], [0, ""]);
    assert.ok(bytes.equals(first), source);
  }
  const both = await dir.quick(raw);
  assert.deepEqual([both.code, both.out], [2, ""]);
  assert.match(both.err, new RegExp(`id:${app.slice(0, 12)} \\(/var/log/app.log\\)`));
  const part = await dir.quick([...raw, "--source", "name:app", "--to-seq", "6"]);
  assert.equal(part.out, "one\ntwo refund\n");
});

test("JSON output is one envelope a line, with text only where it is text", async () => {
  using dir = new CommandDir();
  const { chain, app } = made();
  dir.store(chain);
  const { out } = await dir.quick(["lines", "--data", "data", "payments", "--json"]);
  const all = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    all.map(({ seq }) => seq),
    [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  );
  const [one, , , bent, , , , cut, rest] = all;
  assert.deepEqual([one.text, one.kind, one.lf, one.source], ["one", "line", true, app]);
  assert.deepEqual([one.chain, one.block, one.offset], [chain.name, 1, 0]);
  assert.equal(bent.text, undefined);
  assert.equal(bent.base64, binary.subarray(0, 4).toString("base64"));
  assert.deepEqual([cut.lf, cut.text.length, rest.lf], [false, 262_144, true]);
  for (let at = 1; at < all.length; at++) assert.equal(all[at].prev, all[at - 1].hash);
  const withRecords = await dir.quick([
    "lines",
    "--data",
    "data",
    "payments",
    "--json",
    "--records",
  ]);
  const kinds = withRecords.out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).kind);
  assert.equal(kinds.filter((kind) => kind === "record").length, 5);
});

const filters: readonly (readonly [words: string[], seqs: number[]])[] = [
  [
    ["--from-seq", "6", "--to-seq", "7"],
    [6, 7],
  ],
  [["--since", "2026-01-01T00:00:03Z"], [15]],
  [
    ["--until", "2026-01-01T00:00:01Z"],
    [5, 6, 7, 8, 9],
  ],
  [
    ["--since", "@1767225602", "--until", "@1767225602"],
    [10, 11, 12, 13, 14],
  ],
  [
    ["--grep", "refund"],
    [6, 11],
  ],
  [["--grep", "refund", "--source", "/var/log/web*"], [11]],
  [
    ["--source", "name:web"],
    [10, 11, 15],
  ],
  [["--source", "/var/*"], []],
  [
    ["--source", "/var/**"],
    [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  ],
  [
    ["--records", "--to-seq", "2"],
    [0, 1, 2],
  ],
];

test("what is asked for is what is printed", async () => {
  using dir = new CommandDir();
  dir.store(made().chain);
  for (const [words, seqs] of filters) {
    const ran = await dir.quick(["lines", "--data", "data", "payments", "--json", ...words]);
    const found = ran.out.split("\n").filter((line) => line !== "");
    assert.deepEqual(
      found.map((line) => JSON.parse(line).seq),
      seqs,
      words.join(" "),
    );
    assert.equal(ran.code, 0);
  }
});

test("what nobody vouches for is left out unless it is asked for", async () => {
  using dir = new CommandDir();
  const { chain } = made();
  const blocks = chain.blocks.map(({ bytes }) => bytes.slice());
  const second = blocks[2] as Uint8Array;
  second[400] = (second[400] as number) ^ 1;
  dir.store(chain, { blocks, receipt: undefined });
  const words = ["lines", "--data", "data", "payments"];
  const safe = await dir.quick(words);
  assert.equal(safe.code, 1);
  assert.equal(safe.out.trimEnd().split("\n").length, 5);
  assert.match(safe.err, /\[lines-left-out\]/);
  const all = await dir.quick([...words, "--unauthenticated"]);
  assert.match(all.out, /GET \/later\n$/);
  assert.equal(all.code, 1);
  const before = await dir.quick([...words, "--to-seq", "7"]);
  assert.deepEqual([before.code, before.err], [0, ""]);
});

test("a reader that has seen enough ends the command without a complaint", async () => {
  using dir = new CommandDir();
  const chain = new ChainBuilder("payments");
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  chain.seal([say(record)]);
  for (let block = 0; block < 40; block++) chain.seal([lines(id, "x\n".repeat(5000))]);
  dir.store(chain);
  const { spawnSync } = await import("node:child_process");
  const bin = new URL("../../src/cli/bin.ts", import.meta.url).pathname;
  // A file that is left open ends the command on some nodes once its memory is collected.
  const collecting = "data:text/javascript,setInterval(gc,1).unref();process.on('exit',gc)";
  const node = `"${process.execPath}" --expose-gc --import "${collecting}"`;
  const command = `${node} "${bin}" lines --data data payments | head -n 2`;
  const ran = spawnSync("bash", ["-o", "pipefail", "-c", command], {
    cwd: dir.dir,
    encoding: "utf8",
  });
  assert.equal(withoutKeys(ran.stderr), "");
  assert.equal(ran.stdout.split("\n").length, 3);
  assert.equal(ran.status, 0);
});

test("behind a lost block, lines are printed again where a receipt vouches for them", async () => {
  using dir = new CommandDir();
  const { chain } = made();
  const blocks = chain.blocks.map(({ bytes }) => bytes);
  dir.store(chain, { blocks: [0, 1, 3].map((block) => blocks[block]!), perObject: 4 });
  const words = ["lines", "--data", "data", "payments"];
  const healed = await dir.quick(words);
  assert.match(healed.out, /GET \/later\n$/);
  assert.equal(healed.code, 1);
  assert.match(healed.err, /block 2 is not there \[BLOCK_MISSING\].*\[lines-left-out\]/);
  assert.equal((await dir.quick([...words, "--to-seq", "15"])).out, healed.out);
  const strangers = ["lines", "data/store", "payments"];
  const cut = await dir.quick(strangers);
  assert.equal(cut.out.trimEnd().split("\n").length, 5);
  assert.match(cut.err, /nobody vouches for block 3 and those behind it/);
});

test("that no line fits is said on stderr, and is no failure", async () => {
  using dir = new CommandDir();
  dir.store(made().chain);
  for (const words of [
    ["--grep", "nowhere"],
    ["--from-seq", "9999"],
  ]) {
    const ran = await dir.quick(["lines", "--data", "data", "payments", ...words]);
    assert.deepEqual([ran.code, ran.out], [0, ""]);
    assert.equal(ran.err, "sealtail: no line of this chain fits\n");
  }
});

test("raw output of nothing is a failure that says which sources there are", async () => {
  using dir = new CommandDir();
  const { chain, app } = made();
  dir.store(chain);
  const words = ["lines", "--data", "data", "payments", "--raw", "--source"];
  for (const word of ["/nope", "name:other", "id:000000000000"]) {
    const ran = await dir.quick([...words, word]);
    assert.deepEqual([ran.code, ran.out], [1, ""]);
    assert.match(ran.err, /no line of this chain fits.*\[lines-none\]/s);
    assert.match(ran.err, new RegExp(`id:${app.slice(0, 12)} \\(/var/log/app.log\\)`));
  }
  const late = await dir.quick([...words, "name:app", "--from-seq", "9999"]);
  assert.deepEqual([late.code, late.out], [1, ""]);
});

test("raw output over a gap says which bytes are not there, and fails", async () => {
  using dir = new CommandDir();
  const chain = new ChainBuilder("payments");
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  const gap = { type: "gap", source: id, from: 4, to: 9, cause: "truncated" } as const;
  chain.seal([say(record), lines(id, "one\n"), say(gap), lines(id, "two\n", 9)]);
  dir.store(chain);
  const ran = await dir.quick(["lines", "--data", "data", "payments", "--raw"]);
  assert.deepEqual([ran.code, ran.out], [1, "one\ntwo\n"]);
  assert.match(ran.err, /bytes 4 to 9 of the file are not among these lines.*lines-left-out/s);
});

test("raw output says which bytes are left out before its first line and behind its last", async () => {
  const gap = (id: string, from: number, to?: number) =>
    say({
      ...({ type: "gap", source: id, from, cause: "skipped" } as const),
      ...(to === undefined ? {} : { to }),
    });
  const cases: readonly [(id: string) => Item[], RegExp | undefined][] = [
    [(id) => [gap(id, 0, 9), lines(id, "two\n", 9)], /bytes 0 to 9 .*skipped \[GAP_DECLARED\]/],
    [(id) => [lines(id, "two\n"), gap(id, 4)], /bytes from 4 on .*skipped \[GAP_DECLARED\]/],
    [(id) => [lines(id, "two\n"), gap(id, 4, 9)], /bytes 4 to 9 .*skipped \[GAP_DECLARED\]/],
    [(id) => [lines(id, "two\n")], undefined],
  ];
  for (const [items, said] of cases) {
    using dir = new CommandDir();
    const chain = new ChainBuilder("payments");
    chain.begin();
    const [{ id, record }, other] = [chain.source("/var/log/app.log"), chain.source("/b.log")];
    chain.seal([say(record), say(other.record), gap(other.id, 0, 7), ...items(id)]);
    chain.seal([say({ type: "end", source: other.id, size: 7, cause: "deleted" })]);
    dir.store(chain);
    const ran = await dir.quick(["lines", "--data", "data", "payments", "--raw"]);
    assert.deepEqual([ran.code, ran.out], [said === undefined ? 0 : 1, "two\n"], ran.err);
    if (said === undefined) assert.equal(ran.err, "");
    else assert.match(ran.err, said);
    // Once each.
    assert.ok((ran.err.match(/not among these lines/g) ?? []).length <= 1, ran.err);
  }
});

test("raw output of a source that was opened again says nothing of what it wrote before", async () => {
  using dir = new CommandDir();
  const chain = new ChainBuilder("payments");
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  chain.seal([say(record), lines(id, "one\n")]);
  chain.seal([say({ type: "end", source: id, size: 4, cause: "deleted" })]);
  const skipped = { type: "gap", source: id, from: 0, to: 4, cause: "skipped" } as const;
  chain.seal([say(record), say(skipped), lines(id, "two\n", 4)]);
  dir.store(chain);
  const ran = await dir.quick(["lines", "--data", "data", "payments", "--raw"]);
  assert.deepEqual([ran.code, ran.out, ran.err], [0, "one\ntwo\n", ""]);
});

test("a header's bent byte leaves its block out aloud, whichever byte it is", async () => {
  const { chain } = made();
  // magic, version, kind, length of the header, count, raw_len, stored_len.
  for (const at of [0, 7, 8, 9, 13, 65, 69, 73]) {
    using dir = new CommandDir();
    const blocks = chain.blocks.map(({ bytes }) => bytes.slice());
    const bent = blocks[2] as Uint8Array;
    bent[at] = (bent[at] as number) ^ 1;
    dir.store(chain, { blocks });
    for (const format of [[], ["--json"], ["--raw", "--source", "name:app"]]) {
      const ran = await dir.quick(["lines", "--data", "data", "payments", ...format]);
      assert.equal(ran.code, 1, `byte ${at} ${format}`);
      assert.match(ran.err, /\[[A-Z_]+\]/, `byte ${at} ${format}`);
      assert.doesNotMatch(ran.out, /refund \\x1b/);
    }
  }
});

test("no line is printed under a grant that no given root signed, or that counts for nothing", async () => {
  using dir = new CommandDir();
  dir.store(made().chain);
  const stranger = new NoteSigner("stranger.example");
  dir.write("stranger.pub", `${formatVerifierKey(stranger.key)}\n`);
  const other = ["lines", "data/store", "payments", "--root", "stranger.pub", ...keyWords.slice(2)];
  for (const format of [[], ["--json"], ["--raw", "--source", "name:app"]]) {
    const ran = await dir.quick([...other, ...format]);
    assert.deepEqual([ran.code, ran.out], [1, ""]);
    assert.match(ran.err, /\[(UNKNOWN_ROOT|GRANT_BAD_SIGNATURE)\].*lines-left-out/s);
  }
  const asked = await dir.quick([...other, "--unauthenticated"]);
  assert.match(asked.out, /GET \/later\n$/);
  assert.equal(asked.code, 1);
  assert.match(asked.err, /nobody vouches for are printed, too/);

  using late = new CommandDir();
  const expired = new ChainBuilder("expired", {
    terms: { notBefore: 1_766_000_000, notAfter: 1_767_000_000 },
  });
  expired.begin();
  const { id, record } = expired.source("/var/log/app.log");
  expired.seal([say(record), lines(id, "late\n")]);
  expired.seal([say({ type: "receipt", note: expired.receipt(1) })]);
  late.store(expired);
  const ran = await late.quick(["lines", "--data", "data"]);
  assert.deepEqual([ran.code, ran.out], [1, ""]);
  assert.match(ran.err, /\[GRANT_EXPIRED\]/);
});

test("that nothing was judged by a key is said on stderr", async () => {
  using dir = new CommandDir();
  dir.store(made().chain);
  const ran = await dir.quick(["lines", "data/store", "payments"]);
  assert.equal(ran.code, 0);
  assert.match(ran.out, /GET \/later\n$/);
  assert.match(ran.err, /^sealtail: no key was given: nobody judged who wrote these lines/);
  assert.equal(ran.err.trimEnd().split("\n").length, 1);
});
