// Pure. What the HTTP API answers when it does not do what was asked: RFC 9457 problem documents.
//
// - `code` is stable for ever, `title` and `detail` are for people and may change.
// - No problem holds log content, a path of this machine, or the text of an unexpected error.
//
// Reference: docs/reference/http.md, "Problems".

import type { SealtailError } from "../core/errors.ts";

export interface ProblemRow {
  readonly status: number;
  readonly title: string;
  readonly remedy: string;
}

const table = {
  "acknowledgement-refused": {
    status: 422,
    title: "the acknowledgement does not count here",
    remedy: "it needs a grant with role admin for this vault, the right time, and stored blocks",
  },
  "bad-request": {
    status: 400,
    title: "the request is not what this address takes",
    remedy: "correct the request; /v1/openapi.json lists what each address takes",
  },
  "block-refused": {
    status: 422,
    title: "a block does not pass verification",
    remedy: "`finding` says what is wrong; the block can't be stored, now or later",
  },
  "body-cut-short": {
    status: 400,
    title: "the body ends in the middle of a block",
    remedy: "send whole blocks; after a broken connection, send them again",
  },
  "body-too-large": {
    status: 413,
    title: "the body is larger than 9 MiB",
    remedy: "send fewer blocks at once",
  },
  busy: {
    status: 503,
    title: "the vault has as many requests as it can hold",
    remedy: "wait as long as Retry-After says, then send the same again",
  },
  "chain-damaged": {
    status: 503,
    title: "what the store holds of this chain is damaged",
    remedy:
      "put the object that the detail names back from a good copy; no restart is needed, and nothing is written to the chain until then",
  },
  "disk-full": {
    status: 503,
    title: "the store's disk is full",
    remedy: "free space; agents keep what they have and send it again",
  },
  fork: {
    status: 409,
    title: "another block is stored at this height",
    remedy: "two agents used one key, or an old state was restored: begin a new chain",
  },
  "grant-refused": {
    status: 403,
    title: "the grant does not allow this chain",
    remedy: "`finding` says why; issue a grant for this vault with `sealtail grant new`",
  },
  "internal-error": {
    status: 500,
    title: "the vault failed to answer",
    remedy: "its diagnostics say why",
  },
  "method-not-allowed": {
    status: 405,
    title: "this address does not take this method",
    remedy: "/v1/openapi.json lists the methods of each address",
  },
  "not-found": {
    status: 404,
    title: "there is nothing at this address",
    remedy: "/v1/openapi.json lists all addresses",
  },
  "read-forbidden": {
    status: 403,
    title: "reading is for this machine only",
    remedy: "read on the vault's own machine, or set access.open",
  },
  "receipt-not-kept": {
    status: 503,
    title: "the vault can't keep this chain's receipts",
    remedy:
      "let the vault write to its state directory and to the chain's folder in its store; no restart is needed, and the chain gets no receipt until then",
  },
  "shutting-down": {
    status: 503,
    title: "the vault is stopping",
    remedy: "send the same again soon",
  },
  "store-unavailable": {
    status: 503,
    title: "the store can't be used right now",
    remedy: "the vault's diagnostics say why; send the same again later",
  },
  "too-slow": {
    status: 408,
    title: "the request does not come fast enough",
    remedy: "send the same again, at once or over a better connection",
  },
  "headers-too-large": {
    status: 431,
    title: "the request's headers are larger than 16 KiB",
    remedy: "send fewer or shorter headers, and a shorter address",
  },
  "unknown-chain": {
    status: 404,
    title: "the vault holds no such chain",
    remedy: "to begin a chain, send its genesis with the grant in the header Sealtail-Grant",
  },
  "unsupported-encoding": {
    status: 415,
    title: "bodies are taken as they are, without Content-Encoding",
    remedy: "send the blocks' own bytes; their payloads are compressed already",
  },
  "vault-keys-changed": {
    status: 503,
    title: "the chain records receipts of a vault of this name, signed by other keys",
    remedy:
      "start the vault with the keys that signed them; a vault with new keys needs a new name, and agents that trust it",
  },
  "vault-unsafe": {
    status: 503,
    title: "a sync failed, and the vault is about to stop",
    remedy: "check the disk; the vault must be started again",
  },
  "wrong-head": {
    status: 409,
    title: "the block does not continue what is stored",
    remedy: "compare `size` and `root` with your own chain, and send from block `size` on",
  },
} as const;

export type ProblemCode = keyof typeof table;

/** Status, title and remedy of each code. */
export const problemTable: Readonly<Record<ProblemCode, ProblemRow>> = table;

export interface ProblemDetail {
  /** The finding's code, where verification said no. */
  readonly finding?: string;
  /** The block that is meant. */
  readonly block?: number;
  /** The vault's head: how many blocks it holds, and the root of their tree in hex. */
  readonly size?: number;
  readonly root?: string;
  /** Seconds; becomes the header Retry-After too. */
  readonly retryAfter?: number;
}

/** Thrown, or returned, where a request ends in a problem. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly status: number;
  readonly extra: ProblemDetail;

  constructor(code: ProblemCode, detail: string, extra: ProblemDetail = {}) {
    super(detail);
    this.code = code;
    this.status = problemTable[code].status;
    this.extra = extra;
  }

  /** The problem document's text. */
  text(): string {
    const { status, title, remedy } = problemTable[this.code];
    const { retryAfter: _, ...members } = this.extra;
    const document = {
      type: `urn:sealtail:problem:${this.code}`,
      title,
      status,
      detail: this.message,
      code: this.code,
      remedy,
      ...members,
    };
    return `${JSON.stringify(document)}\n`;
  }

  response(): Response {
    const { retryAfter } = this.extra;
    const headers: Record<string, string> = {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
    };
    if (retryAfter !== undefined) headers["retry-after"] = String(retryAfter);
    return new Response(this.text(), { status: this.status, headers });
  }
}

/** What a client is told when the store could not be written. */
export function storeProblem({ kind, code }: SealtailError): Problem {
  if (kind === "unsafe") return new Problem("vault-unsafe", "a sync failed");
  if (code === "disk-full") {
    return new Problem("disk-full", "the store's disk has no room left", { retryAfter: 30 });
  }
  return new Problem("store-unavailable", "the store refused", { retryAfter: 5 });
}

/** The problem document for what could not be read as a request. */
export function unreadProblem(status: 400 | 408 | 413 | 431): string {
  const codes = {
    400: "bad-request",
    408: "too-slow",
    413: "body-too-large",
    431: "headers-too-large",
  } as const;
  return new Problem(codes[status], "this is no request that can be read").text();
}
