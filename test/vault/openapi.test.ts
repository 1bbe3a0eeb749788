// Real answers are what the API's own description says: status, content type and every field.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Admin } from "../fakes/admin.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { type Answer, chainOf, Rig } from "./rig.ts";

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: {
      readonly minimum?: number;
      readonly maximum?: number;
      readonly pattern?: string;
      readonly maxLength?: number;
    };
  }[];
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { schema?: object }>> }>
  >;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

/** A schema that also refuses fields that it does not name. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const each = Object.entries(schema).map(([key, value]) => [key, closed(value)]);
  const made = Object.fromEntries(each) as Record<string, unknown>;
  return made["type"] === "object" && "properties" in made
    ? { ...made, additionalProperties: false }
    : made;
}

function check(document: Document, path: string, method: string, answer: Answer): void {
  const operation = document.paths[path]?.[method];
  assert.ok(operation, `${method} ${path} is not described`);
  const place = `${method} ${path} ${answer.status}`;
  const described = operation.responses[answer.status];
  assert.ok(described, `${place} is not described: ${answer.text}`);
  const type = (answer.headers.get("content-type") ?? "").split(";")[0] ?? "";
  const content = described.content[type];
  assert.ok(content, `${place} is ${type}`);
  if (content.schema === undefined) return assert.ok(!/json/.test(type) || path.endsWith("json"));
  const ajv = new Ajv2020({ strict: false });
  const schema = closed({ ...content.schema, components: document.components }) as object;
  const validate = ajv.compile(schema);
  const values = type.includes("ndjson") ? answer.text.trimEnd().split("\n") : [answer.text];
  for (const value of values) {
    assert.ok(
      validate(JSON.parse(value)),
      `${place}: ${ajv.errorsText(validate.errors)}\n${value}`,
    );
  }
}

test("every endpoint answers as its description says, when it does and when it does not", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("described");
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  const gap = { type: "gap", source: id, from: 4, to: 9, cause: "truncated" } as const;
  chain.seal([say(record), lines(id, Uint8Array.of(0x61, 0x0a, 0xff, 0x0a)), say(gap)]);
  const document = (await rig.json("/v1/openapi.json")) as unknown as Document;
  const seen = new Set<string>();
  const ask = async (
    path: string,
    method: string,
    query = "",
    body?: Uint8Array,
  ): Promise<void> => {
    const url = path.replace("{chain}", chain.name).replace("{seq}", "5") + query;
    const init = body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> };
    const answer = await rig.direct(url, { method: method.toUpperCase(), ...init });
    check(document, path, method, answer);
    seen.add(`${method} ${path} ${answer.status < 300 ? "done" : "refused"}`);
  };
  const base = "/v1/chains/{chain}";
  check(document, `${base}/blocks`, "post", await rig.post(chain));
  seen.add(`post ${base}/blocks done`);
  await ask(`${base}/blocks`, "post", "", Buffer.from("no blocks"));
  const ack = "/v1/acknowledgements";
  await ask(ack, "post", "", Buffer.from("no note"));
  for (const [path, operations] of Object.entries(document.paths)) {
    if (operations["get"] === undefined) continue;
    await ask(path, "get", path.endsWith("/object") ? "?name=grant" : "");
    await ask(path, "get", "?no-such-word=1");
  }
  const note = new Admin().says({ chain: chain.name, code: "GAP_DECLARED", below: 2 });
  await ask(ack, "post", "", note);
  await ask(ack, "get");
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const method of Object.keys(operations)) {
      assert.ok(seen.has(`${method} ${path} done`), `${method} ${path} was never done`);
      assert.ok(seen.has(`${method} ${path} refused`), `${method} ${path} was never refused`);
    }
  }
});

test("every parameter has a range or a pattern, and its ends are where the description says", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("ranges");
  chain.begin();
  await rig.post(chain);
  const { paths } = (await rig.json("/v1/openapi.json")) as unknown as Document;
  let tried = 0;
  for (const [path, { get }] of Object.entries(paths)) {
    for (const { name, in: place, schema } of get?.parameters ?? []) {
      const status = async (value: string): Promise<number> => {
        const encoded = encodeURIComponent(value);
        const filled = place === "path" ? path.replace(`{${name}}`, encoded) : path;
        const url = filled.replace("{chain}", chain.name).replace("{seq}", "0");
        tried += 1;
        return (await rig.direct(place === "path" ? url : `${url}?${name}=${encoded}`)).status;
      };
      const { minimum, maximum, pattern, maxLength = 0 } = schema;
      if (minimum !== undefined && maximum !== undefined) {
        for (const good of [minimum, maximum]) assert.notEqual(await status(String(good)), 400);
        const beyond = [BigInt(minimum) - 1n, BigInt(maximum) + 1n].map(String);
        for (const bad of [...beyond, "1e2", "1.0", "0x1", "", " 1", "01", "9".repeat(400)]) {
          // Nothing in the middle of a path is another address.
          const want = place === "path" && bad === "" ? 404 : 400;
          assert.equal(await status(bad), want, `${path} ${name}=${bad}`);
        }
        continue;
      }
      const regex = new RegExp(pattern ?? assert.fail(`${path} ${name} has no pattern`), "u");
      const words = ["2026-13-01T00:00:00Z", "id:xyz", "a\nb", "\u{1f600}", "A".repeat(64), "0"];
      for (const word of [...words, chain.name, "0".repeat(maxLength + 1)]) {
        const allowed = regex.test(word) && word.length <= maxLength;
        assert.equal((await status(word)) !== 400, allowed, `${path} ${name}=${word}`);
      }
    }
  }
  assert.ok(tried > 100, String(tried));
});
