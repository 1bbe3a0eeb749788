// Whose turn it is, and who holds a descriptor, when there are more files than either.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openFilesOf } from "../../src/agent/tailing.ts";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const names = Array.from({ length: 20 }, (_, at) => `/log/${at}.log`);

test("a file is opened once for its declaration and its bytes, however few may be open", async () => {
  const files = new FakeFiles();
  files.put("/log/.keep", "");
  for (const name of names) files.put(name, `line of ${name}\n`);
  let opened = 0;
  files.hook = (call, path) => {
    if (call === "open" && String(path).endsWith(".log")) opened += 1;
  };
  const limits = { clock: new AutoClock(), include: ["/log/*.log"], maxOpenFiles: 2 };
  const reader = await Reader.start({ files, ...limits });
  await reader.pull();
  assert.equal(reader.lines().length, names.length);
  assert.ok(opened <= names.length + 2, `opened ${opened} times`);
});

test("a hot file gets one share while each other one that is ready gets its turn", async () => {
  const files = new FakeFiles();
  files.put("/log/hot.log", "a hot line\n".repeat(500_000));
  const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
  for (let span = 0; span < 3; ) if (await reader.step()) span = reader.spans.length;
  for (const name of names) files.put(name, "a slow line\n");
  await reader.tail.wait(3_000);
  const before = reader.spans.length;
  const slow = (): number => reader.spans.filter(({ path }) => path !== "/log/hot.log").length;
  while (slow() < names.length) assert.ok(await reader.step());
  const hot = reader.spans.length - before - names.length;
  assert.ok(hot <= 2, `${hot} shares of the hot file between the slow ones`);
});

test("the agent leaves itself descriptors, and holds no more files than memory is for", () => {
  assert.equal(openFilesOf(1024), 924);
  assert.equal(openFilesOf(1_048_576), 2048);
  assert.equal(openFilesOf(64), 8);
});
