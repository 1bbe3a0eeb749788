import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { failpoint, failpointNames, setFailpointHook } from "../../src/host/failpoint.ts";

const module = new URL("../../src/host/failpoint.ts", import.meta.url).href;

function run(setting: string, hits: number): { signal: string | null; said: string; code: number } {
  const script = `import { failpoint } from ${JSON.stringify(module)};
    import { writeSync } from "node:fs";
    for (let i = 1; i <= ${hits}; i++) { writeSync(1, String(i)); failpoint("seal-after-sync"); }`;
  const env = { ...process.env, SEALTAIL_FAILPOINT: setting };
  const ran = spawnSync(process.execPath, ["--input-type=module", "-e", script], { env });
  return { signal: ran.signal, said: ran.stdout.toString(), code: ran.status ?? -1 };
}

test("the n-th hit of the named failpoint kills the process on the spot", () => {
  assert.deepEqual(run("seal-after-sync:3", 5), { signal: "SIGKILL", said: "123", code: -1 });
  assert.deepEqual(run("seal-after-sync", 5), { signal: "SIGKILL", said: "1", code: -1 });
});

test("other failpoints, and none at all, change nothing", () => {
  assert.equal(run("seal-after-append", 2).said, "12");
  assert.equal(run("", 2).said, "12");
});

test("a failpoint that nobody knows, or a bad count, is refused", () => {
  for (const setting of ["seal-after-snyc", "seal-after-sync:0", "seal-after-sync:x"]) {
    const ran = run(setting, 1);
    assert.deepEqual([ran.said, ran.code], ["", 1]);
  }
});

test("a hook sees every failpoint and may throw", () => {
  const seen: string[] = [];
  setFailpointHook((name) => seen.push(name));
  for (const name of failpointNames) failpoint(name);
  assert.deepEqual(seen, [...failpointNames]);
  setFailpointHook(() => {
    throw new Error("crash");
  });
  assert.throws(() => failpoint("seal-before-append"), /crash/);
  setFailpointHook(undefined);
  failpoint("seal-before-append");
});
