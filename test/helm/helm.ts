// Runs the real helm, kubeconform, kustomize and Kubernetes' own judges on the chart.
//
// - `.ci/helm tools` makes them; without them these tests are skipped, and in CI they fail.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { promisify } from "node:util";
import { parse, parseAllDocuments, stringify } from "yaml";
import { projectRoot } from "../meta/source-text.ts";

const exec = promisify(execFile);

const tools = join(projectRoot, "node_modules/.cache/sealtail-tools");
export const helmPath: string = join(tools, "helm");
export const chart: string = join(projectRoot, "helm/sealtail");
export const valuesDir: string = join(import.meta.dirname, "values");

/** Why these tests cannot run here; false where they can. Throws in CI. */
export const noHelm: string | false = lackOfTools();

function lackOfTools(): string | false {
  const wanted = ["helm", "kubeconform", "kustomize", "judge", "schemas/oldest", "schemas/newest"];
  const missing = wanted.filter((name) => !existsSync(join(tools, name)));
  if (missing.length === 0) return false;
  const reason = `${missing.join(", ")} not made yet: run \`.ci/helm tools\`, which needs Go`;
  if (process.env["CI"] === "true") throw new Error(reason);
  return reason;
}

// biome-ignore lint/suspicious/noExplicitAny: a manifest is what its schema says.
export type Manifest = Record<string, any>;

/** Names of the value sets. */
export function valueSets(): string[] {
  return readdirSync(valuesDir)
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => basename(name, ".yaml"))
    .sort();
}

/** The output, or the error's text. */
export async function helm(...words: string[]): Promise<{ ok: boolean; text: string }> {
  try {
    const { stdout } = await exec(join(tools, "helm"), words, { maxBuffer: 2 ** 26 });
    return { ok: true, text: stdout };
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return { ok: false, text: stdout + stderr };
  }
}

/** `set` is a file of the value sets, or values themselves. */
export async function render(set: string | object, more: readonly string[] = []): Promise<string> {
  using values = new ValuesFile(set);
  const words = ["template", "evidence", chart, "--namespace", "audit", "-f", values.path];
  const { ok, text } = await helm(...words, ...more);
  if (!ok) throw new Error(text);
  return text;
}

/** What helm says after an install: NOTES.txt, rendered in a place that needs no cluster. */
export async function notes(set: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "sealtail-notes-"));
  try {
    cpSync(chart, dir, { recursive: true });
    const text = readFileSync(join(dir, "templates/NOTES.txt"), "utf8");
    const shown = 'notes: {{ include "notes" . | quote }}';
    const inside = `{{- define "notes" }}${text}{{ end }}\n${shown}\n`;
    writeFileSync(join(dir, "templates/notes.yaml"), inside);
    using values = new ValuesFile(set);
    const words = ["--show-only", "templates/notes.yaml", "-n", "audit", "-f", values.path];
    const rendered = await helm("template", "evidence", dir, ...words);
    return parse(rendered.text).notes;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Why helm refuses the values; an empty text when it does not. */
export async function refusal(set: string | object): Promise<string> {
  using values = new ValuesFile(set);
  const { ok, text } = await helm("template", "evidence", chart, "-f", values.path);
  return ok ? "" : text;
}

export class ValuesFile implements Disposable {
  readonly path: string;
  readonly #dir: string | undefined;

  constructor(set: string | object) {
    if (typeof set === "string") {
      this.path = join(valuesDir, `${set}.yaml`);
      return;
    }
    this.#dir = mkdtempSync(join(tmpdir(), "sealtail-values-"));
    this.path = join(this.#dir, "values.yaml");
    writeFileSync(this.path, stringify(set, { version: "1.1" }));
  }

  [Symbol.dispose](): void {
    if (this.#dir !== undefined) rmSync(this.#dir, { recursive: true });
  }
}

/** The values of a set, to be changed. */
export function valuesOf(set: string): Manifest {
  return parse(readFileSync(join(valuesDir, `${set}.yaml`), "utf8"));
}

/** As a server reads it: YAML 1.1, in which 0440 is an octal number. */
export function manifests(text: string): Manifest[] {
  return parseAllDocuments(text, { version: "1.1" }).flatMap((doc) => doc.toJS() ?? []);
}

export function only(found: readonly Manifest[], kind: string, end = ""): Manifest {
  const fitting = found.filter(
    (each) => each["kind"] === kind && each["metadata"].name.endsWith(end),
  );
  if (fitting.length !== 1) throw new Error(`${fitting.length} objects are ${kind} ${end}`);
  return fitting[0] as Manifest;
}

/** The pod, or what makes pods, as a pod. */
export function podsIn(found: readonly Manifest[]): Manifest[] {
  return found.flatMap((each) => {
    if (each["kind"] === "Pod") return [each];
    const template = each["spec"]?.template;
    return template?.spec === undefined ? [] : [{ ...template, kind: "Pod", apiVersion: "v1" }];
  });
}

/** What a pod's annotation holds as a file. */
export function configIn(pod: Manifest, name: "agent" | "vault"): string {
  return pod["metadata"].annotations[`sealtail.dev/${name}.yaml`];
}

/** What kubeconform finds wrong; an empty text when there is nothing. */
export async function nonconformity(text: string, which: "oldest" | "newest"): Promise<string> {
  const location = `${tools}/schemas/${which}/{{ .ResourceKind }}{{ .KindSuffix }}.json`;
  const child = spawn(join(tools, "kubeconform"), ["-strict", "-schema-location", location, "-"]);
  const output = Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  child.stdin.end(text);
  const [code] = await once(child, "exit");
  const said = (await output).join("");
  return code === 0 ? "" : said || `kubeconform ended with ${code}`;
}

export interface Judgement {
  readonly allowed: boolean;
  readonly why: string;
}

/** Asks Kubernetes' own code about pods (restricted) or an admission policy. */
export async function judge(requests: readonly object[]): Promise<Judgement[]> {
  if (requests.length === 0) return [];
  const child = spawn(join(tools, "judge"), { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(requests.map((each) => `${JSON.stringify(each)}\n`).join(""));
  const lines = (await textOf(child.stdout)).trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

export async function kustomize(dir: string): Promise<string> {
  return (await exec(join(tools, "kustomize"), ["build", dir])).stdout;
}

/** The chart of an app that has ours as a dependency. */
export class Shop implements Disposable {
  readonly dir: string = mkdtempSync(join(tmpdir(), "sealtail-shop-"));

  constructor() {
    cpSync(join(import.meta.dirname, "shop"), this.dir, { recursive: true });
    cpSync(chart, join(this.dir, "charts/sealtail"), { recursive: true });
  }

  async render(...settings: string[]): Promise<string> {
    const words = settings.flatMap((setting) => ["--set", setting]);
    const { ok, text } = await helm("template", "shop", this.dir, "-n", "shop", ...words);
    if (!ok) throw new Error(text);
    return text;
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true });
  }
}
