// Pure. Reads a vault's HTTP answer: status, three headers and a small body become one Answer.
//
// - A receipt is taken only from a 200 of type text/plain: a proxy's or portal's page is none.
// - Redirects are refusals: blocks go where the configuration says and nowhere else.
// - Of what a problem document says only short plain words and two hints are kept.

import { fromBase64, fromHex, fromUtf8 } from "../core/bytes.ts";
import { parseHttpDate, parseRetryAfter } from "../core/retry-after.ts";
import type { Answer } from "./sink.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly retryAfter: string | undefined;
  readonly date: string | undefined;
  /** The body, or undefined where it was larger than anything a vault says. */
  readonly body: Uint8Array | undefined;
}

/** Asking later may help; 408 and 425 are about the request's timing, 429 and 503 about load. */
const throttling: readonly number[] = [408, 425, 429, 503];

/** `nowMs` is our wall clock, for a Retry-After date in an answer that has no Date of its own. */
export function readAnswer(answer: HttpAnswer, nowMs: number): Answer {
  const { status, date, retryAfter } = answer;
  const vaultMs = date === undefined ? undefined : parseHttpDate(date);
  const facts = {
    vaultTime: vaultMs === undefined ? undefined : vaultMs * 1000,
    retryAfterMs: parseRetryAfter(retryAfter, vaultMs ?? nowMs),
  };
  return { ...facts, ...readStatus(status, answer) };
}

function readStatus(status: number, answer: HttpAnswer): Answer {
  if (status === 200) return readSuccess(answer);
  const problem = readProblem(answer);
  const said = problem.finding ?? problem.code;
  const code = said === undefined ? `http-${status}` : `http-${status} ${said}`;
  if (throttling.includes(status)) return { outcome: "throttled", code };
  if (status >= 500) return { outcome: "server-error", code };
  if (status < 300) return { outcome: "bad-answer", code };
  if (status === 409) return readConflict(problem);
  // A vault that lost the chain altogether: its head is at nothing.
  if (status === 404 && problem.code === "unknown-chain") {
    return { outcome: "wrong-head", code: "unknown-chain", size: 0 };
  }
  return { outcome: "refused", code };
}

function readSuccess({ contentType, body }: HttpAnswer): Answer {
  if (mediaType(contentType) !== "text/plain") return { outcome: "bad-answer", code: "media-type" };
  if (body === undefined) return { outcome: "bad-answer", code: "too-long" };
  return { outcome: "receipt", code: "receipt", note: body };
}

function readConflict({ code, size, root }: Problem): Answer {
  if (code === "fork") return { outcome: "fork", code: "fork" };
  return { outcome: "wrong-head", code: "wrong-head", size, root };
}

interface Problem {
  readonly code: string | undefined;
  readonly finding: string | undefined;
  readonly size: number | undefined;
  readonly root: Uint8Array | undefined;
}

const noProblem: Problem = {
  code: undefined,
  finding: undefined,
  size: undefined,
  root: undefined,
};

function readProblem({ contentType, body }: HttpAnswer): Problem {
  if (body === undefined || mediaType(contentType) !== "application/problem+json") return noProblem;
  try {
    const found: unknown = JSON.parse(fromUtf8(body));
    if (typeof found !== "object" || found === null) return noProblem;
    const { code, finding, size, root } = found as Record<string, unknown>;
    return {
      code: plainWord(code)?.toLowerCase().replaceAll("_", "-"),
      finding: plainWord(finding),
      size: Number.isSafeInteger(size) && (size as number) >= 0 ? (size as number) : undefined,
      root: typeof root === "string" ? readRoot(root) : undefined,
    };
  } catch {
    return noProblem;
  }
}

/** What a peer wrote ends up in diagnostics and sink records: short, and plain characters only. */
function plainWord(value: unknown): string | undefined {
  return typeof value === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(value) ? value : undefined;
}

/** 32 bytes in base64, as receipts write them, or in hex. */
function readRoot(text: string): Uint8Array | undefined {
  const bytes = text.length === 64 ? fromHex(text, 32) : fromBase64(text);
  return bytes.length === 32 ? bytes : undefined;
}

function mediaType(contentType: string | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}
