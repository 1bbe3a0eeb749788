// What the configured sources mean and nobody seals is told, as long as it is so.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const source = (name: string, ...include: string[]) => {
  return { name, include, exclude: [], startAt: "beginning" as const };
};

test("files outside the grant are named, counted and said once, until the grant covers them", async () => {
  const [files, clock] = [new FakeFiles(), new AutoClock()];
  for (const name of ["a", "b", "c"]) files.put(`/log/${name}.log`, `${name}\n`);
  const scope = (path: string): boolean => path === "/log/a.log";
  const reader = await Reader.start({ files, clock, include: ["/log/*.log"], scope });
  await reader.pullFor(60_000);
  assert.deepEqual([...reader.lines()], ["a"]);
  const outside = ["/log/b.log", "/log/c.log"].map((path) => ({ path, source: "app" }));
  assert.deepEqual(reader.tail.search().outside, outside);
  assert.equal(reader.tail.stats().get("app")?.outsideGrant, 2);
  assert.equal(reader.tail.stats().get("app")?.files, 1);
  assert.deepEqual(reader.tail.search().empty, []);
  const said = reader.diag.lines.filter(({ fields }) => fields["code"] === "outside-grant");
  assert.deepEqual(
    said.map(({ level, fields }) => [level, fields["path"], fields["source"]]),
    outside.map(({ path }) => ["error", path, "app"]),
  );
  // One that comes later is told of as well.
  files.put("/log/d.log", "d\n");
  await reader.pullFor(60_000);
  assert.equal(reader.tail.stats().get("app")?.outsideGrant, 3);
  const resume = [...reader.resume()];
  await reader.tail.goOn({ resume, firstStart: false, scope: () => true });
  await reader.pullFor(60_000);
  assert.deepEqual(reader.tail.search().outside, []);
  assert.equal(reader.tail.stats().get("app")?.outsideGrant, 0);
  assert.deepEqual([...reader.lines()].sort(), ["a", "b", "c", "d"]);
});

test("a sweep that is under way takes nothing back of what the last one saw", async () => {
  const [files, clock] = [new FakeFiles(), new AutoClock()];
  files.put("/log/a.log", "a\n");
  const scope = (): boolean => false;
  const reader = await Reader.start({ files, clock, include: ["/log/*.log"], scope });
  const seen = new Set<number | undefined>();
  files.hook = () => {
    seen.add(reader.tail.stats().get("app")?.outsideGrant);
  };
  await reader.pullFor(60_000);
  assert.deepEqual([...seen], [1]);
});

test("a source without a file is said once, and again after it had one", async () => {
  const [files, clock] = [new FakeFiles(), new AutoClock()];
  files.put("/log/a.log", "a\n");
  const sources = [source("app", "/log/*.log"), source("typo", "/lgo/*.log", "/log/*.txt")];
  const reader = await Reader.start({ files, clock, sources });
  const said = (): unknown[] => {
    const lines = reader.diag.lines.filter(({ fields }) => fields["code"] === "source-empty");
    return lines.map(({ level, fields }) => [level, fields["source"]]);
  };
  await reader.pullFor(60_000);
  assert.deepEqual(reader.tail.search().empty, ["typo"]);
  assert.deepEqual(said(), [["info", "typo"]]);
  files.put("/log/b.txt", "b\n");
  await reader.pullFor(60_000);
  assert.deepEqual(reader.tail.search().empty, []);
  await files.unlink("/log/b.txt");
  await reader.pullFor(3_600_000);
  assert.deepEqual(reader.tail.search().empty, ["typo"]);
  assert.deepEqual(said(), [
    ["info", "typo"],
    ["info", "typo"],
  ]);
});

test("a source whose file came while the agent was away is not said to be without one", async () => {
  const [files, clock] = [new FakeFiles(), new AutoClock()];
  files.put("/log/a.log", "a\n");
  const sources = [source("app", "/log/*.log"), source("late", "/late/*.log")];
  const reader = await Reader.start({ files, clock, sources });
  await reader.pullFor(5_000);
  await reader.tail.close();
  files.put("/late/b.log", "b\n");
  await files.unlink("/log/a.log");
  const before = reader.diag.lines.length;
  await reader.open();
  await reader.pullFor(1_000);
  const later = reader.diag.lines.slice(before).map(({ fields }) => fields["source"]);
  assert.ok(!later.includes("late"), `${later}`);
});
