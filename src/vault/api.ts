// The table of endpoints: what there is, who may use it, what it takes and gives.
//
// Reference: docs/reference/http.md; the same as OpenAPI at /v1/openapi.json.

import { concat } from "../core/bytes.ts";
import { maxGrantLength } from "../core/grant.ts";
import type { Clock } from "../host/clock.ts";
import { type Acknowledgements, acknowledgementBytesMax } from "./acknowledgements.ts";
import {
  type ApiRequest,
  type Endpoint,
  type IntegerParameter,
  maxSafe,
  type Parameter,
} from "./endpoint.ts";
import type { Intake } from "./intake.ts";
import { openApi } from "./openapi.ts";
import { Problem } from "./problem.ts";
import { json, type Reads } from "./reads.ts";
import type { StoreReads } from "./store-reads.ts";
import { bodyBytesMax, piecesOfBody, tooLarge } from "./stream.ts";

const idPattern = "[0-9a-f]{64}";
const anId = "an id of 64 lower-case hex digits";
const chain: Parameter = {
  ...{
    name: "chain",
    in: "path",
    kind: "text",
    about: "The chain's id: 64 lower-case hex digits.",
  },
  ...{ pattern: `^${idPattern}$`, maxLength: 64, want: anId },
};

const integer = (
  name: string,
  about: string,
  minimum = 0,
  maximum = maxSafe,
): IntegerParameter => ({ ...{ name, about, in: "query", kind: "integer" }, minimum, maximum });

/** Any text: what names nothing is not found. */
const objectName = (name: string, about: string): Parameter => ({
  ...{ name, about, in: "query", kind: "text", maxLength: 256 },
  ...{ pattern: "^[ -~]*$", want: "at most 256 printable ASCII characters" },
});

/** Such that all that match are times: from 1971 to 2199, whatever the zone. */
const year = "(19(7[1-9]|[89][0-9])|2[01][0-9]{2})";
const date = `${year}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])`;
const hourMinute = "([01][0-9]|2[0-3]):[0-5][0-9]";
const rfc3339 = `${date}T${hourMinute}:[0-5][0-9]([.][0-9]{1,6})?(Z|[+-]${hourMinute})`;

const time = (name: string, about: string): Parameter => ({
  ...{ name, about, in: "query", kind: "text", maxLength: 32 },
  pattern: `^([0-9]{1,16}|${rfc3339})$`,
  want: "a time: RFC 3339 with a zone, such as 2026-01-31T12:00:00Z, or Unix microseconds",
});

const stretch: readonly Parameter[] = [
  integer("from", "Number of the first block; 0 unless told."),
  integer("limit", "Blocks at most; 1,024 unless told.", 1),
];
const bytes = "application/octet-stream";
const plain = "text/plain";
const jsonType = "application/json";
const base = "/v1/chains/{chain}";

const read = (shape: Omit<Endpoint, "method" | "access" | "problems">): Endpoint => ({
  ...{ ...shape, method: "GET", access: "read", problems: [400, 403, 404, 503] },
});

export interface ApiParts {
  readonly intake: Intake;
  readonly reads: Reads;
  readonly storeReads: StoreReads;
  readonly acknowledgements: Acknowledgements;
  readonly clock: Sleeper;
}

type Sleeper = Pick<Clock, "mono" | "sleep">;

/** All endpoints. */
export function endpoints(parts: ApiParts, version: string): Endpoint[] {
  const { intake, reads, storeReads, acknowledgements, clock } = parts;
  let described: object | undefined;
  const table: Endpoint[] = [
    postBlocks(intake, clock),
    postAcknowledgement(acknowledgements, clock),
    read({
      ...{ path: "/v1/acknowledgements", name: "acknowledgements", parameters: [] },
      about: "What operators acknowledged: their signed notes, the oldest first.",
      success: { about: "`acknowledgements`, each as text.", type: jsonType },
      answer: async () => {
        const notes = await acknowledgements.list();
        // One that somebody damaged must not hide the others.
        const texts = notes.map((note) => new TextDecoder().decode(note));
        return json({ acknowledgements: texts });
      },
    }),
    read({
      ...{ path: "/v1/chains", name: "chains", answer: reads.list },
      about: "Lists the chains by id.",
      parameters: [
        integer("limit", "Chains at most; 100 unless told.", 1, 1000),
        {
          ...{ name: "after", about: "The id behind which the list goes on." },
          ...{ in: "query", kind: "text", pattern: `^(${idPattern})?$`, maxLength: 64 },
          want: anId,
        },
        {
          ...{ name: "subject", about: "Only chains of this subject.", in: "query" },
          ...{ kind: "text", pattern: "^[^\\n]+$", maxLength: 1024 },
          want: "the name that grants say",
        },
      ],
      success: { about: "`chains`, and `next` while there may be more.", type: jsonType },
    }),
    ...chainReads(reads),
    ...storeAsItIs(storeReads),
    {
      method: "GET",
      path: "/v1/openapi.json",
      name: "openapi",
      about: "Describes this API.",
      access: "any",
      parameters: [],
      success: { about: "OpenAPI 3.1.", type: jsonType },
      problems: [400],
      answer: async () => {
        described ??= openApi(table, version);
        return json(described);
      },
    },
  ];
  return table;
}

function postBlocks(intake: Intake, clock: Sleeper): Endpoint {
  return {
    method: "POST",
    path: `${base}/blocks`,
    name: "post-blocks",
    about: "Stores whole blocks, joined, at most 9 MiB; answers once they are durable.",
    access: "write",
    takes: bytes,
    parameters: [
      chain,
      {
        ...{ name: "sealtail-grant", in: "header", kind: "text" },
        about: "The grant note in base64; needed to begin a chain.",
        ...{ pattern: "^[!-~]*$", maxLength: 4 * Math.ceil(maxGrantLength / 3), want: "base64" },
      },
    ],
    success: { about: "A receipt over all blocks that are stored.", type: plain },
    problems: [400, 403, 404, 408, 409, 413, 415, 422, 503],
    answer: async ({ request, peer, given }: ApiRequest) => {
      const encoding = request.headers.get("content-encoding") ?? "identity";
      if (encoding !== "identity") throw new Problem("unsupported-encoding", "body is encoded");
      const { receipt, grew } = await intake.post({
        ...{ chain: given.text("chain") as string, peer },
        grant: given.text("sealtail-grant"),
        length: lengthOf(request.headers.get("content-length")),
        body: piecesOfBody(request.body, clock),
      });
      if (grew) peer.know?.();
      return new Response(receipt.bytes as Uint8Array<ArrayBuffer>, {
        headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
      });
    },
  };
}

function postAcknowledgement(acknowledgements: Acknowledgements, clock: Sleeper): Endpoint {
  return {
    method: "POST",
    path: "/v1/acknowledgements",
    name: "post-acknowledgement",
    about: "Acknowledges findings of a chain: a note signed by the key of a grant for role admin.",
    access: "write",
    takes: plain,
    parameters: [],
    success: { about: "`id`, the note's hash, once it is durable.", type: jsonType },
    problems: [400, 404, 408, 413, 422, 503],
    answer: async ({ request }: ApiRequest) => {
      const pieces: Uint8Array[] = [];
      let length = 0;
      for await (const piece of piecesOfBody(request.body, clock)) {
        length += piece.length;
        if (length > acknowledgementBytesMax) throw tooLarge(acknowledgementBytesMax);
        pieces.push(piece);
      }
      return json({ id: await acknowledgements.take(concat(...pieces)) });
    },
  };
}

function lengthOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const length = /^[0-9]{1,15}$/.test(header) ? Number(header) : Number.NaN;
  if (!Number.isNaN(length)) return length;
  throw new Problem("bad-request", `Content-Length must be a number up to ${bodyBytesMax}`);
}

function storeAsItIs(reads: StoreReads): Endpoint[] {
  const names: readonly Parameter[] = [
    integer("limit", "Names at most; 10,000 unless told.", 1, 10_000),
    objectName("after", "The name behind which the list goes on."),
  ];
  return [
    read({
      ...{ path: "/v1/store/chains", name: "store-chains", parameters: names, heavy: true },
      answer: reads.chains,
      about: "Ids of all chains that the store holds, also of those without a block.",
      success: {
        about: "`chains`, `next` while there are more, and `unread`: what can't be read.",
        type: jsonType,
      },
    }),
    read({
      ...{ path: "/v1/store/chains/{chain}", name: "store-objects", heavy: true },
      answer: reads.objects,
      about: "Names of a chain's blocks, headers and forks objects, as the store has them.",
      parameters: [chain, ...names],
      success: {
        about: "`objects`, `next` while there are more, and `unread`: what can't be read.",
        type: jsonType,
      },
    }),
    read({
      ...{ path: "/v1/store/chains/{chain}/object", name: "store-object", answer: reads.object },
      about: "An object's bytes as they are stored, whatever they are; the newest receipt.",
      parameters: [
        chain,
        objectName("name", "Its name in the chain's folder: grant, receipt, or one of the list."),
        integer("from", "First byte; 0 unless told."),
        integer("limit", "Bytes at most; all unless told.", 1),
      ],
      success: { about: "Sealtail-Size says how long the object is now.", type: bytes },
    }),
  ];
}

function chainReads(reads: Reads): Endpoint[] {
  return [
    read({
      ...{ path: base, name: "chain", parameters: [chain], answer: reads.detail },
      about: "How a chain stands: size, root, head, times, state, newest receipt.",
      success: { about: "Times are Unix microseconds.", type: jsonType },
    }),
    read({
      ...{ path: `${base}/findings`, name: "findings", parameters: [chain] },
      answer: reads.findings,
      about: "What was found in the chain and nobody acknowledged.",
      success: { about: "`open`: code, reason and newest blocks of each.", type: jsonType },
    }),
    read({
      ...{ path: `${base}/grant`, name: "grant", parameters: [chain], answer: reads.grant },
      about: "The grant that the chain began with.",
      success: { about: "A signed note, as it was received.", type: plain },
    }),
    read({
      ...{ path: `${base}/receipt`, name: "receipt", parameters: [chain], answer: reads.receipt },
      about: "The chain's newest receipt.",
      success: { about: "A C2SP checkpoint.", type: plain },
    }),
    read({
      ...{ path: `${base}/forks`, name: "forks", parameters: [chain], answer: reads.forks },
      about: "Proofs of forks: of each the stored head and the refused one, 896 bytes.",
      success: { about: "The proofs, joined; none: an empty body.", type: bytes },
    }),
    read({
      ...{ path: `${base}/headers`, name: "headers", parameters: [chain, ...stretch] },
      answer: reads.headers,
      about: "Headers with their signatures, 448 bytes each, joined.",
      success: { about: "Sealtail-Next-Block says where to go on.", type: bytes },
    }),
    read({
      ...{ path: `${base}/blocks`, name: "blocks", parameters: [chain, ...stretch] },
      answer: reads.blocks,
      about: "Whole blocks as they are stored, joined.",
      success: { about: "Sealtail-Next-Block says where to go on.", type: bytes },
    }),
    ...lineReads(reads),
  ];
}

function lineReads(reads: Reads): Endpoint[] {
  return [
    read({
      ...{ path: `${base}/lines`, name: "lines", answer: reads.lines },
      about: "Envelopes as JSON, one a line. They prove nothing; blocks and proofs do.",
      parameters: [
        chain,
        integer("from-seq", "First envelope."),
        integer("to-seq", "Last envelope."),
        time("since", "Read at this time or later: RFC 3339, or Unix microseconds."),
        time("until", "Read at this time or earlier."),
        {
          ...{ name: "source", about: "A glob over paths, name:X or id:X.", in: "query" },
          ...{ kind: "text", pattern: "^(id:[0-9a-f]{6,32}|(?!id:)[^\\n]+)$", maxLength: 1024 },
          want: "a glob, name:X, or id: and 6 to 32 hex digits; at most 1,024 characters",
        },
        integer("limit", "Envelopes at most.", 1),
      ],
      heavy: true,
      success: { about: "One envelope a line.", type: "application/x-ndjson" },
    }),
    read({
      ...{ path: `${base}/lines/{seq}/proof`, name: "proof", heavy: true, answer: reads.proof },
      about: "The short proof of one line, to be checked offline; it takes this vault's word.",
      parameters: [chain, { ...integer("seq", "The envelope's number in the chain."), in: "path" }],
      success: { about: "A proof file.", type: plain },
    }),
  ];
}
