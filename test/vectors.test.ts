import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { findingClasses } from "../src/core/fault.ts";
import { portableSuite } from "../src/core/portable-suite.ts";
import { nativeSuite as bareSuite } from "../src/host/native-suite.ts";
import { verdictOf, worse } from "../src/verify/finding.ts";
import { remembering } from "./fakes/remembering.ts";
import { folders } from "./vectors/make/all.ts";
import type { Description, Vector } from "./vectors/make/story.ts";
import { packTar, unpackTar } from "./vectors/make/tar.ts";
import { type Found, run } from "./vectors/run.ts";

const nativeSuite = remembering(bareSuite);

interface Stored {
  readonly name: string;
  readonly tar: Uint8Array;
  readonly text: string;
  readonly description: Description;
}

function read(name: string): Uint8Array {
  return Uint8Array.from(readFileSync(new URL(`vectors/${name}`, import.meta.url)));
}

function stored(name: string): Stored {
  const text = Buffer.from(read(`${name}.json`)).toString();
  return { name, tar: read(`${name}.tar`), text, description: JSON.parse(text) };
}

const made = Object.entries(folders).flatMap(([folder, vectors]) =>
  Object.entries(vectors).map(([name, vector]): [string, Vector] => [`${folder}/${name}`, vector]),
);
const kept = readdirSync(new URL("vectors/", import.meta.url), { recursive: true })
  .map(String)
  .filter((name) => name.endsWith(".tar"))
  .map((name) => name.slice(0, -4));

function wanted({ verdict, chains, findings }: Description): Found {
  return { verdict, chains, findings };
}

describe("vectors", () => {
  test("every vector that is described is stored, and no other", () => {
    assert.deepEqual(kept.toSorted(), made.map(([name]) => name).toSorted());
  });

  test("the stored bytes are those that the stories make", () => {
    for (const [name, vector] of made) {
      if (vector.kept) continue;
      const { tar, text } = stored(name);
      const story = vector.make();
      assert.equal(`${JSON.stringify(story.describe(vector), undefined, 2)}\n`, text, name);
      assert.ok(Buffer.from(packTar(story.files)).equals(tar), `${name} is made otherwise`);
    }
  });

  test("the verdict of each is that of its worst finding, and no code is unknown", () => {
    for (const { name, description } of kept.map(stored)) {
      const worst = description.findings
        .map(({ code }) => verdictOf(code as keyof typeof findingClasses))
        .reduce(worse, "VALID");
      const nothing = description.verdict === "INDETERMINATE";
      assert.ok(nothing || worst === description.verdict, name);
      for (const { code } of description.findings) assert.ok(Object.hasOwn(findingClasses, code));
    }
  });

  test("the native suite finds in each exactly what is expected", async () => {
    for (const { name, tar, description } of kept.map(stored)) {
      const found = await run(nativeSuite, unpackTar(tar), description);
      assert.deepEqual(found, wanted(description), name);
    }
  });

  test("the portable suite finds the same", async () => {
    const suite = remembering(await portableSuite());
    for (const { name, tar, description } of kept.map(stored)) {
      const found = await run(suite, unpackTar(tar), description);
      assert.deepEqual(found, wanted(description), name);
    }
  });

  test("objects that come in tiny pieces are judged the same", async () => {
    for (const { name, tar, description } of kept.map(stored)) {
      const pieceLength = tar.length > 100_000 ? 997 : 7;
      const found = await run(nativeSuite, unpackTar(tar), description, pieceLength);
      assert.deepEqual(found, wanted(description), name);
    }
  });

  test("every code that a walk can give is expected by some vector", () => {
    const seen = new Set(
      kept.flatMap((name) => stored(name).description.findings).map((f) => f.code),
    );
    const missing = Object.keys(findingClasses).filter((code) => !seen.has(code));
    assert.deepEqual(missing, []);
  });
});
