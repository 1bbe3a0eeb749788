// Files that a source means and nobody seals are told everywhere, and keep nobody from being ready.

import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.ts";

interface Told {
  readonly ready: boolean;
  readonly files: unknown;
  readonly outside: unknown;
  readonly empty: unknown;
}

async function told(world: World): Promise<Told> {
  const url = world.agent?.operationsUrl ?? "";
  const ready = await fetch(`${url}/readyz`);
  const { checks } = (await ready.json()) as { checks: { files: unknown } };
  const status = await fetch(`${url}/status`);
  const { search } = (await status.json()) as { search: Pick<Told, "outside" | "empty"> };
  const { outside, empty } = search;
  return { ready: ready.ok, files: checks.files, outside, empty };
}

/** Of a source's gauge. */
async function gauge(world: World, name: string, source = "app"): Promise<number> {
  const text = await (await fetch(`${world.agent?.operationsUrl}/metrics`)).text();
  const found = new RegExp(`^sealtail_agent_${name}\\{source="${source}"\\} (\\d+)$`, "m").exec(
    text,
  );
  return Number(found?.[1]);
}

test("files outside the grant are in status, readyz and a metric, and wait for a grant that covers them", async () => {
  await using world = await World.make({ globs: ["/logs/a.log"] });
  world.files.append("/logs/a.log", "a\n");
  world.files.append("/logs/b.log", "b\n");
  await world.start();
  await world.caughtUp();
  const outside = [{ path: "/logs/b.log", source: "app" }];
  const files = "some files are outside the grant";
  await world.until(async () => (await told(world)).files !== true);
  assert.deepEqual(await told(world), { ready: true, files, outside, empty: [] });
  assert.equal(await gauge(world, "source_outside_grant_files"), 1);
  assert.equal(await gauge(world, "source_files"), 1);
  await world.stop();
  // docs/operating/recover.md, "Files outside the grant".
  await world.newGrant();
  const unused = (): boolean =>
    world.diag.lines.some(({ fields }) => fields["code"] === "grant-unused");
  assert.equal(unused(), false);
  await world.start();
  await world.caughtUp();
  // A wider grant alone changes nothing, and the agent says so.
  assert.equal(unused(), true);
  assert.deepEqual((await told(world)).outside, outside);
  await world.stop();
  await world.files.unlink(`${world.dir}/chains/0000/grant`);
  await world.start();
  await world.caughtUp();
  assert.deepEqual(await told(world), { ready: true, files: true, outside: [], empty: [] });
  assert.equal(await gauge(world, "source_outside_grant_files"), 0);
  await world.stop();
  const { bytes, gaps, findings } = await world.verify();
  assert.equal(bytes.get("/logs/a.log#0"), "a\n");
  assert.equal(bytes.get("/logs/b.log#0"), "b\n");
  assert.deepEqual(gaps, []);
  assert.ok(findings.some(({ code }) => code === "CHAIN_REPLACED"));
});

test("a source without a file is in status, readyz and a metric, until one comes", async () => {
  const typo = {
    name: "typo",
    include: ["/lgos/*.log"],
    exclude: [],
    start_at: "beginning",
  } as const;
  await using world = await World.make({
    config: (given) => ({ ...given, sources: [...given.sources, typo] }),
  });
  world.files.append("/logs/a.log", "a\n");
  await world.start();
  await world.caughtUp();
  const files = "a source has no file";
  assert.deepEqual(await told(world), { ready: true, files, outside: [], empty: ["typo"] });
  assert.equal(await gauge(world, "source_files", "typo"), 0);
  assert.deepEqual(
    world.diag.lines.filter(({ fields }) => fields["code"] === "source-empty").length,
    1,
  );
  world.files.append("/lgos/b.log", "b\n");
  await world.until(async () => (await told(world)).files === true);
  assert.equal(await gauge(world, "source_files", "typo"), 1);
  await world.stop();
});
