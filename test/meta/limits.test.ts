import assert from "node:assert/strict";
import test from "node:test";
import { type SourceFile, sourceFiles } from "./source-text.ts";

const linesMax = 400;
const columnsMax = 100;

function tooLong({ path, text }: SourceFile): string[] {
  const lines = text.trimEnd().split("\n").length;
  return lines > linesMax ? [`${path}: ${lines} lines, want at most ${linesMax}`] : [];
}

/** A line that cannot be broken is left alone: a long value, the sentence that names a test. */
function tooWide({ path, text }: SourceFile): string[] {
  return text.split("\n").flatMap((line, index) => {
    const width = [...line].length;
    const named = /^\s*(?:test|describe)\(["`]/.test(line);
    const breakable =
      !named && /\S\s+\S/.test(line.replace(/"(?:\\.|[^"\\])*"|`[^`]*`|\/.*\//g, "x"));
    return width > columnsMax && breakable ? [`${path}:${index + 1}: ${width} columns`] : [];
  });
}

/** Line 1 (or 2, behind a #! line) begins a comment that holds at least one whole sentence. */
function headless({ path, text }: SourceFile): string[] {
  const lines = text.replace(/^#!.*\n/, "").split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  const head = lines.slice(0, end).map((line) => line.replace(/^\/\/ ?/, ""));
  const sentence = /^(?:Pure\. )?[^a-z].*?[.:](?:\s|$)/.test(head.join(" "));
  return head.length > 0 && sentence ? [] : [`${path}: no head comment`];
}

test("no file of src holds more than 400 lines", async () => {
  assert.deepEqual((await sourceFiles("src/**/*.{ts,mjs}")).flatMap(tooLong), []);
});

test("no line that can be broken is wider than 100 columns", async () => {
  const files = await sourceFiles("src/**/*.{ts,mjs}", "{test,bench}/**/*.ts");
  assert.deepEqual(files.flatMap(tooWide), []);
});

test("every file of src begins with a sentence that says what it is for", async () => {
  assert.deepEqual((await sourceFiles("src/**/*.{ts,mjs}")).flatMap(headless), []);
});

test("the limits are judged as they are meant", () => {
  const file = (text: string): SourceFile => ({ path: "a.ts", text });
  assert.equal(tooLong(file("x\n".repeat(401))).length, 1);
  assert.equal(tooLong(file("x\n".repeat(400))).length, 0);
  assert.equal(tooWide(file(`// ${"word ".repeat(21)}`)).length, 1);
  assert.equal(tooWide(file(`"${"ab".repeat(60)}"`)).length, 0);
  assert.equal(tooWide(file(`test("${"word ".repeat(21)}", () => {`)).length, 0);
  assert.equal(tooWide(file("é".repeat(100))).length, 0);
  assert.equal(headless(file("import a;\n")).length, 1);
  assert.equal(headless(file("// Tags the thing.\n\nconst a = 1;\n")).length, 0);
  assert.equal(headless(file("#!/usr/bin/env node\n// Starts it.\n//\n// - Law.\n\n")).length, 0);
  assert.equal(headless(file("// no sentence\nconst a = 1;\n")).length, 1);
});
