// Bundles: what is written reads back the same, other tools read it too, and hostile ones end in a
// clear error.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { headLength } from "../../src/core/block.ts";
import { concat } from "../../src/core/bytes.ts";
import type { ByteRange } from "../../src/core/chain-source.ts";
import type { SealtailError } from "../../src/core/errors.ts";
import { systemFiles } from "../../src/host/files.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { type Bundle, bundleChainsMax, openBundle, writeBundle } from "../../src/store/bundle.ts";
import { openDirStore } from "../../src/store/dir.ts";
import { blocksPath, grantPath } from "../../src/store/layout.ts";
import type { Store } from "../../src/store/store.ts";
import { decodeTarHeader, encodeTarHeader } from "../../src/store/tar.ts";
import { FakeFiles } from "../fakes/files.ts";
import { allOf, blocksOf, chainId, contentOf, grant, joined, receiptOver } from "./blocks.ts";

const other = "cd".repeat(32);

async function filled(files: FakeFiles): Promise<Store> {
  const limits = { bytes: 50_000, ageMicros: 1e15 };
  const store = await openDirStore({ files, suite, now: () => 0, dir: "/store", limits });
  const writer = await store.create(chainId, grant);
  await writer.append(blocksOf(0, 1100));
  await store.writeReceipt(chainId, receiptOver(1100));
  const proof = new Uint8Array(2 * headLength).fill(9);
  await store.writeFork(chainId, { block: 3, hash: "ef".repeat(32), proof });
  await (await store.create(other, grant)).append(blocksOf(0, 2));
  return store;
}

async function bundleOf(store: Store): Promise<Uint8Array> {
  return await allOf(writeBundle((await store.contents()).chains));
}

async function opened(bytes: Uint8Array): Promise<Bundle> {
  const files = new FakeFiles();
  files.put("/b.tar", bytes);
  return await openBundle(files, "/b.tar");
}

test("a bundle holds what the store holds, object by object", async () => {
  const store = await filled(new FakeFiles());
  const bundle = await opened(await bundleOf(store));
  assert.deepEqual(await bundle.chainIds(), [chainId, other]);
  for (const chain of (await store.contents()).chains) {
    const copy = bundle.reader(chain.id);
    assert.deepEqual(await copy.grant(), await chain.grant());
    assert.deepEqual(await copy.receipt(), await chain.receipt());
    for (const kind of ["blocks", "headers", "forks"] as const) {
      const [ours, theirs] = [await chain[kind](), await copy[kind]()];
      assert.deepEqual(
        theirs.map(({ name, firstBlock }) => [name, firstBlock]),
        ours.map(({ name, firstBlock }) => [name, firstBlock]),
      );
      for (const [index, object] of ours.entries()) {
        assert.deepEqual(await allOf(theirs[index]!.open()), await allOf(object.open()));
      }
    }
    assert.deepEqual(await copy.newest(), await chain.newest());
  }
  assert.deepEqual(
    await allOf(bundle.reader(chainId).wholeBlocks(1000, 1050)),
    joined(blocksOf(1000, 1050)),
  );
});

test("the same chains make the same bytes, in whichever order they are given", async () => {
  const store = await filled(new FakeFiles());
  const { chains } = await store.contents();
  const [one, two] = [chains, chains.toReversed()];
  assert.deepEqual(await allOf(writeBundle(one)), await allOf(writeBundle(two)));
});

test("tar lists a bundle and packs one that is read", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "bundle-test-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const run = promisify(execFile);
  const bytes = await bundleOf(await filled(new FakeFiles()));
  await writeFile(join(dir, "a.tar"), bytes);
  try {
    await run("tar", ["-xf", "a.tar"], { cwd: dir });
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return t.skip("there is no tar here");
    throw error;
  }
  assert.deepEqual(new Uint8Array(await readFile(join(dir, grantPath(chainId)))), grant);
  await run("tar", ["--format=ustar", "-cf", "b.tar", "chains"], { cwd: dir });
  const again = await openBundle(systemFiles, join(dir, "b.tar"));
  assert.deepEqual(await contentOf(again.reader(chainId)), joined(blocksOf(0, 1100)));
  await again.close();
});

test("an object that grows while it is bundled goes in as long as it was", async () => {
  const files = new FakeFiles();
  const store = await filled(files);
  const chain = store.reader(chainId);
  const writer = (await store.open(chainId))!.writer;
  const growing = {
    ...chain,
    id: chainId,
    blocks: async () => {
      const blocks = await chain.blocks();
      return blocks.map((object) => ({
        name: object.name,
        firstBlock: object.firstBlock,
        open: (range?: ByteRange) => object.open(range),
        size: async () => {
          const size = await object.size();
          if (object === blocks.at(-1)) await writer.append(blocksOf(writer.size, writer.size + 1));
          return size;
        },
      }));
    },
  };
  const bundle = await opened(await allOf(writeBundle([growing])));
  assert.deepEqual(await contentOf(bundle.reader(chainId)), joined(blocksOf(0, 1100)));
});

function file(path: string, bytes: Uint8Array): Uint8Array {
  const padding = new Uint8Array((512 - (bytes.length % 512)) % 512);
  return concat(encodeTarHeader(path, bytes.length), bytes, padding);
}

/** A header with bytes changed and its checksum made right again. */
function bent(at: number, bytes: Uint8Array | string): Uint8Array {
  const header = encodeTarHeader(grantPath(chainId), 0);
  header.set(typeof bytes === "string" ? Buffer.from(bytes) : bytes, at);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.set(Buffer.from(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return header;
}

const end = new Uint8Array(1024);
/** Some tools pass over 512 bytes behind it, others over none. */
const folderOfSize = bent(124, `00000001000${"\0".repeat(21)}5`);
const hostile: readonly (readonly [name: string, bytes: Uint8Array, why: RegExp])[] = [
  ["empty file", new Uint8Array(0), /cut short/],
  ["bundle without its end", file(grantPath(chainId), grant), /end mark/],
  [
    "bundle cut within an object",
    concat(encodeTarHeader(grantPath(chainId), 5000), end),
    /cut short/,
  ],
  [
    "object twice",
    concat(file(grantPath(chainId), grant), file(grantPath(chainId), grant), end),
    /twice/,
  ],
  ["symbolic link", concat(bent(156, "2"), end), /type/],
  ["hard link", concat(bent(156, "1"), end), /type/],
  ["pax header", concat(bent(156, "x"), end), /type/],
  ["GNU long name", concat(bent(156, "L"), end), /type/],
  ["sparse file", concat(bent(156, "S"), end), /type/],
  ["GNU magic", concat(bent(257, "ustar  \0"), end), /ustar/],
  ["version of ustar that is another", concat(bent(257, "ustar\u000099"), end), /ustar/],
  ["size with something behind its end", concat(bent(124, "0000000\u0000001\u0000"), end), /octal/],
  ["folder with a size", concat(folderOfSize, new Uint8Array(512), end), /folder with a size/],
  ["file in the place of all chains", concat(file("chains", grant), end), /file named chains/],
  ["bundle behind a bundle", concat(end, file(grantPath(chainId), grant), end), /follows its end/],
  ["bundle and a byte", concat(file(grantPath(chainId), grant), end, Uint8Array.of(1)), /follows/],
  ["bundle filled up for ever", concat(end, new Uint8Array(1_100_000)), /follows its end/],
  ["old tar", concat(bent(257, new Uint8Array(8)), end), /ustar/],
  [
    "binary size",
    concat(bent(124, Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)), end),
    /octal/,
  ],
  ["negative size", concat(bent(124, "-0000000001\0"), end), /octal/],
  ["size beyond the file", concat(bent(124, "77777777777\0"), end), /cut short/],
  ["wrong checksum", concat(encodeTarHeader(grantPath(chainId), 0).with(0, 0x78), end), /checksum/],
  ["text", Uint8Array.from(Buffer.from("no tar ".repeat(200))), /octal|checksum/],
];
for (const [name, bytes, why] of hostile) {
  test(`a ${name} is no bundle`, async () => {
    await assert.rejects(opened(bytes), (error: SealtailError) => {
      assert.equal(error.code, "bundle-invalid");
      assert.match(error.message, why);
      return true;
    });
  });
}

test("what is not of the layout is passed over, wherever its path leads", async () => {
  const bytes = concat(
    file("/etc/passwd", grant),
    file("../../x", grant),
    file(`chains/${chainId}/../../grant`, grant),
    file(`chains/${chainId}/grant.txt`, grant),
    file(`chains/${chainId}/headers/0000000000000001`, grant),
    file(`chains/${chainId}/ffffffffffffffff.blocks`, grant),
    file(grantPath(chainId), grant),
    end,
  );
  const bundle = await opened(bytes);
  assert.deepEqual(await bundle.chainIds(), [chainId]);
  const chain = bundle.reader(chainId);
  assert.deepEqual(await chain.grant(), grant);
  assert.deepEqual([...(await chain.blocks()), ...(await chain.headers())], []);
});

const spellings = [
  `./chains/${chainId}/receipt`,
  `/chains/${chainId}/receipt`,
  `chains//${chainId}/receipt`,
  `chains/${chainId}/./receipt`,
  `chains/${chainId}/headers/../receipt`,
  `../chains/${chainId}/receipt`,
  `chains/${chainId.toUpperCase()}/receipt`,
  `Chains/${chainId}/receipt`,
  `chains/${chainId}/receipt/`,
  `chains\\${chainId}\\receipt`,
];
for (const name of spellings) {
  test(`a bundle that spells an object ${JSON.stringify(name)} is refused`, async () => {
    const bytes = concat(file(grantPath(chainId), grant), file(name, grant), end);
    await assert.rejects(opened(bytes), (error: SealtailError) => {
      assert.equal(error.code, "bundle-invalid");
      assert.match(error.message, /is not written as in a store/);
      assert.match(error.hint ?? "", /tar -C STORE/);
      return true;
    });
  });
}

test("a bundle of more chains than a reader keeps in mind is refused", async () => {
  const headers = Array.from({ length: bundleChainsMax + 1 }, (_, at) =>
    encodeTarHeader(grantPath(at.toString(16).padStart(64, "0")), 0),
  );
  await assert.rejects(opened(concat(...headers, end)), /more than 50000 chains/);
});

test("bytes of any kind never make a bundle hang or crash", async () => {
  const good = await bundleOf(await filled(new FakeFiles()));
  const start = good.slice(0, 3000);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(start.length - 1),
      fc.integer({ min: 0, max: 255 }),
      async (at, byte) => {
        const bytes = concat(start.with(at, byte), end);
        try {
          const bundle = await opened(bytes);
          for (const chain of (await bundle.contents()).chains) await contentOf(chain);
        } catch (error) {
          const { code } = error as SealtailError;
          assert.ok(
            ["bundle-invalid", "file-missing", "file-too-large"].includes(code),
            String(error),
          );
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("headers say any path of the layout and any size up to 8 GiB, and read back", () => {
  const paths = [
    blocksPath(chainId, 0),
    `chains/${chainId}/forks/${"0".repeat(16)}-${"a".repeat(64)}`,
    "a",
  ];
  for (const path of paths) {
    for (const size of [0, 1, 511, 8_589_934_591]) {
      assert.deepEqual(decodeTarHeader(encodeTarHeader(path, size)), { path, kind: "file", size });
    }
  }
  assert.throws(() => encodeTarHeader("a".repeat(101), 0), RangeError);
  assert.throws(() => encodeTarHeader("a", 8_589_934_592), RangeError);
  assert.throws(() => encodeTarHeader("ä", 0), RangeError);
});
