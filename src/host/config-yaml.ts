// Reads the YAML of a configuration into plain values, and remembers where each one stands.
//
// - Only here is the `yaml` package imported.
// - Aliases, anchors and tags are refused: nothing can grow while it is read.
// - ${NAME} and ${NAME:-default} are replaced after parsing, in values only: what the environment
//   holds never becomes structure. `$${` stands for the two characters themselves.
// - `source` keeps the text before that, so that no error shows what the environment holds.

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  stringify,
} from "yaml";
import type { ErrorCode } from "../core/errors.ts";

export type Env = Readonly<Record<string, string | undefined>>;
export type ConfigPath = readonly (string | number)[];

export interface Spot {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
}

export interface YamlProblem {
  readonly code: ErrorCode;
  readonly spot: Spot;
  readonly message: string;
}

/** One value of the configuration, as it was written. */
export interface Written {
  readonly spot: Spot;
  /** Where its key stands; for a list item, its own place. */
  readonly keySpot: Spot;
  /** One line for an error: the scalar's text before expansion, or "a mapping", "a list", "empty". */
  readonly source: string;
  /** Problems below here were reported already. */
  readonly broken: boolean;
}

export interface YamlTree {
  readonly value: unknown;
  readonly problems: readonly YamlProblem[];
  find(path: ConfigPath): Written | undefined;
}

const sourceLengthMax = 80;

/** Never throws for bad text: what is wrong is in `problems`. */
export function readYaml(text: string, env: Env): YamlTree {
  const lines = new LineCounter();
  const reader = new Reader(lines, env);
  try {
    const doc = parseDocument(text, {
      lineCounter: lines,
      version: "1.2",
      schema: "core",
      strict: true,
      uniqueKeys: true,
      prettyErrors: false,
    });
    for (const { pos, message } of [...doc.errors, ...doc.warnings]) {
      reader.refuse(pos[0], "config-syntax", `couldn't read the YAML: ${lowerFirst(message)}`);
    }
    if (doc.directives.yaml.explicit === true) {
      reader.refuse(0, "config-syntax", "a %YAML directive stands before the configuration");
    }
    if (reader.problems.length > 0) return reader.tree(undefined);
    return reader.tree(reader.read(doc.contents, [], 0));
  } catch (cause) {
    // Thousands of nested brackets exhaust the parser's stack.
    if (!(cause instanceof RangeError)) throw cause;
    reader.refuse(0, "config-syntax", "couldn't read the YAML: it is nested too deeply");
    return reader.tree(undefined);
  }
}

class Reader {
  readonly problems: YamlProblem[] = [];
  readonly #lines: LineCounter;
  readonly #env: Env;
  readonly #written = new Map<string, Written>();

  constructor(lines: LineCounter, env: Env) {
    this.#lines = lines;
    this.#env = env;
  }

  tree(value: unknown): YamlTree {
    return { value, problems: this.problems, find: (path) => this.#written.get(pathKey(path)) };
  }

  refuse(offset: number, code: ErrorCode, message: string): void {
    this.problems.push({ code, spot: this.#spot(offset), message });
  }

  read(node: Node | null, path: ConfigPath, keyOffset: number): unknown {
    const offset = node?.range?.[0] ?? keyOffset;
    const before = this.problems.length;
    const value = this.#value(node, path, offset);
    this.#written.set(pathKey(path), {
      spot: this.#spot(offset),
      keySpot: this.#spot(keyOffset),
      source: sourceOf(node),
      broken: this.problems.length > before && !isMap(node) && !isSeq(node),
    });
    return value;
  }

  #value(node: Node | null, path: ConfigPath, offset: number): unknown {
    if (node === null) return null;
    if (isAlias(node) || node.anchor !== undefined) {
      this.refuse(offset, "config-syntax", `${pathText(path)} uses an alias or anchor`);
      return null;
    }
    if (node.tag !== undefined) {
      this.refuse(offset, "config-syntax", `${pathText(path)} has a tag`);
      return null;
    }
    if (isSeq(node)) {
      return node.items.map((item, index) => this.read(item as Node, [...path, index], offset));
    }
    if (isMap(node)) return this.#map(node.items, path, offset);
    const { value } = node as { value?: unknown };
    return typeof value === "string" ? this.#expand(value, path, offset) : value;
  }

  #map(
    items: readonly { key: unknown; value: unknown }[],
    path: ConfigPath,
    offset: number,
  ): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (const { key, value } of items) {
      const keyNode = key as Node | null;
      const keyOffset = keyNode?.range?.[0] ?? offset;
      if (!isScalar(keyNode) || typeof keyNode.value !== "string" || keyNode.tag !== undefined) {
        this.refuse(keyOffset, "config-syntax", `a key in ${pathText(path)} is no plain text`);
        continue;
      }
      // Not an assignment: "__proto__" is a key like any other.
      Object.defineProperty(object, keyNode.value, {
        value: this.read(value as Node | null, [...path, keyNode.value], keyOffset),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return object;
  }

  #expand(text: string, path: ConfigPath, offset: number): string {
    return text.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (all, inner?: string, close?: string) => {
      if (inner === undefined) return "${";
      const [, name, fallback] =
        /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(close === "" ? "" : inner) ?? [];
      if (name === undefined) {
        const want = "want ${NAME} or ${NAME:-default}, or $${ for the characters themselves";
        this.refuse(offset, "config-invalid", `${pathText(path)} holds "${all}", ${want}`);
        return "";
      }
      const value = this.#env[name];
      if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
      if (value === undefined) {
        const message = `${pathText(path)} needs the environment variable ${name}, which is unset`;
        this.refuse(offset, "config-env-missing", message);
      }
      return value ?? "";
    });
  }

  #spot(offset: number): Spot {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

/** "sources[0].include", as people say it. The top is "the configuration". */
export function pathText(path: ConfigPath): string {
  if (path.length === 0) return "the configuration";
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
    .join("")
    .replace(/^\./, "");
}

function pathKey(path: ConfigPath): string {
  return JSON.stringify(path);
}

function sourceOf(node: Node | null): string {
  if (node === null) return "empty";
  if (isMap(node)) return "a mapping";
  if (isSeq(node)) return "a list";
  const { source = "", value } = node as { source?: string; value?: unknown };
  if (value === null) return "empty";
  if (/PRIVATE KEY|sealtail\/1 key|\bseed /.test(source)) return "a private key (not shown)";
  const line = source.replace(/\s+/g, " ").replace(/(:\/\/)[^/@\s]*@/g, "$1***@");
  const short = line.length > sourceLengthMax ? `${line.slice(0, sourceLengthMax)}…` : line;
  return typeof value === "string" ? `"${short}"` : short;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Plain values as YAML, for whoever pastes it into a file of their own. */
export function writeYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0 });
}
