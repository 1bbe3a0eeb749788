// The table of endpoints: what there is, who may use it, what it takes and gives.
//
// Reference: docs/reference/http.md; the same as OpenAPI at /v1/openapi.json.

import { concat } from "../core/bytes.ts";
import { type Acknowledgements, acknowledgementBytesMax } from "./acknowledgements.ts";
import { bodyBytesMax, tooLarge } from "./body.ts";
import type { ApiRequest, Endpoint, EndpointShape, Parameter } from "./endpoint.ts";
import type { Intake } from "./intake.ts";
import { openApi } from "./openapi.ts";
import { Problem } from "./problem.ts";
import { json, type Reads } from "./reads.ts";
import type { StoreReads } from "./store-reads.ts";
import { piecesOfBody } from "./stream.ts";

const inPath = (name: string, about: string): Parameter => ({
  ...{ name, about, in: "path", kind: "text" },
});
const text = (name: string, about: string): Parameter => ({
  ...{ name, about, in: "query", kind: "text" },
});
const integer = (name: string, about: string): Parameter => ({
  ...{ name, about, in: "query", kind: "integer" },
});

const chain: Parameter = inPath("chain", "The chain's id: 64 lower-case hex digits.");
const stretch: readonly Parameter[] = [
  integer("from", "Number of the first block; 0 unless told."),
  integer("limit", "Blocks at most; 1,024 unless told."),
];
const bytes = "application/octet-stream";
const plain = "text/plain";
const base = "/v1/chains/{chain}";

type Read = Omit<EndpointShape, "method" | "access" | "problems">;
const read = (shape: Read, answer: Endpoint["answer"]): Endpoint => ({
  ...shape,
  ...{ method: "GET", access: "read", problems: [400, 403, 404], answer },
});

export interface ApiParts {
  readonly intake: Intake;
  readonly reads: Reads;
  readonly storeReads: StoreReads;
  readonly acknowledgements: Acknowledgements;
}

/** All endpoints. */
export function endpoints(parts: ApiParts, version: string): Endpoint[] {
  const { intake, reads, storeReads, acknowledgements } = parts;
  const table: Endpoint[] = [
    postBlocks(intake),
    postAcknowledgement(acknowledgements),
    read(
      {
        ...{ path: "/v1/acknowledgements", name: "acknowledgements", parameters: [] },
        about: "What operators acknowledged: their signed notes, the oldest first.",
        success: { about: "`acknowledgements`, each as text.", type: "application/json" },
      },
      async () => {
        const notes = await acknowledgements.list();
        // One that somebody damaged must not hide the others.
        const texts = notes.map((note) => new TextDecoder().decode(note));
        return json({ acknowledgements: texts });
      },
    ),
    read(
      {
        path: "/v1/chains",
        name: "chains",
        about: "Lists the chains by id.",
        parameters: [
          integer("limit", "Chains at most, 1 to 1,000; 100 unless told."),
          text("after", "The id behind which the list goes on."),
        ],
        success: {
          about: "`chains`, and `next` while there may be more.",
          type: "application/json",
        },
      },
      reads.list,
    ),
    ...chainReads(reads),
    ...storeAsItIs(storeReads),
    {
      method: "GET",
      path: "/v1/openapi.json",
      name: "openapi",
      about: "Describes this API.",
      access: "any",
      parameters: [],
      success: { about: "OpenAPI 3.1.", type: "application/json" },
      problems: [400],
      answer: async () => json(openApi(table, version)),
    },
  ];
  return table;
}

function postBlocks(intake: Intake): Endpoint {
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
      },
    ],
    success: { about: "A receipt over all blocks that are stored.", type: plain },
    problems: [400, 403, 404, 409, 413, 415, 422, 503],
    answer: async ({ request, peer, path }: ApiRequest) => {
      const id = path["chain"] ?? "";
      if (!/^[0-9a-f]{64}$/.test(id)) {
        throw new Problem("bad-request", "chain must be an id of 64 lower-case hex digits");
      }
      const encoding = request.headers.get("content-encoding") ?? "identity";
      if (encoding !== "identity") throw new Problem("unsupported-encoding", "body is encoded");
      const { receipt } = await intake.post({
        chain: id,
        address: peer.address,
        grant: request.headers.get("sealtail-grant") ?? undefined,
        length: lengthOf(request.headers.get("content-length")),
        body: piecesOfBody(request.body),
      });
      return new Response(receipt.bytes as Uint8Array<ArrayBuffer>, {
        headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
      });
    },
  };
}

function postAcknowledgement(acknowledgements: Acknowledgements): Endpoint {
  return {
    method: "POST",
    path: "/v1/acknowledgements",
    name: "post-acknowledgement",
    about: "Acknowledges findings of a chain: a note signed by the key of a grant for role admin.",
    access: "write",
    takes: plain,
    parameters: [],
    success: { about: "`id`, the note's hash, once it is durable.", type: "application/json" },
    problems: [400, 404, 413, 422, 503],
    answer: async ({ request }: ApiRequest) => {
      const pieces: Uint8Array[] = [];
      let length = 0;
      for await (const piece of piecesOfBody(request.body)) {
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
    integer("limit", "Names at most, 1 to 10,000; 10,000 unless told."),
    text("after", "The name behind which the list goes on."),
  ];
  return [
    read(
      {
        ...{ path: "/v1/store/chains", name: "store-chains", parameters: names },
        about: "Ids of all chains that the store holds, also of those without a block.",
        success: {
          about: "`chains`, `next` while there are more, and `unread`: what can't be read.",
          type: "application/json",
        },
      },
      reads.chains,
    ),
    read(
      {
        ...{ path: "/v1/store/chains/{chain}", name: "store-objects" },
        about: "Names of a chain's blocks, headers and forks objects, as the store has them.",
        parameters: [chain, ...names],
        success: {
          about: "`objects`, `next` while there are more, and `unread`: what can't be read.",
          type: "application/json",
        },
      },
      reads.objects,
    ),
    read(
      {
        ...{ path: "/v1/store/chains/{chain}/object", name: "store-object" },
        about: "An object's bytes as they are stored, whatever they are; the newest receipt.",
        parameters: [
          chain,
          text("name", "Its name in the chain's folder: grant, receipt, or one of the list."),
          integer("from", "First byte; 0 unless told."),
          integer("limit", "Bytes at most; all unless told."),
        ],
        success: { about: "Sealtail-Size says how long the object is now.", type: bytes },
      },
      reads.object,
    ),
  ];
}

function chainReads(reads: Reads): Endpoint[] {
  return [
    read(
      {
        ...{ path: base, name: "chain", parameters: [chain] },
        about: "How a chain stands: size, root, head, times, state, newest receipt.",
        success: { about: "Times are Unix microseconds.", type: "application/json" },
      },
      reads.detail,
    ),
    read(
      {
        ...{ path: `${base}/findings`, name: "findings", parameters: [chain] },
        about: "What was found in the chain and nobody acknowledged.",
        success: {
          about: "`open`: code, reason and newest blocks of each.",
          type: "application/json",
        },
      },
      reads.findings,
    ),
    read(
      {
        ...{ path: `${base}/grant`, name: "grant", parameters: [chain] },
        about: "The grant that the chain began with.",
        success: { about: "A signed note, as it was received.", type: plain },
      },
      reads.grant,
    ),
    read(
      {
        ...{ path: `${base}/receipt`, name: "receipt", parameters: [chain] },
        about: "The chain's newest receipt.",
        success: { about: "A C2SP checkpoint.", type: plain },
      },
      reads.receipt,
    ),
    read(
      {
        ...{ path: `${base}/forks`, name: "forks", parameters: [chain] },
        about: "Proofs of forks: of each the stored head and the refused one, 896 bytes.",
        success: { about: "The proofs, joined; none: an empty body.", type: bytes },
      },
      reads.forks,
    ),
    read(
      {
        ...{ path: `${base}/headers`, name: "headers", parameters: [chain, ...stretch] },
        about: "Headers with their signatures, 448 bytes each, joined.",
        success: { about: "Sealtail-Next-Block says where to go on.", type: bytes },
      },
      reads.headers,
    ),
    read(
      {
        ...{ path: `${base}/blocks`, name: "blocks", parameters: [chain, ...stretch] },
        about: "Whole blocks as they are stored, joined.",
        success: { about: "Sealtail-Next-Block says where to go on.", type: bytes },
      },
      reads.blocks,
    ),
    read(
      {
        ...{ path: `${base}/lines`, name: "lines" },
        about: "Envelopes as JSON, one a line. They prove nothing; blocks and proofs do.",
        parameters: [
          chain,
          integer("from-seq", "First envelope."),
          integer("to-seq", "Last envelope."),
          text("since", "Read at this time or later: RFC 3339, or Unix microseconds."),
          text("until", "Read at this time or earlier."),
          text("source", "A glob over paths, name:X or id:X."),
          integer("limit", "Envelopes at most."),
        ],
        success: { about: "One envelope a line.", type: "application/x-ndjson" },
      },
      reads.lines,
    ),
    read(
      {
        ...{ path: `${base}/lines/{seq}/proof`, name: "proof" },
        about: "The short proof of one line, to be checked offline; it takes this vault's word.",
        parameters: [chain, inPath("seq", "The envelope's number in the chain.")],
        success: { about: "A proof file.", type: plain },
      },
      reads.proof,
    ),
  ];
}
