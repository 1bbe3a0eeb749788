// Who may import whom: the layers of docs/architecture.md as a table.
//
// - Arrows point down only; stages never import each other.
// - A third-party package is imported in as few files as possible, so that its types never travel.

import { type Import, importedPath } from "./source-text.ts";

interface Layer {
  /** Folders of src besides its own. */
  readonly below: readonly string[];
  /** Which of node's modules: none, the pure ones, or all. */
  readonly node: "none" | "pure" | "all";
}

const pureNode: readonly string[] = ["node:path", "node:path/posix"];

export const layers: Readonly<Record<string, Layer>> = {
  core: { below: [], node: "none" },
  verify: { below: ["core"], node: "none" },
  host: { below: ["core"], node: "all" },
  tail: { below: ["core", "host"], node: "pure" },
  seal: { below: ["core", "host"], node: "pure" },
  wal: { below: ["core", "host"], node: "pure" },
  ship: { below: ["core", "host"], node: "pure" },
  store: { below: ["core", "host"], node: "pure" },
  succession: { below: ["core", "verify"], node: "none" },
  agent: {
    below: ["core", "verify", "host", "tail", "seal", "wal", "ship", "succession"],
    node: "pure",
  },
  vault: { below: ["core", "verify", "host", "store"], node: "pure" },
  cli: {
    below: [
      ...["core", "verify", "host", "tail", "seal", "wal"],
      ...["ship", "store", "agent", "vault"],
    ],
    node: "all",
  },
};

/** Package → the files that may import it. */
export const packages: Readonly<Record<string, RegExp>> = {
  "@hono/node-server": /^src\/host\/http-fetch\.ts$/,
  "@noble/curves": /^src\/core\/portable-suite\.ts$/,
  "@noble/hashes": /^src\/core\//,
  chokidar: /^src\/tail\//,
  commander: /^src\/cli\//,
  hono: /^src\/vault\//,
  picomatch: /^src\/tail\//,
  pino: /^src\/host\/diag\.ts$/,
  "prom-client": /^src\/host\/metrics\.ts$/,
  undici: /^src\/host\/http-client\.ts$/,
  yaml: /^src\/host\/config-yaml\.ts$/,
  zod: /^src\/(?:host|agent|vault)\/config(?:-[a-z]+)?\.ts$/,
  zstddec: /^src\/core\/portable-suite\.ts$/,
};

/** What may be imported late, to keep memory or start-up small, and from where. */
const late: readonly (readonly [file: RegExp, from: RegExp])[] = [
  [/^src\/host\/http-fetch\.ts$/, /^@hono\/node-server$/],
  [/^src\/cli\//, /^\.\.?\/[a-z0-9/-]+\.ts$/],
];

/** The one side effect: the check of node's own version. */
const sideEffects: readonly string[] = ["src/cli/bin.ts ./node-version.mjs"];

/** Why the import is not allowed; undefined when it is. */
export function strayReason(path: string, { kind, from }: Import): string | undefined {
  if (kind === "escape") return "escapes the import rules";
  if (kind === "side-effect") {
    return sideEffects.includes(`${path} ${from}`) ? undefined : "is for its side effects only";
  }
  if (kind === "dynamic" && !late.some(([file, spec]) => file.test(path) && spec.test(from))) {
    return "is a late import that is not on the list";
  }
  const folder = path.split("/")[1] ?? "";
  const layer = layers[folder];
  if (layer === undefined) return `is in a folder that is no layer: ${folder}`;
  if (from.startsWith("node:")) {
    const fine = layer.node === "all" || (layer.node === "pure" && pureNode.includes(from));
    return fine ? undefined : "is a door to the machine outside host";
  }
  return from.startsWith(".") ? strayPath(path, folder, layer, from) : strayPackage(path, from);
}

function strayPath(path: string, folder: string, layer: Layer, from: string): string | undefined {
  const [top, target, ...rest] = importedPath(path, from).split("/");
  if (top !== "src" || target === undefined || rest.length === 0) return "leads out of src";
  if (!from.endsWith(".ts")) return "does not end in .ts";
  if (target === folder || layer.below.includes(target)) return undefined;
  return `does not point down: ${folder} to ${target}`;
}

function strayPackage(path: string, from: string): string | undefined {
  const name = from.split("/", from.startsWith("@") ? 2 : 1).join("/");
  const home = Object.hasOwn(packages, name) ? packages[name] : undefined;
  if (home === undefined) return "is a package that is not on the list";
  return home.test(path) ? undefined : "is a package that belongs elsewhere";
}
