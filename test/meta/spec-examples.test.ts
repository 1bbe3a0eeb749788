import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import test from "node:test";
import { headLength } from "../../src/core/block.ts";
import { equalBytes } from "../../src/core/bytes.ts";
import { maxReceiptLength } from "../../src/core/checkpoint.ts";
import { envelopeHeadLength, field, maxStretch } from "../../src/core/envelope.ts";
import { groupSize } from "../../src/core/envelope-tree.ts";
import { findingClasses } from "../../src/core/fault.ts";
import { maxGrantLength } from "../../src/core/grant.ts";
import { encodeHeader, type Header, headerLength, limits } from "../../src/core/header.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { maxFullProofLength, maxProofHeads, maxProofLength } from "../../src/core/proof.ts";
import { decodeRecord, encodeRecord, maxRecordLength } from "../../src/core/record.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { verdictExitCodes, verdictOf } from "../../src/verify/finding.ts";
import { remembered } from "../../src/verify/recent.ts";
import { verifyChain } from "../../src/verify/verify.ts";
import { frameBytesMax } from "../../src/wal/frame.ts";
import { plainChain } from "../fakes/chain-store.ts";
import {
  envelopeRows,
  exampleChainId,
  exampleFiles,
  exampleKeys,
  headerRows,
  specExamples,
} from "../spec-examples.ts";
import { projectRoot, sourceFiles } from "./source-text.ts";
import { examplesOn, sectionOf, specPages, tableRows, withExamples } from "./spec-pages.ts";

const pages = new Map(
  (await specPages()).map(({ path, text }) => [path.replace("docs/spec/", ""), text] as const),
);
const page = (name: string): string =>
  pages.get(name) ?? assert.fail(`docs/spec/${name} is missing`);
const number = (value: number): string => value.toLocaleString("en-US");

test("the examples in docs/spec are what our code makes: otherwise `npm run spec` writes them", () => {
  for (const [name, text] of pages) assert.equal(text, withExamples(text), name);
});

test("every example is shown somewhere, and every page but the index shows one", () => {
  const shown = [...pages.values()].flatMap(examplesOn);
  assert.deepEqual(
    [...specExamples().keys()].filter((name) => !shown.includes(name)),
    [],
  );
  for (const [name, text] of pages) {
    assert.ok(/^## Example$/m.test(text) || /^## The example$/m.test(text), name);
  }
});

test("the index names every page, and every link between the documents leads somewhere", async () => {
  for (const name of pages.keys()) {
    assert.ok(name === "README.md" || page("README.md").includes(`](${name})`), name);
  }
  for (const { path, text } of await sourceFiles("docs/{README,glossary}.md", "docs/spec/*.md")) {
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const full = file === "" ? join(projectRoot, path) : join(projectRoot, dirname(path), file);
      assert.ok(existsSync(full), `${path} links to ${target}`);
      if (anchor === undefined) continue;
      const headings = [...(await readFile(full, "utf8")).matchAll(/^#+ (.*)$/gm)].map(
        ([, title = ""]) =>
          title
            .toLowerCase()
            .replace(/[^\w\- ]/g, "")
            .replaceAll(" ", "-"),
      );
      assert.ok(headings.includes(anchor), `${path} links to ${target}`);
    }
  }
});

test("the example store is what our code makes, and its verdict is VALID", async () => {
  const files = exampleFiles();
  for (const [name, bytes] of files) {
    const kept = await readFile(join(projectRoot, "docs/spec/example", name));
    assert.ok(equalBytes(kept, bytes), `${name} is out of date`);
  }
  const found: unknown[] = [];
  const get = (name: string): Uint8Array => files.get(`chains/${exampleChainId}/${name}`)!;
  const name = "0000000000000000.blocks";
  const report = await verifyChain(
    plainChain(exampleChainId, get("grant"), [get(name)], get("receipt")),
    { suite: nativeSuite, ...exampleKeys, report: (finding) => found.push(finding) },
  );
  assert.deepEqual(found, []);
  assert.equal(report.verdict, "VALID");
  assert.deepEqual([report.blocks, report.envelopes, report.receiptedBlocks], [4, 30, 4]);
});

const limitRows: readonly (readonly [page: string, ...cells: string[]])[] = [
  ["envelope.md", "bytes of a line", "0", number(maxStretch)],
  ["envelope.md", "bytes of a record", "2", number(maxRecordLength)],
  ["record.md", "bytes of a record", "2", number(maxRecordLength)],
  ["payload.md", "count", "1", number(limits.count)],
  ["payload.md", "raw_len", "1", number(limits.rawLength)],
  ["payload.md", "stored_len", "1", number(limits.storedLength)],
  ["block.md", "count", "1", number(limits.count)],
  ["block.md", "raw_len", "1", number(limits.rawLength)],
  ["block.md", "stored_len", "1", number(limits.storedLength)],
  ["block.md", "max_silence_ms", number(limits.maxSilenceMin), number(limits.maxSilenceMax)],
  ["block.md", "hashes in a group", "1", String(groupSize)],
  ["grant.md", "bytes of a grant", "–", number(maxGrantLength)],
  ["receipt.md", "bytes of a receipt", "–", number(maxReceiptLength)],
  ["proof.md", "bytes of a short proof", "–", number(maxProofLength)],
  ["proof.md", "bytes of a full proof", "–", number(maxFullProofLength)],
  ["proof.md", "heads in a full proof", "1", number(maxProofHeads)],
  ["wal.md", "bytes of a frame", "1", number(frameBytesMax)],
];

test("the limits in the pages are the constants in the code", () => {
  for (const [name, ...cells] of limitRows) {
    const row = tableRows(sectionOf(page(name), "## Limits")).find(([what]) => what === cells[0]);
    assert.deepEqual(row, cells, name);
  }
  assert.match(page("receipt.md"), new RegExp(`newest\\s+${number(remembered)} roots`));
  assert.match(page("verification.md"), new RegExp(`newest ${number(remembered)} blocks`));
  assert.ok(page("store.md").includes(`${number(1024 * headLength)} bytes`));
});

test("the header's table is the header that the code writes", () => {
  let at = 0;
  const want = headerRows.map(([name, length]) => {
    at += length;
    return [String(at - length), String(length), name];
  });
  assert.equal(at, headerLength);
  const found = tableRows(sectionOf(page("block.md"), "## Header")).slice(1);
  assert.deepEqual(
    found.map((row) => row.slice(0, 3)),
    want,
  );
  const zero = Object.fromEntries(
    [
      "chainId",
      "prevHash",
      "chainRoot",
      "lastHash",
      "envelopeRoot",
      "storedHash",
      "nextPub",
      "configHash",
      "receiptHash",
    ].map((name) => [name, new Uint8Array(32)]),
  );
  const numbers = [
    "blockNo",
    "firstSeq",
    "count",
    "rawLength",
    "storedLength",
    "maxSilenceMs",
    "receiptSize",
    "time",
    "mono",
    "firstTime",
  ];
  const base = {
    ...{ kind: "genesis", codec: "raw", runId: new Uint8Array(16), ...zero },
    ...Object.fromEntries(numbers.map((name) => [name, 0])),
  } as unknown as Header;
  const named: Record<string, string> = { rawLength: "raw_len", storedLength: "stored_len" };
  for (const key of Object.keys(base) as (keyof Header)[]) {
    const changed = { ...base, [key]: changedValue(base[key], key) };
    const [before, after] = [encodeHeader(base), encodeHeader(changed)];
    const differs = before.findLastIndex((byte, index) => byte !== after[index]);
    const row = want.find(([off, len]) => Number(off) + Number(len) === differs + 1);
    const name = named[key] ?? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    assert.equal(row?.[2], name);
  }
});

function changedValue(value: unknown, key: string): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value.length).fill(1);
  if (typeof value === "number") return 1;
  return key === "kind" ? "final" : "zstd";
}

test("the envelope's table is the layout in the code", () => {
  const rows = tableRows(sectionOf(page("envelope.md"), "## Layout")).slice(1);
  let at = 0;
  for (const [name, length] of envelopeRows) {
    const row = rows.find(([, , field]) => field === name);
    assert.deepEqual(row?.slice(0, 2), [String(at), String(length)], name);
    const key = name === "len" ? "length" : (name as keyof typeof field);
    assert.equal(field[key], at, name);
    at += length;
  }
  assert.equal(at, envelopeHeadLength);
});

const id = "ab".repeat(16);
const hash = "cd".repeat(32);
const source = {
  ...{ type: "source", name: "a", path: "/a", dev: "1", ino: "2", birth: "0", generation: 0 },
  ...{ fingerprint: hash, fingerprint_len: 0 },
};
const positions = [{ record: source, offset: 1 }];
const samples: Readonly<Record<string, JsonObject>> = {
  start: { run: id, version: "1", host: "h", labels: { a: "b" } },
  stop: { reason: "r" },
  config: { config: {} },
  clock: { before: 1, after: 2, mono: 3 },
  heartbeat: { sources: [{ source: id, size: 1, offset: 1 }] },
  source,
  end: { source: id, size: 1, cause: "deleted" },
  gap: { source: id, from: 1, to: 2, cause: "skipped" },
  rewritten: { source: id, from: 1, to: 2 },
  snapshot: { tree: [hash], config: {}, sources: positions },
  receipt: { note: "n" },
  predecessor: { chain: hash, size: 1, root: hash, reason: "r", positions },
  sink: { event: "fork", since: 1, detail: "d" },
};

function problemOf(type: string, value: JsonObject): string | undefined {
  return decodeRecord(encodeRecord({ ...value, type })).problem?.code;
}

test("the tables of records name exactly the keys that the code reads", () => {
  const types = [...page("record.md").matchAll(/^### (.*)$/gm)].map(([, type]) => type as string);
  assert.deepEqual(types.toSorted(), Object.keys(samples).toSorted());
  for (const type of types) {
    const rows = tableRows(sectionOf(page("record.md"), `### ${type}`));
    const keys = rows.filter((row) => row.length === 3 && row[0] !== "key").map(([key]) => key!);
    const sample = samples[type]!;
    const documented = keys.map((key) => key.replace("?", ""));
    assert.deepEqual(
      documented.toSorted(),
      Object.keys(sample)
        .filter((key) => key !== "type")
        .toSorted(),
    );
    assert.equal(problemOf(type, sample), undefined, type);
    for (const key of keys) {
      const { [key.replace("?", "")]: _left, ...rest } = sample;
      assert.equal(problemOf(type, rest), key.endsWith("?") ? undefined : "MALFORMED", key);
    }
    assert.equal(problemOf(type, { ...sample, zzz: 1 }), "UNKNOWN_RECORD", type);
  }
});

test("the table of finding codes is the one in the code, and other codes are not used", () => {
  const rows = tableRows(sectionOf(page("verification.md"), "## Finding codes")).slice(1);
  assert.deepEqual(
    rows.map(([code, kind]) => [code, kind]),
    Object.entries(findingClasses),
  );
  const reserved = sectionOf(page("verification.md"), "### Reserved codes");
  const words = /\b(?:[A-Z]{2,}_)+[A-Z]+\b/g;
  for (const [name, text] of pages) {
    const prose = text.replace(/```text[\s\S]*?```/g, "");
    const stray = [...prose.matchAll(words)].map(([word]) => word);
    const known = (word: string): boolean =>
      word in findingClasses || word in verdictExitCodes || reserved.includes(`\`${word}\``);
    assert.deepEqual(
      stray.filter((word) => !known(word)),
      [],
      name,
    );
  }
});

test("verdicts and exit codes are those of the code", () => {
  const rows = tableRows(sectionOf(page("verification.md"), "## Verdicts"));
  for (const [verdict, exit] of Object.entries(verdictExitCodes)) {
    assert.ok(
      rows.some((row) => row[0] === verdict && row[1] === String(exit)),
      verdict,
    );
  }
  for (const [code, kind] of Object.entries(findingClasses)) {
    const row = rows.find(
      ([classes = "", verdict = ""]) =>
        classes.split(", ").includes(kind) && verdict in verdictExitCodes,
    );
    assert.equal(row?.[1], verdictOf(code as keyof typeof findingClasses), kind);
  }
});
