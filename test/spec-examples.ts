// The examples of docs/spec: one small genuine chain, made from fixed keys, and its parts as text.
//
// - Everything is deterministic: Ed25519 signatures are, and nothing else is left to chance.
// - The one compressed payload is kept as bytes, because compressors may change their output.

import { formatAcknowledgement } from "../src/core/acknowledgement.ts";
import { base64, concat, equalBytes, fromHex, hex, utf8 } from "../src/core/bytes.ts";
import { checkpointText, type VaultKeys } from "../src/core/checkpoint.ts";
import { deriveEnvelopes } from "../src/core/derive.ts";
import { envelopeHeadLength, field, firstPrev, saltsOf } from "../src/core/envelope.ts";
import { EnvelopePathBuilder, groupHash } from "../src/core/envelope-tree.ts";
import { formatGrant, type GrantTerms } from "../src/core/grant.ts";
import {
  blockContext,
  blockHash,
  encodeHeader,
  type Header,
  signedBytes,
} from "../src/core/header.ts";
import { encodeJson } from "../src/core/json.ts";
import {
  cosignedBytes,
  formatNote,
  formatVerifierKey,
  type VerifierKey,
} from "../src/core/note.ts";
import {
  payloadItems,
  recordHeadLength,
  seedLength,
  spanHeadLength,
  writeRecord,
  writeSpanHead,
} from "../src/core/payload.ts";
import { formatProof } from "../src/core/proof.ts";
import {
  type AgentRecord,
  encodePath,
  encodeRecord,
  type SourceRecord,
  sourceIdOf,
} from "../src/core/record.ts";
import { Frontier, rootOf } from "../src/core/tree.ts";
import { hkdf } from "../src/host/hkdf.ts";
import { noteSigner, signer } from "../src/host/keys.ts";
import { nativeSuite as suite } from "../src/host/native-suite.ts";
import { headNoteText } from "../src/vault/head-note.ts";
import { encodeFrameHeader } from "../src/wal/frame.ts";
import { inclusionPath } from "./fakes/inclusion-path.ts";
import { ed25519Example, smallOrderExample } from "./spec-ed25519.ts";

const filled = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);

const root = noteSigner(filled(1, 32), "example-root", 1);
const grantSeed = filled(2, 32);
const vault = noteSigner(filled(3, 32), "vault.example", 1);
const vaultTime = noteSigner(filled(4, 32), "vault.example/time", 4);
const firstSecret = filled(5, 32);
const runId = filled(6, 16);
const seconds = 1_767_323_045;
const startMicros = seconds * 1e6;

const writerTerms: GrantTerms = {
  id: filled(7, 16),
  role: "write",
  subject: "payments-api",
  audience: "vault.example",
  sources: ["/var/log/app/**"],
  notBefore: 1_767_225_600,
  notAfter: 1_775_001_600,
  maxChains: 1,
  maxSilenceMs: 60_000,
  key: signer(grantSeed).publicKey,
};
const grant = grantNote(writerTerms);
const grantHash = suite.sha256(grant);

function grantNote(terms: GrantTerms): Uint8Array {
  const text = formatGrant(terms);
  return utf8(formatNote(text, [root.signNote(text)]));
}

const config = {
  name: "payments-api",
  sources: [{ include: ["/var/log/app/*.log"], name: "app" }],
  version: 1,
};
const text1 = "transfer 100 to alice\nlogin bob\r\n\n";
const text2 = "logout bob\n".repeat(20);
const source: SourceRecord = {
  type: "source",
  name: "app",
  path: "/var/log/app/today.log",
  dev: "2049",
  ino: "131077",
  birth: "1767323000123456789",
  generation: 0,
  fingerprint: hex(suite.sha256(utf8(text1))),
  fingerprint_len: text1.length,
};
const sourceBytes = encodeRecord(source);
const sourceId = sourceIdOf(suite, sourceBytes);

type Item = { record: AgentRecord } | { text: string; offset: number };

function rawPayload(seed: number, items: readonly Item[], time: number): Uint8Array {
  const raw = new Uint8Array(10_000);
  raw.fill(seed, 0, seedLength);
  let at = seedLength;
  for (const item of items) {
    if ("record" in item) {
      at = writeRecord(raw, at, time, encodeRecord(item.record));
      continue;
    }
    const bytes = utf8(item.text);
    writeSpanHead(raw, at, { source: sourceId, offset: item.offset, time, length: bytes.length });
    raw.set(bytes, at + spanHeadLength);
    at += spanHeadLength + bytes.length;
  }
  return raw.slice(0, at);
}

// What `zstd` made of block 2's payload: kept, because another release may make other bytes.
const storedOfBlock2 =
  "28b52ffd64be01f50c00f699613b5049f404518d9e46cc38e94d7445986ad42070dcc0f25c2227095ef356d43c55ff1d745ffcc7b0c77edc7134b810454d266d9501173213853a630b4f00500051003eac4a8da76a14b985a9128b78d218c573ce74295a5455f29ec5ab2a71c62f8ccc55d61d23a90a5bd7c4334cf18b943afa37dced055694e59ea821ea6beaa3040c18202842abb180600b000170e0207ab339c0afc2db71f44096b328df2f509318b8904076ae1eeee7d8d74172b80cf4a7f6d9148a0905157ce843c683e26eb0a95eb9eb5c92252aeb7d95577b1f44122bcee7193158c6f231795faccd87381af2e1ab184f0e6f57d134752d48a455b5b668f597700404eb759c8746fb031fcb77d87b6f73b36c98a2e89b739518dede5fe6fa58ae2846600faeb33a30a7c7fc9c3c76ba4906fb5ada282b128545383502c45454ac6c6aa6e8042882165030d0b5011212242c7861024283070c12d1facf3ef64ed410f5ffae1181c8870cc6d6245e5e26fa64fdd84121d03742d95e23a31657c717ade9533c750f6b6971316e270df01206004e177ddcb559051f503747123b0a7348116001dbd7b1de";

interface Block {
  readonly header: Header;
  readonly headerBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly head: Uint8Array;
  readonly hash: Uint8Array;
  readonly raw: Uint8Array;
  readonly stored: Uint8Array;
  readonly prev: Uint8Array;
}

const secrets = [firstSecret];
function secretOf(blockNo: number): Uint8Array {
  for (let n = secrets.length; n < blockNo; n++) {
    secrets.push(hkdf(secrets[n - 1] as Uint8Array, "sealtail/1 next"));
  }
  return secrets[blockNo - 1] as Uint8Array;
}
const signingSeedOf = (blockNo: number): Uint8Array =>
  blockNo === 0 ? grantSeed : hkdf(secretOf(blockNo), "sealtail/1 sign");

class ExampleChain {
  readonly blocks: Block[] = [];
  #lastHash = firstPrev(suite, grantHash, runId);
  #seq = 0;
  #receipt: { hash: Uint8Array; size: number } = { hash: new Uint8Array(32), size: 0 };

  get id(): Uint8Array {
    return this.blocks[0]?.hash ?? new Uint8Array(32);
  }

  get leaves(): Uint8Array[] {
    return this.blocks.map(({ hash }) => hash);
  }

  receipt(size: number, time: number): string {
    const root = rootOf(suite, this.leaves.slice(0, size));
    const text = checkpointText(vault.key.name, this.id, size, root);
    return formatNote(text, [vault.signNote(text), vaultTime.cosign(time, text)]);
  }

  add(items: readonly Item[], codec: "raw" | "zstd" = "raw"): void {
    const blockNo = this.blocks.length;
    const micros = blockNo * 1_000_000;
    const raw = rawPayload(0xa0 + blockNo, items, startMicros + micros);
    const stored = codec === "raw" ? raw : fromHex(storedOfBlock2, storedOfBlock2.length / 2);
    if (codec === "zstd" && !equalBytes(suite.zstdDecompress(stored, raw.length), raw)) {
      throw new Error("the kept frame of block 2 does not hold its payload any more");
    }
    const prev = this.#lastHash;
    const counter = { count: 0 };
    for (const item of payloadItems(raw)) {
      const text = new TextDecoder("latin1").decode(raw.subarray(item.start, item.end));
      counter.count += item.kind === "record" ? 1 : text.split("\n").length - 1;
    }
    const { count } = counter;
    const derived = deriveEnvelopes(suite, { raw, prev, firstSeq: this.#seq, count });
    for (const item of items) {
      if (!("record" in item) || item.record.type !== "receipt") continue;
      const { note } = item.record;
      this.#receipt = { hash: suite.sha256(utf8(note)), size: Number(note.split("\n")[1]) };
    }
    const before = this.blocks.at(-1);
    const header: Header = {
      kind: blockNo === 0 ? "genesis" : "normal",
      codec,
      chainId: this.id,
      blockNo,
      firstSeq: this.#seq,
      count,
      rawLength: raw.length,
      storedLength: stored.length,
      maxSilenceMs: 60_000,
      prevHash: before?.hash ?? new Uint8Array(32),
      chainRoot: rootOf(suite, this.leaves),
      lastHash: derived.lastHash,
      envelopeRoot: derived.envelopeRoot,
      storedHash: suite.sha256(stored),
      nextPub: signer(signingSeedOf(blockNo + 1)).publicKey,
      configHash: suite.sha256(encodeJson(config)),
      receiptHash: blockNo === 0 ? grantHash : this.#receipt.hash,
      receiptSize: this.#receipt.size,
      runId,
      time: startMicros + micros + 500_000,
      mono: micros + 500_000,
      firstTime: derived.firstTime,
    };
    const headerBytes = encodeHeader(header);
    const signature = signer(signingSeedOf(blockNo)).sign(signedBytes(headerBytes));
    const head = concat(headerBytes, signature);
    const hash = blockHash(suite, head);
    this.blocks.push({ header, headerBytes, signature, head, hash, raw, stored, prev });
    this.#lastHash = derived.lastHash;
    this.#seq += count;
  }
}

function exampleChain(): ExampleChain {
  const chain = new ExampleChain();
  chain.add([
    {
      record: {
        type: "start",
        run: hex(runId),
        version: "0.1.0",
        host: "node-7",
        labels: { namespace: "pay", pod: "api-0" },
      },
    },
    { record: { type: "config", config } },
    { record: { type: "snapshot", tree: [], config, sources: [] } },
  ]);
  chain.add([{ record: source }, { text: text1, offset: 0 }]);
  const note = chain.receipt(2, seconds + 2);
  chain.add([{ record: { type: "receipt", note } }, { text: text2, offset: text1.length }], "zstd");
  const size = text1.length + text2.length;
  chain.add([
    { record: { type: "end", source: hex(sourceId), size, cause: "deleted" } },
    { record: { type: "stop", reason: "signal" } },
  ]);
  return chain;
}

const chain = exampleChain();
const [genesis, block1, block2, block3] = chain.blocks as [Block, Block, Block, Block];
const receipt = chain.receipt(4, seconds + 5);

/** The example store: path → bytes. */
export function exampleFiles(): ReadonlyMap<string, Uint8Array> {
  const base = `chains/${hex(chain.id)}`;
  const blocks = chain.blocks.flatMap(({ head, stored }) => [head, stored]);
  return new Map([
    [`${base}/grant`, grant],
    [`${base}/0000000000000000.blocks`, concat(...blocks)],
    [`${base}/receipt`, utf8(receipt)],
    ["root.pub", utf8(`${formatVerifierKey(root.key)}\n`)],
    ["vault.pub", utf8(`${formatVerifierKey(vault.key)}\n`)],
    ["vault-time.pub", utf8(`${formatVerifierKey(vaultTime.key)}\n`)],
    ["line.proof", utf8(proofOfLine4())],
    ["line.full.proof", utf8(fullProofOfLine4())],
  ]);
}

export const exampleKeys: {
  readonly roots: readonly VerifierKey[];
  readonly vaults: readonly VaultKeys[];
} = { roots: [root.key], vaults: [{ receipt: vault.key, time: vaultTime.key }] };
export const exampleChainId: string = hex(chain.id);

/** "offset  length  name  hex", long values over several lines. */
function dump(rows: readonly (readonly [name: string, bytes: Uint8Array])[]): string {
  const lines = ["off  len  what            bytes"];
  let at = 0;
  for (const [name, bytes] of rows) {
    const digits = hex(bytes);
    for (let from = 0; from < digits.length || from === 0; from += 64) {
      const size = String(bytes.length).padStart(3);
      const head = `${String(at).padStart(3)}  ${size}  ${name.padEnd(14)}`;
      lines.push(
        `${from === 0 ? head : " ".repeat(24)}  ${digits.slice(from, from + 64)}`.trimEnd(),
      );
    }
    at += bytes.length;
  }
  return lines.join("\n");
}

function cut(bytes: Uint8Array, rows: readonly (readonly [string, number])[]): string {
  let at = 0;
  return dump(
    rows.map(([name, length]) => {
      at += length;
      return [name, bytes.subarray(at - length, at)] as const;
    }),
  );
}

export const headerRows: readonly (readonly [string, number])[] = [
  ...([
    ["magic", 8],
    ["suite", 1],
    ["kind", 1],
    ["codec", 1],
    ["reserved", 1],
  ] as const),
  ...([
    ["header_len", 4],
    ["chain_id", 32],
    ["block_no", 8],
    ["first_seq", 8],
  ] as const),
  ...([
    ["count", 4],
    ["raw_len", 4],
    ["stored_len", 4],
    ["max_silence_ms", 4],
  ] as const),
  ...([
    ["prev_hash", 32],
    ["chain_root", 32],
    ["last_hash", 32],
    ["envelope_root", 32],
  ] as const),
  ...([
    ["stored_hash", 32],
    ["next_pub", 32],
    ["config_hash", 32],
    ["receipt_hash", 32],
  ] as const),
  ...([
    ["receipt_size", 8],
    ["run_id", 16],
    ["time", 8],
    ["mono", 8],
    ["first_time", 8],
  ] as const),
];

export const envelopeRows: readonly (readonly [string, number])[] = [
  ...([
    ["domain", 1],
    ["version", 1],
    ["kind", 1],
    ["flags", 1],
    ["prev", 32],
  ] as const),
  ...([
    ["seq", 8],
    ["time", 8],
    ["source", 16],
    ["offset", 8],
    ["salt", 16],
    ["len", 4],
  ] as const),
];

interface Derived {
  readonly preimage: Uint8Array;
  readonly hash: Uint8Array;
}

function envelopesOf({ raw, prev, header }: Block): Derived[] {
  const found: Derived[] = [];
  deriveEnvelopes(suite, {
    raw,
    prev,
    firstSeq: header.firstSeq,
    count: header.count,
    onEnvelope: (preimage, hash) => found.push({ preimage: preimage.slice(), hash: hash.slice() }),
  });
  return found;
}

function payloadDump(raw: Uint8Array): string {
  const rows: [string, number][] = [["seed", seedLength]];
  for (const item of payloadItems(raw)) {
    if (item.kind === "span") {
      rows.push(["tag: span", 1], ["source", 16], ["offset", 8], ["time", 8], ["len", 4]);
    } else rows.push(["tag: record", 1], ["time", 8], ["len", 4]);
    rows.push(["bytes", item.end - item.start]);
  }
  return cut(raw, rows);
}

const provedLine4 = () => {
  const envelopes = envelopesOf(block1);
  const builder = new EnvelopePathBuilder(suite, 1, envelopes.length);
  for (const { hash } of envelopes) builder.add(hash);
  const { preimage: envelope } = envelopes[1] as Derived;
  const blockPath = inclusionPath(suite, chain.leaves, 1);
  const place = { index: 1, blockPath, receipt: utf8(receipt) };
  return { grant, envelope, ...builder.path(), source: sourceBytes, ...place };
};

function proofOfLine4(): string {
  const heads = { genesis: genesis.head, previous: undefined, block: block1.head };
  return formatProof({ kind: "short", ...provedLine4(), ...heads });
}

function fullProofOfLine4(): string {
  return formatProof({ kind: "full", ...provedLine4(), heads: [genesis.head, block1.head] });
}

const line = (name: string, value: string | Uint8Array): string =>
  `${name.padEnd(22)} ${typeof value === "string" ? value : hex(value)}`;

const valuesExample = (): string =>
  [
    line("u32 384", hex(encodeHeader(genesis.header).subarray(12, 16))),
    line(`u64 ${startMicros}`, hex(genesis.headerBytes.subarray(376, 384))),
    line("hex of 00 ff", hex(Uint8Array.of(0, 255))),
    line("base64 of 00 ff", base64(Uint8Array.of(0, 255))),
    line('path "/a b/é%~"', encodePath(utf8("/a b/é%~"))),
    line('H("")', suite.sha256(new Uint8Array(0))),
  ].join("\n");

const envelopeExample = (): string => {
  const { preimage, hash } = envelopesOf(block1)[1] as Derived;
  const length = preimage.length - envelopeHeadLength;
  return [
    cut(preimage, [...envelopeRows, ["bytes", length]]),
    "",
    line("envelope hash", hash),
    line("hash before it", preimage.slice(field.prev, field.seq)),
  ].join("\n");
};

const saltExample = (): string => {
  const seed = block1.raw.subarray(0, seedLength);
  return [
    line("seed", seed),
    line(
      "salts of block 1",
      hex(saltsOf(suite, seed, 2))
        .replace(/.{32}/g, "$& ")
        .trim(),
    ),
    line("grant_hash", grantHash),
    line("run_id", runId),
    line("prev of envelope 0", firstPrev(suite, grantHash, runId)),
  ].join("\n");
};

const headerExample = (): string =>
  [
    cut(block1.head, [...headerRows, ["signature", 64]]),
    "",
    line("signed by", genesis.header.nextPub),
    line("context (ASCII)", new TextDecoder().decode(blockContext)),
    line("block hash", block1.hash),
  ].join("\n");

const envelopeTreeExample = (): string => {
  const hashes = envelopesOf(block1).map(({ hash }) => hash);
  return [
    ...hashes.map((hash, i) => line(`envelope ${block1.header.firstSeq + i}`, hash)),
    line("leaf of group 0", groupHash(suite, hashes)),
    line("envelope_root", block1.header.envelopeRoot),
  ].join("\n");
};

const chainTreeExample = (): string => {
  const leaves = chain.leaves;
  const frontier = new Frontier(suite);
  for (const leaf of leaves.slice(0, 3)) frontier.append(leaf);
  return [
    ...leaves.map((leaf, i) => line(`leaf ${i}`, leaf)),
    ...[0, 1, 2, 3, 4].map((n) => line(`root of ${n}`, rootOf(suite, leaves.slice(0, n)))),
    ...frontier.hashes().map((hash, i) => line(`frontier of 3, hash ${i}`, hash)),
  ].join("\n");
};

const keysExample = (): string =>
  [root, vault, vaultTime].map(({ key }) => formatVerifierKey(key)).join("\n");

const receiptExample = (): string => receipt.trimEnd();

const receiptSigned = (): string => {
  const text = `${receipt.split("\n").slice(0, 3).join("\n")}\n`;
  return new TextDecoder().decode(cosignedBytes(seconds + 5, text)).trimEnd();
};

const keyEvolution = (): string =>
  [
    line("s_1", secretOf(1)),
    line("signing seed of 1", signingSeedOf(1)),
    line("next_pub of block 0", genesis.header.nextPub),
    line("s_2", secretOf(2)),
    line("signing seed of 2", signingSeedOf(2)),
    line("next_pub of block 1", block1.header.nextPub),
  ].join("\n");

const storeExample = (): string =>
  [...exampleFiles()]
    .filter(([path]) => path.startsWith("chains/"))
    .map(([path, bytes]) => `${path}\n  ${bytes.length} bytes, H = ${hex(suite.sha256(bytes))}`)
    .join("\n");

const blocksExample = (): string =>
  chain.blocks
    .map(({ header, hash }) => {
      const { blockNo, firstSeq, count, storedLength } = header;
      const seqs = `envelopes ${firstSeq} to ${firstSeq + count - 1}`;
      const line = `block ${blockNo}  ${seqs.padEnd(20)} payload ${storedLength} bytes`;
      return `${line}\n  hash ${hex(hash)}`;
    })
    .join("\n");

const genesisRecords = (): string =>
  [...payloadItems(genesis.raw)]
    .map(({ start, end }) => new TextDecoder().decode(genesis.raw.subarray(start, end)))
    .join("\n");

const walExample = (): string => {
  const bytes = utf8("abc");
  return cut(concat(encodeFrameHeader(1, [bytes]), bytes), [
    ["len", 4],
    ["crc32", 4],
    ["index", 8],
    ["bytes", 3],
  ]);
};

const zstdExample = (): string =>
  cut(block2.stored, [
    ["magic", 4],
    ["descriptor", 1],
    ["content size", 2],
    ["block header", 3],
    ["block", block2.stored.length - 14],
    ["checksum", 4],
  ]);

function acknowledgementExample(): string {
  const admin = noteSigner(filled(8, 32), "alice", 1);
  const authority = { ...writerTerms, id: filled(9, 16), role: "admin", sources: [] } as const;
  const terms = { ...authority, subject: "alice", key: admin.key.publicKey };
  const text = formatAcknowledgement(
    {
      ...{ audience: "vault.example", chain: hex(chain.id), code: "STOPPED" },
      ...{ below: 4, time: seconds, reason: "host retired, ticket 4711" },
    },
    grantNote(terms),
  );
  return formatNote(text, [admin.signNote(text)]).trimEnd();
}

/** As if block 2 were the newest. */
function checkedExample(): string {
  const object = concat(...[genesis, block1, block2].flatMap(({ head, stored }) => [head, stored]));
  const tree = new Frontier(suite);
  for (const { hash } of [genesis, block1, block2]) tree.append(hash);
  const text = headNoteText("vault.example", {
    ...{ chain: hex(chain.id), size: 3, head: block2.head, stopped: false, base: 0 },
    ...{ grant: hex(grantHash), sure: true },
    print: { settled: hex(filled(0x0a, 32)), rest: hex(filled(0x0b, 32)) },
    content: { bytes: object.length, digest: hex(suite.sha256(object)) },
    ...{ runs: [runId], tree: tree.hashes() },
    sources: [{ record: source, offset: utf8(text1).length + utf8(text2).length }],
  });
  return formatNote(text, [vault.signNote(text)]).trimEnd();
}

/** The examples in docs/spec, by the name that stands before each. */
export function specExamples(): ReadonlyMap<string, string> {
  return new Map([
    ["values", valuesExample()],
    ["keys", keysExample()],
    ["grant", new TextDecoder().decode(grant).trimEnd()],
    ["grant-hash", line("grant_hash", grantHash)],
    ["genesis-records", genesisRecords()],
    ["source-record", new TextDecoder().decode(sourceBytes)],
    ["source-id", line("source id", sourceId)],
    ["end-record", new TextDecoder().decode(firstRecordOf(block3))],
    ["payload", payloadDump(block1.raw)],
    ["zstd", zstdExample()],
    ["envelope", envelopeExample()],
    ["salt", saltExample()],
    ["header", headerExample()],
    ["envelope-tree", envelopeTreeExample()],
    ["chain-tree", chainTreeExample()],
    ["receipt", receiptExample()],
    ["receipt-cosigned", receiptSigned()],
    ["proof", proofOfLine4().trimEnd()],
    ["full-proof", fullProofOfLine4().trimEnd()],
    ["acknowledgement", acknowledgementExample()],
    ["checked", checkedExample()],
    ["store", storeExample()],
    ["blocks", blocksExample()],
    ["key-evolution", keyEvolution()],
    ["wal-frame", walExample()],
    ["ed25519", ed25519Example()],
    ["small-order", smallOrderExample()],
  ]);
}

function firstRecordOf({ raw }: Block): Uint8Array {
  return raw.subarray(
    seedLength + recordHeadLength,
    payloadItems(raw).next().value?.end ?? raw.length,
  );
}
