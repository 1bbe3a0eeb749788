// What a configuration takes, key by key, for docs/reference/config.md.
//
// - The schema is spoken to in words (host/config-schema.ts); here the same words only write down
//   what was said. So types, ranges and defaults are those that the loader judges by.

import type { ConfigSchema } from "../../src/host/config.ts";
import type { ConfigWords, Range } from "../../src/host/config-schema.ts";
import { formatDuration, formatSize } from "../../src/host/units.ts";

interface Said {
  readonly takes?: string;
  readonly preset?: unknown;
  readonly optional?: boolean;
  readonly description?: string;
  /** Keys below. */
  readonly fields?: Readonly<Record<string, Said>>;
  /** It is a list of these. */
  readonly item?: Said;
}

/** The words of host/config-schema.ts; each returns what was said instead of judging by it. */
class WrittenWords {
  object(fields: Readonly<Record<string, Said>>): Said {
    return { fields };
  }
  list(item: Said, { min, max }: Range): Said {
    return { item, takes: `list of ${count(min)} to ${count(max)}` };
  }
  labels(): Said {
    return { takes: "any keys, each with text" };
  }
  withDefault(said: Said, preset: unknown): Said {
    return { ...said, preset };
  }
  optional(said: Said): Said {
    return { ...said, optional: true };
  }
  described(said: Said, description: string): Said {
    return { ...said, description };
  }
  check(said: Said): Said {
    return said;
  }
  text({ min, max }: Range): Said {
    return { takes: `text of ${min} to ${max} characters` };
  }
  name(): Said {
    return { takes: "name" };
  }
  word(): Said {
    return { takes: "word" };
  }
  oneOf(values: readonly (string | number)[]): Said {
    return { takes: values.map((value) => `\`${value}\``).join(", ") };
  }
  version(): Said {
    return { takes: "`1`" };
  }
  flag(): Said {
    return { takes: "`true`, `false`" };
  }
  integer({ min, max }: Range): Said {
    return { takes: `whole number, ${count(min)} to ${count(max)}` };
  }
  size({ min, max }: Range): Said {
    return { takes: `size, ${formatSize(min)} to ${formatSize(max)}` };
  }
  duration({ min, max }: Range): Said {
    return { takes: `duration, ${formatDuration(min)} to ${formatDuration(max)}` };
  }
  listen(): Said {
    return { takes: "host:port" };
  }
  httpUrl(): Said {
    return { takes: "http or https address" };
  }
  path(): Said {
    return { takes: "path" };
  }
  file(): Said {
    return { takes: "path of a file" };
  }
  glob(): Said {
    return { takes: "glob" };
  }
  nameGlob(): Said {
    return { takes: "glob" };
  }
  verifierKey(types: readonly number[]): Said {
    return { takes: `verifier key of type ${types.join(" or ")}` };
  }
}

export interface ConfigRow {
  readonly key: string;
  readonly takes: string;
  readonly preset: string;
  readonly description: string;
}

/** A row for every key that holds a value, in the order of the schema. */
export function configRows(schema: Pick<ConfigSchema<unknown>, "fields">): ConfigRow[] {
  const said = schema.fields(new WrittenWords() as unknown as ConfigWords) as unknown as Said;
  return [...rowsOf("", said, undefined)];
}

/** `within`: the nearest block above that may be absent. */
function* rowsOf(key: string, said: Said, within: string | undefined): Generator<ConfigRow> {
  const { fields, item } = said;
  const below = item?.fields === undefined ? fields : item.fields;
  const own = item === undefined ? said.takes : `${said.takes} ${item.takes ?? "blocks"}`;
  if (own !== undefined || said.description !== undefined) {
    const takes = own?.replace(/^list of (\S+ to \S+) (.*)$/, "list of $1: $2") ?? "block";
    yield { key, takes, preset: presetOf(said, within), description: said.description ?? "" };
  }
  const absent = said.optional === true || item !== undefined ? key : within;
  const prefix = item?.fields === undefined ? "" : "[]";
  for (const [name, each] of Object.entries(below ?? {})) {
    yield* rowsOf(key === "" ? name : `${key}${prefix}.${name}`, each, absent);
  }
}

function presetOf({ preset, optional }: Said, within: string | undefined): string {
  if (preset !== undefined) return `\`${JSON.stringify(preset).replaceAll('"', "")}\``;
  if (optional === true) return "none";
  return within === undefined ? "required" : `required in \`${within}\``;
}

function count(number: number): string {
  return number.toLocaleString("en-US");
}
