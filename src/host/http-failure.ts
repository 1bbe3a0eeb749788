// Pure. Says what went wrong with a request, in words that an operator can act on.

export interface HttpFailure {
  /** timeout: a wait ended; bad-answer: what came is not HTTP; transport: everything else. */
  readonly outcome: "timeout" | "bad-answer" | "transport";
  /** One word of docs/reference/delivery.md, such as dns or tls-untrusted. */
  readonly code: string;
}

const timeouts: readonly string[] = [
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
];

/** The first pattern that matches decides. */
const words: readonly (readonly [pattern: RegExp, code: string])[] = [
  [/^(?:ENOTFOUND|EAI_)/, "dns"],
  [/^ECONNREFUSED$/, "connection-refused"],
  [/^E(?:HOST|NET)(?:UNREACH|DOWN)$/, "no-route"],
  [/^UND_ERR_(?:PRX|ABORTED|INVALID_ARG)/, "proxy"],
  [/^(?:ECONNRESET|EPIPE|UND_ERR_SOCKET|UND_ERR_CLOSED|UND_ERR_DESTROYED)$/, "connection-lost"],
  [/^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/, "tls-expired"],
  [/^(?:ERR_TLS_CERT_ALTNAME|HOSTNAME_)/, "tls-wrong-name"],
  [/^(?:DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|CERT_)/, "tls-untrusted"],
  [/^(?:ERR_SSL|ERR_TLS|EPROTO)/, "tls"],
];

/** What `error` means, which a request or the reading of its answer rejected with. */
export function httpFailure(error: unknown): HttpFailure {
  const code = codeOf(error);
  if (timeouts.includes(code)) return { outcome: "timeout", code: "timeout" };
  if (/^(?:HPE_|UND_ERR_(?:HEADERS_OVERFLOW|RES_))/.test(code)) {
    return { outcome: "bad-answer", code: "not-http" };
  }
  const [, word = "unknown"] = words.find(([pattern]) => pattern.test(code)) ?? [];
  return { outcome: "transport", code: word };
}

/** The system's or the library's code; for several tried addresses, that of the last. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if (error.name === "HTTPParserError") return "HPE_ANY";
  // AbortSignal.timeout aborts with this.
  if (error.name === "TimeoutError") return "ETIMEDOUT";
  if (error instanceof AggregateError && !("code" in error)) return codeOf(error.errors.at(-1));
  return "code" in error ? String(error.code) : codeOf(error.cause);
}
