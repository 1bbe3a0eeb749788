// What a configuration takes, key by key, for docs/reference/config.md: read from its JSON Schema.

import type { z } from "zod";
import { configJsonSchema } from "../../src/host/config.ts";

type Part = z.core.JSONSchema.BaseSchema;

export interface ConfigRow {
  readonly key: string;
  readonly takes: string;
  readonly preset: string;
  readonly description: string;
}

/** A row for every key that holds a value, in the order of the schema. */
export function configRows(kind: Parameters<typeof configJsonSchema>[0]): ConfigRow[] {
  return [...rowsBelow("", configJsonSchema(kind) as Part, undefined)];
}

/** `within`: the nearest block above that may be absent. */
function* rowsBelow(key: string, part: Part, within: string | undefined): Generator<ConfigRow> {
  for (const [name, below] of Object.entries((part.properties ?? {}) as Record<string, Part>)) {
    const path = key === "" ? name : `${key}.${name}`;
    const required = part.required?.includes(name) === true;
    const own = takes(below);
    if (own !== undefined || below.description !== undefined) {
      const preset = required
        ? `required${within === undefined ? "" : ` in \`${within}\``}`
        : "none";
      const told = JSON.stringify(below.default)?.replaceAll('"', "");
      yield {
        key: path,
        takes: own ?? "block",
        preset: told === undefined ? preset : `\`${told}\``,
        description: below.description ?? "",
      };
    }
    const item = below.items as Part | undefined;
    const absent = item !== undefined || (!required && below.default === undefined);
    yield* rowsBelow(
      item === undefined ? path : `${path}[]`,
      item ?? below,
      absent ? path : within,
    );
  }
}

/** In the words of the page; undefined for a block. */
function takes({ title, anyOf, items, minItems = 0, maxItems }: Part): string | undefined {
  if (title !== undefined) return title;
  if (items !== undefined) {
    return `list of ${minItems} to ${maxItems}: ${takes(items as Part) ?? "blocks"}`;
  }
  if (anyOf?.[0]?.type === "boolean") return "`true`, `false`";
  return anyOf?.[0]?.enum?.map((value) => `\`${value}\``).join(", ");
}
