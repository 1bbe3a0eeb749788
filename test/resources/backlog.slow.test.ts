import { test } from "node:test";
import { backlog } from "./backlog.ts";
import { has } from "./machine.ts";

test("a gigabyte of log that was there before is sealed, verified and read in 256 MiB", async (t) => {
  if (!has(t, "memory-group")) return;
  await backlog(t, 1024 * 1024 * 1024);
});
