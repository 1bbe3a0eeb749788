// Pure. Describes the API as OpenAPI 3.1, from the same table that routes it.

import { answerSchemas } from "./answers.ts";
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

const text = { type: "string" };
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
