// Reads the YAML of a configuration into plain values, and says where each one stands.
//
// - Only here is the `yaml` package imported.
// - Aliases, anchors and tags are refused: nothing can grow while it is read.
// - ${NAME} and ${NAME:-default} are replaced after parsing, in values only: what the environment
//   holds never becomes structure. `$${` stands for the two characters themselves.
// - sourceOf() shows the text before that, so that no error shows what the environment holds.

import type { Node } from "yaml";
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, stringify } from "yaml";
import type { ErrorCode } from "../core/errors.ts";
import { type ConfigPath, type Problem, pathText, type Spot } from "./config-error.ts";

export type Env = Readonly<Record<string, string | undefined>>;

const sourceLengthMax = 80;
const variable = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|[^}]*\}?)/g;

/** The text of a configuration. Never throws for bad text: what is wrong is in `problems`. */
export class ConfigText {
  readonly problems: Problem[] = [];
  /** Plain values; undefined for an empty file, and where the problems are those of the syntax. */
  readonly value: unknown;
  readonly #lines = new LineCounter();
  readonly #env: Env;
  /** By path, as JSON. `key` is where the key stands; of a list's item, the item itself. */
  readonly #written = new Map<string, { readonly node: Node | null; readonly key: number }>();

  constructor(text: string, env: Env) {
    this.#env = env;
    try {
      this.value = this.#read(text);
    } catch (cause) {
      // Thousands of nested brackets exhaust the parser's stack.
      if (!(cause instanceof RangeError)) throw cause;
      this.#refuse(0, "config-syntax", "couldn't read the YAML: it is nested too deeply");
    }
  }

  /** The place of the value at `path`, or of the nearest key above it that was written. */
  spotOf(path: ConfigPath): Spot {
    const found = this.#find(path);
    if (found === undefined) return this.keySpotOf(path.slice(0, -1));
    return this.#spot(start(found.node, found.key));
  }

  /** The place of the key at the end of `path`, or of the nearest one above that was written. */
  keySpotOf(path: ConfigPath): Spot {
    const found = this.#find(path);
    if (found === undefined && path.length > 0) return this.keySpotOf(path.slice(0, -1));
    return this.#spot(found?.key ?? 0);
  }

  /** What was written, on one line: the text before expansion, "a mapping", "a list", "empty". */
  sourceOf(path: ConfigPath): string | undefined {
    const node = this.#find(path)?.node;
    if (node === undefined) return undefined;
    if (isMap(node)) return "a mapping";
    if (isSeq(node)) return "a list";
    if (!isScalar(node) || node.value === null) return "empty";
    const { source = "", value } = node;
    if (/PRIVATE KEY|sealtail\/1 key|\bseed /.test(source)) return "a private key (not shown)";
    const line = source.replace(/\s+/g, " ").replace(/(:\/\/)[^/@\s]*@/g, "$1***@");
    const short = line.length > sourceLengthMax ? `${line.slice(0, sourceLengthMax)}…` : line;
    return typeof value === "string" ? `"${short}"` : short;
  }

  #find(path: ConfigPath): { readonly node: Node | null; readonly key: number } | undefined {
    return this.#written.get(JSON.stringify(path));
  }

  #read(text: string): unknown {
    const options = { version: "1.2", schema: "core", prettyErrors: false } as const;
    const doc = parseDocument(text, { ...options, lineCounter: this.#lines });
    for (const { pos, message } of [...doc.errors, ...doc.warnings]) {
      const what = message.charAt(0).toLowerCase() + message.slice(1);
      this.#refuse(pos[0], "config-syntax", `couldn't read the YAML: ${what}`);
    }
    if (doc.directives.yaml.explicit === true) {
      this.#refuse(0, "config-syntax", "a %YAML directive stands before the configuration");
    }
    if (this.problems.length > 0) return undefined;
    this.#prepare(doc.contents, [], 0);
    const unsound = this.problems.some(({ code }) => code === "config-syntax");
    return unsound ? undefined : (doc.toJS() ?? undefined);
  }

  /** Notes where everything stands, refuses what no configuration needs, expands variables. */
  #prepare(node: Node | null, path: ConfigPath, key: number): void {
    const offset = start(node, key);
    this.#written.set(JSON.stringify(path), { node, key });
    if (isAlias(node) || node?.anchor !== undefined) {
      this.#refuse(offset, "config-syntax", `${pathText(path)} uses an alias or anchor`);
    } else if (node?.tag !== undefined) {
      this.#refuse(offset, "config-syntax", `${pathText(path)} has a tag`);
    } else if (isSeq<Node>(node)) {
      for (const [index, item] of node.items.entries()) {
        this.#prepare(item, [...path, index], start(item, offset));
      }
    } else if (isMap<Node, Node | null>(node)) {
      for (const { key: name, value } of node.items) {
        if (isScalar(name) && typeof name.value === "string" && name.tag === undefined) {
          this.#prepare(value, [...path, name.value], start(name, offset));
        } else {
          const message = `a key in ${pathText(path)} is no plain text`;
          this.#refuse(start(name, offset), "config-syntax", message);
        }
      }
    } else if (isScalar(node) && typeof node.value === "string") {
      node.value = this.#expand(node.value, path, offset);
    }
  }

  #expand(text: string, path: ConfigPath, offset: number): string {
    return text.replace(variable, (all, name?: string, fallback?: string) => {
      if (all === "$${") return "${";
      if (name === undefined) {
        const want = "want ${NAME} or ${NAME:-default}, or $${ for the characters themselves";
        this.#refuse(offset, "config-invalid", `${pathText(path)} holds "${all}", ${want}`);
        return "";
      }
      const value = this.#env[name];
      if (fallback !== undefined) return value || fallback;
      if (value === undefined) {
        const message = `${pathText(path)} needs the environment variable ${name}, which is unset`;
        this.#refuse(offset, "config-env-missing", message);
      }
      return value ?? "";
    });
  }

  #refuse(offset: number, code: ErrorCode, message: string): void {
    this.problems.push({ code, spot: this.#spot(offset), message });
  }

  #spot(offset: number): Spot {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

/** Plain values as YAML, for whoever pastes it into a file of their own. */
export function writeYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}

function start(node: Node | null, otherwise: number): number {
  return node?.range?.[0] ?? otherwise;
}
