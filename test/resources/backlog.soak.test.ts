import { test } from "node:test";
import { backlog } from "./backlog.ts";
import { has } from "./machine.ts";

test("ten gigabytes of log that were there before are sealed, verified and read in 256 MiB", async (t) => {
  if (!has(t, "memory-group")) return;
  await backlog(t, 10 * 1024 * 1024 * 1024);
});
