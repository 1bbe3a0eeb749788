// The same for a minute, with as much as the disk takes.

import { test } from "node:test";
import { overload } from "./overload.ts";

const MiB = 1024 * 1024;

test("a file that grows faster than it can be read for a minute is caught up with, and no line is late", async (t) => {
  await overload(t, { seconds: 60, maxBytes: 20_000 * MiB, rotateBytes: 2000 * MiB }, 1000);
});
