// Strict JSON Schemas of Kubernetes' objects: `write-kube-schemas.ts INTO SWAGGER CRDS`.
//
// - SWAGGER is api/openapi-spec/swagger.json of a Kubernetes, CRDS a folder of definitions.
// - Strict: a field that the API does not know is an error; a server would drop it in silence.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

type Schema = { [key: string]: unknown };

const [into = "", swagger = "", crds = ""] = process.argv.slice(2);
mkdirSync(into, { recursive: true });

const { definitions } = JSON.parse(readFileSync(swagger, "utf8")) as {
  definitions: Record<string, Schema>;
};
const loose: Record<string, Schema> = {
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": { type: ["string", "integer"] },
  "io.k8s.apimachinery.pkg.api.resource.Quantity": { type: ["string", "number"] },
};
const strictOnes = Object.entries(definitions).map(
  ([name, schema]) => [name, loose[name] ?? strict(schema)] as const,
);
write("_definitions", { definitions: Object.fromEntries(strictOnes) });
for (const [name, schema] of Object.entries(definitions)) {
  const kinds = (schema["x-kubernetes-group-version-kind"] ?? []) as Record<string, string>[];
  for (const { group = "", version = "", kind = "" } of kinds.length === 1 ? kinds : []) {
    write(fileOf(group, version, kind), { $ref: `_definitions.json#/definitions/${name}` });
  }
}
for (const name of readdirSync(crds)) {
  const { spec } = parse(readFileSync(join(crds, name), "utf8"));
  for (const { name: version, schema } of spec.versions) {
    write(fileOf(spec.group, version, spec.names.kind), strict(schema.openAPIV3Schema));
  }
}

/** As kubeconform asks for it: `deployment-apps-v1`. */
function fileOf(group: string, version: string, kind: string): string {
  return [kind.toLowerCase(), group.split(".")[0], version].filter(Boolean).join("-");
}

function write(name: string, schema: object): void {
  writeFileSync(join(into, `${name}.json`), JSON.stringify(schema));
}

function strict(value: unknown): Schema {
  return walk(value, false) as Schema;
}

/** `named`: the keys of this object are names of fields, not words of the schema. */
function walk(value: unknown, named: boolean): unknown {
  if (Array.isArray(value)) return value.map((each) => walk(each, false));
  if (typeof value !== "object" || value === null) return value;
  const made: Schema = {};
  for (const [key, below] of Object.entries(value)) {
    if (!named && key === "$ref") made[key] = `_definitions.json${String(below)}`;
    else if (named || !key.startsWith("x-kubernetes-") || key.endsWith("int-or-string"))
      made[key] = walk(below, !named && key === "properties");
  }
  if (named) return made;
  if (made["x-kubernetes-int-or-string"] === true) made["type"] = ["string", "integer"];
  const closed = made["properties"] !== undefined && made["additionalProperties"] === undefined;
  const keeps = (value as Schema)["x-kubernetes-preserve-unknown-fields"] === true;
  // The API server's own part of every object.
  if (closed && !keeps) made["additionalProperties"] = false;
  return made;
}
