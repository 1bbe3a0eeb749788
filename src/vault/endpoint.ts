// What an endpoint of the API is: one table drives routing, query checks, metrics and OpenAPI.

import type { Peer } from "../host/http-listener.ts";
import { Problem } from "./problem.ts";

interface Place {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly about: string;
}

/** A whole number in decimal, without leading zeros. */
export interface IntegerParameter extends Place {
  readonly kind: "integer";
  readonly minimum: number;
  readonly maximum: number;
}

export interface TextParameter extends Place {
  readonly kind: "text";
  /** The whole value matches it; in the syntax of JavaScript and of JSON Schema. */
  readonly pattern: string;
  /** In UTF-16 units. */
  readonly maxLength: number;
  /** What it wants, for whoever gave something else. */
  readonly want: string;
}

export type Parameter = IntegerParameter | TextParameter;

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
  /** Opens stored payloads: that takes more memory and time than other answers. */
  readonly heavy?: boolean;
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
  /** Path and query, checked against what the endpoint takes. */
  readonly given: Given;
}

export interface Endpoint extends EndpointShape {
  readonly answer: (request: ApiRequest) => Promise<Response>;
}

/** What a request gives for the parameters of its endpoint, all of it checked. */
export class Given {
  readonly #values = new Map<string, string>();

  /**
   * Throws Problem bad-request for a name in the query that the endpoint does not take, for one
   * given twice, and for a value that its parameter does not allow.
   */
  constructor(request: Request, path: Readonly<Record<string, string>>, shape: EndpointShape) {
    const { parameters } = shape;
    const known = parameters.filter((each) => each.in === "query").map(({ name }) => name);
    for (const [name, value] of new URL(request.url).searchParams) {
      if (!known.includes(name)) {
        const list = known.length === 0 ? "none" : known.join(", ");
        throw new Problem("bad-request", `query has an unknown name, want ${list}`);
      }
      if (this.#values.has(name)) throw new Problem("bad-request", `query has ${name} twice`);
      this.#values.set(name, value);
    }
    for (const parameter of parameters) {
      const { name, in: place } = parameter;
      if (place === "path") this.#values.set(name, path[name] ?? "");
      const header = place === "header" ? request.headers.get(name) : null;
      if (header !== null) this.#values.set(name, header);
      const value = this.#values.get(name);
      if (value !== undefined && !isAllowed(parameter, value)) {
        throw new Problem("bad-request", `${name} must be ${wantOf(parameter)}`);
      }
    }
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  integer(name: string): number | undefined {
    const text = this.#values.get(name);
    return text === undefined ? undefined : Number(text);
  }

  /** A time as RFC 3339 with zone or as Unix microseconds; undefined where it is not given. */
  time(name: string): number | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    return /^[0-9]+$/.test(text) ? Number(text) : Date.parse(text) * 1000;
  }
}

function isAllowed(parameter: Parameter, value: string): boolean {
  if (parameter.kind === "text") {
    const { pattern, maxLength } = parameter;
    return value.length <= maxLength && new RegExp(pattern, "u").test(value);
  }
  const { minimum, maximum } = parameter;
  const number = /^(?:0|[1-9][0-9]{0,15})$/.test(value) ? Number(value) : Number.NaN;
  return number >= minimum && number <= maximum;
}

function wantOf(parameter: Parameter): string {
  if (parameter.kind === "text") return parameter.want;
  return `a whole number from ${parameter.minimum} to ${parameter.maximum}`;
}

export const maxSafe: number = Number.MAX_SAFE_INTEGER;
