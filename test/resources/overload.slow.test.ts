// One file written as fast as possible beside a thousand slow ones, rotated meanwhile.

import { test } from "node:test";
import { overload } from "./overload.ts";

const MiB = 1024 * 1024;

test("no line of a slow file waits for two seconds because of a hot one", async (t) => {
  await overload(t, { seconds: 6, maxBytes: 600 * MiB, rotateBytes: 150 * MiB }, 1000);
});
