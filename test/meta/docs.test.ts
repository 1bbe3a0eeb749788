import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { glob, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import test from "node:test";
import { agentConfig } from "../../src/agent/config.ts";
import { Ui } from "../../src/cli/ui.ts";
import { type ErrorCode, errorTable, SealtailError } from "../../src/core/errors.ts";
import { findingClasses } from "../../src/core/fault.ts";
import { loadConfig } from "../../src/host/config.ts";
import { failpointNames } from "../../src/host/failpoint.ts";
import { vaultConfig } from "../../src/vault/config.ts";
import { verdictExitCodes, verdictOf } from "../../src/verify/finding.ts";
import { allCommands } from "./command-words.ts";
import { callProblem, codeLines, sealtailCalls } from "./doc-commands.ts";
import { docPages, partsOn, withParts } from "./doc-parts.ts";
import { exampleKeyLines } from "./example-keys.ts";
import { agentMetricsText, vaultMetricsText } from "./live-metrics.ts";
import { errorKinds, madeParts } from "./made-parts.ts";
import { metricRows } from "./metric-rows.ts";
import { projectRoot, sourceFiles } from "./source-text.ts";
import { sectionOf, specPages, tableRows } from "./spec-pages.ts";

const pages = await docPages();
const everyPage = [...pages, ...(await specPages())];
const commands = await allCommands();
const page = (path: string): string =>
  pages.find((each) => each.path === path)?.text ?? assert.fail(`${path} is missing`);

test("what the documents say of the code is current: otherwise `npm run docs` writes it", async () => {
  const parts = await madeParts();
  for (const { path, text } of pages) assert.equal(text, withParts(text, parts), path);
  assert.deepEqual(pages.flatMap(({ text }) => partsOn(text)).sort(), [...parts.keys()].sort());
});

test("every sealtail command in a document names a command and options that there are", () => {
  const calls = everyPage.flatMap(({ path, text }) =>
    codeLines(text).flatMap((line) => sealtailCalls(line).map((words) => ({ path, words }))),
  );
  assert.ok(calls.length > 40, `${calls.length} commands found`);
  const wrong = calls.flatMap(({ path, words }) => {
    const problem = callProblem(words, commands);
    return problem === undefined ? [] : [`${path}: sealtail ${words.join(" ")}: ${problem}`];
  });
  assert.deepEqual(wrong, []);
});

test("every command and each of its options stands in the reference", () => {
  const text = page("docs/reference/commands.md");
  for (const { name, options } of commands) {
    const section = sectionOf(text, `## ${name}`);
    for (const option of options.keys()) assert.ok(section.includes(option), `${name} ${option}`);
  }
  const readme = page("README.md");
  for (const { name } of commands) assert.ok(readme.includes(`\`sealtail ${name}\``), name);
});

test("every file and name that the architecture sends its reader to is there", async () => {
  const [, ...rows] = tableRows(sectionOf(page("docs/architecture.md"), "## Where is …?"));
  assert.ok(rows.length >= 20, `${rows.length} questions`);
  for (const [question, path = "", name] of rows) {
    const text = await readFile(join(projectRoot, path), "utf8");
    assert.match(text, new RegExp(`\\b${name}\\b`), `${question}: ${path}`);
  }
});

test("every npm script in a document is one of package.json", async () => {
  const { scripts } = JSON.parse(await readFile(join(projectRoot, "package.json"), "utf8"));
  for (const { path, text } of everyPage) {
    for (const line of codeLines(text)) {
      for (const [, name = ""] of line.matchAll(/\bnpm run (?:-s )?([a-z:]+)/g)) {
        assert.ok(Object.hasOwn(scripts, name), `${path}: npm run ${name}`);
      }
    }
  }
});

test("every link in a document leads to a file that is there, and to its heading", async () => {
  for (const { path, text } of everyPage) {
    for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const full = join(projectRoot, file === "" ? path : join(dirname(path), file));
      assert.ok(existsSync(full), `${path} links to ${target}`);
      if (anchor === undefined) continue;
      const found = anchorsOf(await readFile(full, "utf8"));
      assert.ok(found.includes(anchor), `${path} links to ${target}`);
    }
  }
});

function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** Named to say that they must not exist. */
const neverThere: readonly string[] = ["index.ts"];

test("every file of ours that a document or a comment names is there", async () => {
  const names = new Set<string>();
  const found = glob(["*", "{.ci,bench,config,docs,src,test}/**/*"], { cwd: projectRoot });
  for await (const path of found) names.add(basename(path)).add(path);
  const missing: string[] = [];
  const named = /(?<![\w/.<*-])((?:[\w.-]+\/)*[\w.-]+\.(?:ts|mjs|md|json|jsonc))(?![\w*])/g;
  for (const { path, text } of everyPage) {
    for (const line of codeLines(text)) {
      for (const [, name = ""] of line.matchAll(named)) {
        const there = names.has(name) || existsSync(join(projectRoot, dirname(path), name));
        if (!there && !neverThere.includes(name)) missing.push(`${path}: ${name}`);
      }
    }
  }
  for (const { path, text } of await sourceFiles(
    "{src,test,bench}/**/*.{ts,mjs}",
    "config/*.yaml",
  )) {
    for (const [name] of text.matchAll(/\bdocs\/[\w./-]+\.md\b/g)) {
      if (!names.has(name)) missing.push(`${path}: ${name}`);
    }
  }
  assert.deepEqual(missing, []);
});

test("every finding code is explained under its class", () => {
  const text = page("docs/reference/errors.md");
  const classes = [...new Set(Object.values(findingClasses))];
  for (const each of classes) {
    const codes = Object.entries(findingClasses).filter(([, one]) => one === each);
    const verdict = verdictOf(codes[0]![0] as keyof typeof findingClasses);
    const rows = tableRows(sectionOf(text, `### Class ${each}: \`${verdict}\``)).slice(1);
    assert.deepEqual(rows.map(([code]) => code).sort(), codes.map(([code]) => code).sort(), each);
  }
});

test("whose word counts is said in the same words wherever it is applied", () => {
  const rule = "**A statement counts only from the key that the statement above it names.**";
  for (const name of ["verification", "grant", "receipt", "proof"]) {
    const spec = everyPage.find(({ path }) => path === `docs/spec/${name}.md`);
    assert.ok(spec?.text.includes(rule), name);
  }
  assert.ok(page("docs/threat-model.md").includes(rule));
});

test("the exit codes in the documents are those of the program", () => {
  const errors = page("docs/reference/errors.md");
  const streams = { stdin: new PassThrough(), stdout: new PassThrough() };
  for (const kind of errorKinds) {
    const ui = new Ui({ ...streams, stderr: new PassThrough(), env: {}, cwd: "/" });
    const code = Object.keys(errorTable).find((one) => errorTable[one as ErrorCode].kind === kind);
    ui.fail(new SealtailError(code as ErrorCode, "as a sample"));
    assert.match(errors, new RegExp(`^## .*\\n\\n[\\s\\S]*?<!-- made: errors-${kind} -->`, "m"));
    const before = errors.slice(0, errors.indexOf(`<!-- made: errors-${kind} -->`));
    assert.match(
      before.slice(before.lastIndexOf("\n## ")),
      new RegExp(`exit code ${ui.exitCode}$`, "m"),
    );
    assert.match(page("docs/reference/exit-codes.md"), new RegExp(`^\\| ${ui.exitCode} +\\|`, "m"));
  }
  const rows = tableRows(sectionOf(page("docs/reference/exit-codes.md"), "## Verdicts")).slice(1);
  assert.deepEqual(
    Object.fromEntries(rows.map(([verdict, code]) => [verdict, Number(code)])),
    verdictExitCodes,
  );
});

test("every metric that a document names is exposed", async () => {
  const texts = await Promise.all([agentMetricsText(), vaultMetricsText()]);
  const known = new Set(texts.flatMap(metricRows).map(({ name }) => name));
  for (const { path, text } of everyPage) {
    for (const [name] of text.matchAll(/\bsealtail_(?:agent|vault)_[a-z_]+[a-z]\b/g)) {
      assert.ok(known.has(name), `${path}: ${name}`);
    }
  }
});

test("every failpoint stands in the table of what a crash leaves", () => {
  const table = sectionOf(page("docs/architecture.md"), "### What a crash leaves");
  for (const name of failpointNames) assert.ok(table.includes(`\`${name}\``), name);
});

test("the configurations that the README writes are accepted", async () => {
  const keys = exampleKeyLines();
  const files = new Map(
    [...page("README.md").matchAll(/cat > (\w+\.yaml) <<EOF\n([\s\S]*?)^EOF$/gm)].map(
      ([, name = "", text = ""]) => [name, text],
    ),
  );
  assert.deepEqual([...files.keys()], ["vault.yaml", "agent.yaml"]);
  for (const [name, text] of files) {
    const filled = text.replace(/\$\(cat ([\w.-]+)\)/g, (_, file: string) => keys[file] ?? "");
    const file = `/etc/sealtail/${name}`;
    if (name === "vault.yaml") await loadConfig(vaultConfig, filled, file, {});
    else await loadConfig(agentConfig, filled, file, {});
  }
});

test("commands in examples are read as a shell reads them", () => {
  const read = (line: string): string[][] =>
    codeLines(`\`\`\`sh\n${line}\n\`\`\``).flatMap(sealtailCalls);
  assert.deepEqual(read("sealtail verify --data x > y.txt"), [["verify", "--data", "x"]]);
  assert.deepEqual(read("sealtail vault --config a 2> b &"), [["vault", "--config", "a"]]);
  assert.deepEqual(read('$ sealtail up "a b" --once      a remark'), [["up", "a b", "--once"]]);
  assert.deepEqual(read("cd x && npm start -- '/a/*.log'"), [["up", "/a/*.log"]]);
  assert.deepEqual(read("sealtail key \\\n  new a | head"), [["key", "new", "a"]]);
  assert.deepEqual(read("sealtail: error: no such thing"), []);
  for (const words of [["nothing"], ["key", "make"], ["verify", "--all"], ["status", "a", "b"]]) {
    assert.notEqual(callProblem(words, commands), undefined, words.join(" "));
  }
  assert.equal(callProblem(["verify", "a", "b", "--at", "c", "--json"], commands), undefined);
});
