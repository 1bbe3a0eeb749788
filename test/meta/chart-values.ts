// What the chart's values.yaml says about each of its values, and the JSON Schema that follows.
//
// - A key with a comment `# --` is a value; one without is a section.
// - Below the top everything is strict: a misspelt key is refused by helm itself. The top is open,
//   because Helm and charts that wrap this one put keys of their own there.

import { isMap, isScalar, parseDocument, type YAMLMap } from "yaml";

export interface ChartValue {
  readonly path: string;
  readonly meaning: string;
  readonly preset: unknown;
}

type Schema = Readonly<Record<string, unknown>>;

export function chartValues(text: string): ChartValue[] {
  const doc = parseDocument(text);
  if (!isMap(doc.contents)) throw new Error("values.yaml is no mapping");
  return [...valuesBelow(doc.contents, "")];
}

function* valuesBelow(map: YAMLMap, above: string): Generator<ChartValue> {
  for (const { key, value } of map.items) {
    if (!isScalar(key)) throw new Error(`a key below ${above} is no word`);
    const path = above + String(key.value);
    // The comment before the first key of a mapping belongs to the mapping.
    const first = map.items[0]?.key === key ? map.commentBefore : undefined;
    const comment = [first, key.commentBefore].filter(Boolean).join("\n");
    const meaning = /^ -- (.*)$/m.exec(comment)?.[1];
    if (meaning !== undefined) {
      const preset = isScalar(value) ? value.value : (value as YAMLMap).toJSON();
      yield { path, meaning, preset };
    } else if (isMap(value)) yield* valuesBelow(value, `${path}.`);
    else throw new Error(`${path} has no comment that begins with --`);
  }
}

const strings: Schema = { type: "object", additionalProperties: { type: "string" } };
const anything: Schema = { type: "object" };
const list = (items: Schema): Schema => ({ type: "array", items });
const strict = (properties: Record<string, Schema>, required: readonly string[]): Schema => ({
  type: "object",
  additionalProperties: false,
  required,
  properties,
});
const word: Schema = { type: "string", minLength: 1 };
const path: Schema = { type: "string", pattern: "^/" };
const oneOf = (...words: readonly string[]): Schema => ({ enum: words });
const name: Schema = { type: "string", pattern: "^[!-*,-~]{0,200}$" };
const url: Schema = { type: "string", pattern: "^(?:https?://\\S+)?$" };
const seconds: Schema = { type: "integer", minimum: 1, maximum: 3600 };
const verifierKey: Schema = { type: "string", pattern: "^\\S+\\+[0-9a-f]{8}\\+[A-Za-z0-9+/=]+$" };
const repository = "^(?:[a-z0-9][a-z0-9._-]*(?::[0-9]+)?(?:/[a-z0-9._-]+)*)?$";
const countOrShare: Schema = { type: ["integer", "string"], pattern: "^[0-9]+%$", minimum: 0 };
const count: Schema = { type: "integer", minimum: 1 };
const span: Schema = { type: "string", pattern: "^[0-9]+(?:ms|s|m)$" };

/** By the end of the path; the first that fits counts. Types of all others follow from presets. */
const shapes: readonly (readonly [end: RegExp, shape: Schema])[] = [
  [/^global$/, anything],
  [/^image\.digest$/, { type: "string", pattern: "^(?:sha256:[0-9a-f]{64})?$" }],
  [/^image\.repository$/, { type: "string", pattern: repository }],
  [/^image\.tag$/, word],
  [/\.pullPolicy$/, oneOf("Always", "IfNotPresent", "Never")],
  [/\.pullSecrets$/, list(strict({ name: word }, ["name"]))],
  [/^trust\./, list(verifierKey)],
  [/\.name$/, name],
  [/\.url$/, url],
  [/^vault\.expect$/, list(strict({ subject: word, chains: count }, ["subject", "chains"]))],
  [/\.service\.type$/, oneOf("ClusterIP", "NodePort", "LoadBalancer")],
  [/\.(?:port|outsideVaultPort)$/, { type: "integer", minimum: 1, maximum: 65_535 }],
  [/\.persistence\.size$/, { type: "string", pattern: "^[0-9]+(?:Mi|Gi|Ti)$" }],
  [/\.maxUnavailable$/, countOrShare],
  [
    /\.topologySpread$/,
    list(
      strict(
        {
          maxSkew: { type: "integer", minimum: 1 },
          topologyKey: word,
          whenUnsatisfiable: oneOf("ScheduleAnyway", "DoNotSchedule"),
        },
        ["maxSkew", "topologyKey", "whenUnsatisfiable"],
      ),
    ),
  ],
  [
    /\.sources$/,
    list(
      strict(
        {
          name: word,
          include: { type: "array", items: word, minItems: 1 },
          exclude: list(word),
          start_at: oneOf("beginning", "end"),
        },
        ["name", "include"],
      ),
    ),
  ],
  [/\.hostPaths$/, list(strict({ name: word, path }, ["name", "path"]))],
  [/^agent\.state\.type$/, oneOf("emptyDir", "ephemeral", "hostPath")],
  [/^sidecar\.state\.type$/, oneOf("emptyDir", "ephemeral", "volume")],
  [/\.sizeMiB$/, { type: "integer", minimum: 32, maximum: 1_048_576 }],
  [/\.(?:drainSeconds|classicPauseSeconds)$/, seconds],
  [/^sidecar\.mode$/, oneOf("native", "classic")],
  [/\.mountPath$/, path],
  [/\.(?:logs\.containers|podMonitor\.namespaces)$/, list(word)],
  [/\.resources$/, strict({ requests: anything, limits: anything, claims: list(anything) }, [])],
  [/\.(?:interval|scrapeTimeout)$/, span],
  [/\.disabled$/, { type: "object", additionalProperties: { type: "boolean" } }],
  [/\.thresholds$/, { type: "object", additionalProperties: { type: ["number", "string"] } }],
  [/\.validationActions$/, { ...list(oneOf("Deny", "Warn", "Audit")), minItems: 1 }],
  [/(?:[lL]abels|nnotations|nodeSelector)$/, strings],
  [/\.(?:config|affinity|securityContext|podSecurityContext|namespaceSelector)$/, anything],
  [/\.(?:extra[A-Z][A-Za-z]+|tolerations|vaultClients|metricsClients)$/, list(anything)],
];

export function chartSchema(values: readonly ChartValue[]): Schema {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Values of the chart sealtail",
    ...section(values, "", true),
  };
}

function section(values: readonly ChartValue[], above: string, open = false): Schema {
  const properties: Record<string, Schema> = {};
  for (const value of values) {
    const [key = "", ...deeper] = value.path.slice(above.length).split(".");
    if (Object.hasOwn(properties, key)) continue;
    const here = `${above}${key}.`;
    properties[key] =
      deeper.length > 0
        ? section(
            values.filter((each) => each.path.startsWith(here)),
            here,
          )
        : { description: value.meaning.replaceAll("`", ""), ...shapeOf(value) };
  }
  return { type: "object", ...(open ? {} : { additionalProperties: false }), properties };
}

function shapeOf({ path: at, preset }: ChartValue): Schema {
  const known = shapes.find(([end]) => end.test(at))?.[1];
  if (known !== undefined) return known;
  if (typeof preset === "boolean") return { type: "boolean" };
  if (typeof preset === "string") return { type: "string" };
  if (Number.isInteger(preset)) return { type: "integer", minimum: 0 };
  throw new Error(`nobody said which values ${at} takes`);
}
