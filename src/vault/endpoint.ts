// What an endpoint of the API is: one table drives routing, query checks, metrics and OpenAPI.

import type { Peer } from "../host/http-listener.ts";
import { Problem } from "./problem.ts";

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly about: string;
  /** integer: 0 … 2^53 - 1, in decimal. */
  readonly kind: "integer" | "text";
}

export interface Answered {
  readonly about: string;
  readonly type: string;
}

export interface EndpointShape {
  readonly method: "GET" | "POST";
  /** With `{name}` for what varies. */
  readonly path: string;
  /** Label of its metrics. */
  readonly name: string;
  readonly about: string;
  /** read: for those who may read. write: blocks carry their own authority. any: nobody is asked. */
  readonly access: "read" | "write" | "any";
  readonly parameters: readonly Parameter[];
  /** Content type of the body that a POST takes. */
  readonly takes?: string;
  readonly success: Answered;
  /** Statuses of the problems that it answers with. */
  readonly problems: readonly number[];
}

export interface ApiRequest {
  readonly request: Request;
  readonly peer: Peer;
  readonly path: Readonly<Record<string, string>>;
  readonly query: Query;
}

export interface Endpoint extends EndpointShape {
  readonly answer: (request: ApiRequest) => Promise<Response>;
}

/** A request's query, checked against what its endpoint takes. */
export class Query {
  readonly #values: ReadonlyMap<string, string>;

  /** Throws Problem bad-request for a name that the endpoint does not take, or one given twice. */
  constructor(url: string, parameters: readonly Parameter[]) {
    const known = parameters.filter((each) => each.in === "query").map(({ name }) => name);
    const values = new Map<string, string>();
    for (const [name, value] of new URL(url).searchParams) {
      if (!known.includes(name)) {
        const list = known.length === 0 ? "none" : known.join(", ");
        throw new Problem("bad-request", `query has an unknown name, want ${list}`);
      }
      if (values.has(name)) throw new Problem("bad-request", `query has ${name} twice`);
      values.set(name, value);
    }
    this.#values = values;
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** A number within the limits, or undefined where it is not given. Throws Problem bad-request. */
  integer(name: string, least: number, most: number): number | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    const value = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new Problem("bad-request", `${name} must be a whole number from ${least} to ${most}`);
  }

  /** A time as RFC 3339 with zone or as Unix microseconds; undefined where it is not given. */
  time(name: string): number | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    if (/^[0-9]{1,16}$/.test(text)) return Number(text);
    const zoned = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$/.test(text);
    const parsed = zoned ? Date.parse(text) * 1000 : Number.NaN;
    if (Number.isSafeInteger(parsed) && parsed >= 0) return parsed;
    const want = "RFC 3339 with a zone, such as 2026-01-31T12:00:00Z, or Unix microseconds";
    throw new Problem("bad-request", `${name} must be a time: ${want}`);
  }
}

export const maxSafe: number = Number.MAX_SAFE_INTEGER;
