// Pure. Describes the API as OpenAPI 3.1, from the same table that routes it.
//
// - Fields of answers are only added within version 1. A test holds real answers to these schemas,
//   and to having no field that they do not know.

import type { EndpointShape, Parameter } from "./endpoint.ts";

/** The document as JSON. */
export function openApi(table: readonly EndpointShape[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const endpoint of table) {
    const operations = paths[endpoint.path] ?? {};
    paths[endpoint.path] = operations;
    operations[endpoint.method.toLowerCase()] = operation(endpoint);
  }
  return {
    openapi: "3.1.0",
    info: { title: "sealtail vault", version },
    paths,
    components: { schemas: { Problem: problem } },
  };
}

function operation(endpoint: EndpointShape): object {
  const { name, about, parameters, success, problems, method } = endpoint;
  const schema = answerSchemas[name];
  const content = schema === undefined ? {} : { schema };
  const responses: Record<string, object> = {
    200: { description: success.about, content: { [success.type]: content } },
  };
  for (const status of problems) {
    responses[status] = {
      description: "A problem document.",
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    };
  }
  const body = { required: true, content: { [endpoint.takes ?? "text/plain"]: {} } };
  return {
    operationId: name,
    summary: about,
    parameters: parameters.map(parameter),
    ...(method === "POST" ? { requestBody: body } : {}),
    responses,
  };
}

function parameter(shape: Parameter): object {
  const { name, in: place, about } = shape;
  const schema =
    shape.kind === "integer"
      ? { type: "integer", minimum: shape.minimum, maximum: shape.maximum }
      : { type: "string", pattern: shape.pattern, maxLength: shape.maxLength };
  return { name, in: place, required: place === "path", description: about, schema };
}

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: "string" };
const count: Schema = { type: "integer", minimum: 0 };
const hash: Schema = { type: "string", pattern: "^[0-9a-f]{64}$" };
const micros: Schema = { ...count, description: "Unix microseconds." };

function object(properties: Readonly<Record<string, Schema>>, optional: string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", required, properties };
}

const summary = {
  ...{ chain: hash, subject: text, size: count, forks: count },
  state: { enum: ["active", "silent", "stopped", "final", "damaged", "unknown"] },
  seen_at: micros,
  open: { type: "array", items: text, description: "Codes that wait for an acknowledgement." },
};

const words = {
  predecessor: {
    ...{ type: ["string", "null"], pattern: hash["pattern"] },
    description: "The chain before, as the genesis says; null: none. Absent while not read yet.",
  },
  host: {
    type: ["string", "null"],
    description: "Where the newest run began, as it says itself; null: it does not say.",
  },
};

const receipt = object({ size: count, time: { ...count, description: "Unix seconds." } });

const detail = {
  ...{ damage: { ...text, description: "Why the stored blocks can't be right; then no more." } },
  ...{ first_seq: count, last_seq: count, first_time: micros, head_time: micros },
  ...{ max_silence_ms: count, head: hash, root: hash, run: text },
  ...{ kind: { enum: ["genesis", "normal", "final"] }, receipt },
};

const openFinding = object(
  {
    ...{ code: text, reason: text, blocks: { type: "array", items: count } },
    earlier: { ...count, description: "How many blocks there are before those listed." },
  },
  ["reason", "earlier"],
);

const envelope = object(
  {
    ...{ chain: hash, block: count, seq: count, kind: { enum: ["line", "record"] }, time: micros },
    ...{ hash, prev: hash, salt: text, source: text, path: text, name: text, offset: count },
    ...{ lf: { type: "boolean" }, text, base64: text },
  },
  ["source", "path", "name", "offset", "lf", "text", "base64"],
);

const names: Schema = { type: "array", items: text };
const unread: Schema = { ...names, description: "What can't be read, and why: for people." };

/** What a client may rely on in a JSON answer, by the endpoint's name. */
const answerSchemas: Readonly<Record<string, Schema>> = {
  chains: object(
    {
      chains: { type: "array", items: object({ ...summary, ...words }, Object.keys(words)) },
      next: hash,
    },
    ["next"],
  ),
  chain: object({ ...summary, ...words, ...detail }, [
    ...Object.keys(words),
    ...Object.keys(detail),
  ]),
  findings: object({ chain: hash, size: count, open: { type: "array", items: openFinding } }),
  acknowledgements: object({ acknowledgements: { type: "array", items: text } }),
  "post-acknowledgement": object({ id: hash }),
  lines: envelope,
  "store-chains": object({ chains: { type: "array", items: hash }, next: hash, unread }, ["next"]),
  "store-objects": object({ objects: names, next: text, unread }, ["next"]),
};

const problem = {
  type: "object",
  required: ["type", "title", "status", "detail", "code"],
  properties: {
    ...{ type: text, title: text, detail: text, remedy: text },
    status: { type: "integer" },
    code: { ...text, description: "Stable." },
    finding: { ...text, description: "What verification found, where it refused." },
    block: { type: "integer" },
    size: { type: "integer", description: "Blocks that the vault holds of the chain." },
    root: { ...text, description: "Root of their tree, in hex." },
  },
};
