// The image as it would be published: built from the Dockerfile, run as a cluster would run it.

import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { projectRoot } from "../meta/source-text.ts";
import { appImage, Images, imageTools, imageToolsFrom } from "./images.ts";
import { lacking } from "./machine.ts";

const skip = lacking(imageTools, imageToolsFrom);
const user = 65_532;
const memory = 256;
const artifacts = process.env["SEALTAIL_ARTIFACTS"];
/** Nothing that a pod of the restricted Pod Security Standard would not have. */
const confined = [
  ...["--pull=never", "--network=host", "--read-only"],
  ...["--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"],
  ...[`--memory=${memory}m`, `--memory-swap=${memory}m`, "--pids-limit=100"],
];

let images: Images;
const facts: Record<string, number> = {};

before(async () => {
  if (skip !== false) return;
  images = new Images();
  await images.makeBases();
  const begun = Date.now();
  await images.build();
  facts["buildMs"] = Date.now() - begun;
});

after(async () => {
  if (skip !== false) return;
  await images.podman("rm", "--all", "--force", "--time=0");
  if (artifacts !== undefined) {
    writeFileSync(join(artifacts, "image.json"), `${JSON.stringify(facts, undefined, 2)}\n`);
  }
  images[Symbol.dispose]();
});

/** The image's root as a directory, its links as they are. */
async function unpacked(): Promise<string> {
  const root = join(images.dir, "root");
  mkdirSync(root);
  const name = (await images.podman("create", "--pull=never", appImage)).trim();
  await images.podman("export", "-o", `${root}.tar`, name);
  await images.run("tar", ["-C", root, "-xpf", `${root}.tar`]);
  return root;
}

test("the image starts node as a numeric user, without a shell, and has a health check", {
  skip,
}, async () => {
  const [{ Config: config, Healthcheck: healthCheck }] = JSON.parse(
    await images.podman("inspect", appImage),
  );
  assert.equal(config.User, "65532:65532");
  assert.deepEqual(config.Entrypoint, ["/usr/local/bin/node", "/app/dist/cli/bin.js"]);
  assert.equal(healthCheck.Test[0], "CMD");
  assert.match(config.Env.join(" "), /--max-old-space-size=96 --max-semi-space-size=8/);
  const { version } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
  assert.equal(config.Labels["org.opencontainers.image.version"], version);
  for (const label of ["title", "description", "licenses", "revision"]) {
    assert.ok(config.Labels[`org.opencontainers.image.${label}`], label);
  }
});

test("the image holds node, the built program and its dependencies, all root's, and no more", {
  skip,
}, async () => {
  const root = await unpacked();
  const list = await images.run("find", [root, "-xdev", "-printf", "%P\\t%y\\t%m\\t%U\\n"]);
  const files = list
    .trim()
    .split("\n")
    .map((line) => line.split("\t"));
  const names = files.map(([name = ""]) => name);
  for (const tool of ["sh", "bash", "npm", "npx", "corepack", "apt", "tsc"]) {
    assert.deepEqual(
      names.filter((name) => name.split("/").at(-1) === tool),
      [],
      tool,
    );
  }
  const own = files.filter(([name = ""]) => /^(?:app|usr\/local)(?:\/|$)/.test(name));
  const open = own.filter(
    ([, kind, mode = "0", owner]) =>
      owner !== "0" || (kind !== "l" && Number.parseInt(mode, 8) & 0o022),
  );
  assert.deepEqual(open, []);
  assert.deepEqual(
    names.filter(
      (name) =>
        /^app\/(?:src|test|docs)(?:\/|$)|(?<!\.d)\.ts$/.test(name) && name.startsWith("app/dist"),
    ),
    [],
  );
  const lock = JSON.parse(readFileSync(join(projectRoot, "package-lock.json"), "utf8")).packages;
  const wanted = Object.keys(lock).filter(
    (path) => path !== "" && lock[path].dev !== true && lock[path].devOptional !== true,
  );
  const there = names.flatMap(
    (name) =>
      /^app\/(node_modules\/(?:@[^/]+\/)?[^/@.]+[^/]*)\/package\.json$/.exec(name)?.[1] ?? [],
  );
  assert.deepEqual(
    there.filter((path) => lock[path]?.dev === true),
    [],
  );
  assert.deepEqual(
    wanted.filter(
      (path) =>
        !there.includes(path) &&
        lock[path].optional !== true &&
        !path.includes("/node_modules/", 1),
    ),
    [],
  );
  // Its bill of materials names the same packages, and node.
  const text = readFileSync(join(root, "app/sbom.cdx.json"), "utf8");
  const bill = JSON.parse(text);
  const listed = bill.components.map(
    ({ name, version }: Record<string, string>) => `${name}@${version}`,
  );
  const installed = there.map(
    (path) => `${path.slice("node_modules/".length)}@${lock[path].version}`,
  );
  assert.equal(bill.bomFormat, "CycloneDX");
  assert.deepEqual(listed.sort(), [...installed, `node@${process.versions.node}`].sort());
  if (artifacts !== undefined) writeFileSync(join(artifacts, "sbom.cdx.json"), text);
  const archive = join(images.dir, "image.tar");
  await images.podman("save", "--format=oci-archive", "-o", archive, appImage);
  facts["compressedBytes"] = statSync(archive).size;
  facts["unpackedBytes"] = Number(await images.podman("inspect", "--format={{.Size}}", appImage));
  assert.ok(facts["compressedBytes"] < 80e6, `${facts["compressedBytes"]} bytes compressed`);
});

interface Place {
  readonly dir: string;
  readonly ports: Record<"api" | "vaultOps" | "agentOps", number>;
  lines: string[];
}

/** Runs the image once, with /work as its one writable directory. */
async function tool(dir: string, ...words: string[]): Promise<string> {
  return images.podman(
    "run",
    "--rm",
    ...confined,
    "-v",
    `${dir}:/work`,
    "-w",
    "/work",
    appImage,
    ...words,
  );
}

async function freePorts(): Promise<Place["ports"]> {
  const servers = await Promise.all(
    [0, 1, 2].map(
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const [api = 0, vaultOps = 0, agentOps = 0] = servers.map(
    (server) => (server.address() as { port: number }).port,
  );
  for (const server of servers) server.close();
  return { api, vaultOps, agentOps };
}

async function prepare(): Promise<Place> {
  const dir = join(images.dir, "work");
  for (const name of ["", "logs", "vault", "agent"]) {
    mkdirSync(join(dir, name));
    chownSync(join(dir, name), user, user);
  }
  const key = (name: string, file: string): Promise<string> =>
    tool(dir, "key", "new", name, "-o", file, "--no-passphrase");
  await key("root", "root.key");
  await key("vault.test", "vault.key");
  await key("vault.test/time", "vault-time.key");
  const terms = ["--subject", "shop", "--audience", "vault.test", "-o", "grant.txt"];
  await tool(dir, "grant", "new", "--root", "root.key", ...terms);
  const line = (file: string): string => readFileSync(join(dir, file), "utf8").trim();
  const ports = await freePorts();
  writeFileSync(
    join(dir, "vault.yaml"),
    `version: 1
name: vault.test
state_dir: vault/state
keys: { receipt: vault.key, time: vault-time.key }
listen: 127.0.0.1:${ports.api}
store: { type: dir, path: vault/store }
trust: { root_keys: ["${line("root.key.pub")}"] }
metrics: { listen: "127.0.0.1:${ports.vaultOps}" }
`,
  );
  writeFileSync(
    join(dir, "agent.yaml"),
    `version: 1
name: shop
state_dir: agent/state
sources: [{ name: app, include: ["logs/*.log"] }]
sink: { url: "http://127.0.0.1:${ports.api}" }
trust: { vault_keys: ["${line("vault.key.pub")}", "${line("vault-time.key.pub")}"] }
grant: { file: grant.txt, key: grant.txt.key }
metrics: { listen: "127.0.0.1:${ports.agentOps}" }
diagnostics: { termination_message: agent/message }
`,
  );
  return { dir, ports, lines: [] };
}

/** Starts the image in the background; how long until /startupz, in ms. */
async function start(place: Place, name: "vault" | "agent", port: number): Promise<number> {
  const logs = name === "agent" ? ["-v", `${place.dir}/logs:/work/logs:ro`] : [];
  const begun = Date.now();
  await images.podman(
    ...["run", "-d", "--name", name, ...confined, "-v", `${place.dir}:/work`, ...logs],
    ...[
      "-e",
      `SEALTAIL_HEALTH=127.0.0.1:${port}`,
      appImage,
      name,
      "--config",
      `/work/${name}.yaml`,
    ],
  );
  for (let i = 0; i < 600; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/startupz`).catch(() => undefined);
    if (answer?.ok === true) return Date.now() - begun;
    await pause(20);
  }
  throw new Error(`${name} did not start: ${await images.podman("logs", name)}`);
}

const residentBytes = async (port: number): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
};

function write(place: Place, count: number): void {
  const lines = Array.from(
    { length: count },
    (_, i) => `${place.lines.length + i} ${"x".repeat(180)}`,
  );
  appendFileSync(join(place.dir, "logs/app.log"), `${lines.join("\n")}\n`);
  place.lines.push(...lines);
}

test("agent and vault in two containers, read-only and without any right, seal, drain and verify", {
  skip,
}, async () => {
  const place = await prepare();
  const { dir, ports } = place;
  facts["vaultStartMs"] = await start(place, "vault", ports.vaultOps);
  facts["agentStartMs"] = await start(place, "agent", ports.agentOps);
  await images.podman("healthcheck", "run", "agent");
  await images.podman("healthcheck", "run", "vault");
  for (let i = 0; i < 40; i++) {
    write(place, 5000);
    await pause(50);
  }
  facts["agentResidentBytes"] = await residentBytes(ports.agentOps);
  facts["vaultResidentBytes"] = await residentBytes(ports.vaultOps);
  write(place, 1);
  // The process is the container's first: nothing passes signals on, nothing ignores them.
  const begun = Date.now();
  await images.podman("stop", "--time=30", "agent");
  facts["agentStopMs"] = Date.now() - begun;
  const ended = JSON.parse(await images.podman("inspect", "agent"))[0].State;
  assert.deepEqual(
    [ended.ExitCode, ended.OOMKilled],
    [0, false],
    await images.podman("logs", "agent"),
  );
  assert.match(readFileSync(join(dir, "agent/message"), "utf8"), /^stopped; nothing left unsent; /);
  const url = `http://127.0.0.1:${ports.api}`;
  const keys = [
    "--root",
    "root.key.pub",
    "--vault-key",
    "vault.key.pub",
    "--vault-key",
    "vault-time.key.pub",
  ];
  await tool(dir, "verify", url, ...keys);
  await images.podman("stop", "--time=30", "vault");
  assert.equal(JSON.parse(await images.podman("inspect", "vault"))[0].State.ExitCode, 0);
  // The same from the store alone, byte for byte.
  const sealed = await tool(dir, "lines", "vault/store", "shop", "--raw", ...keys);
  assert.equal(sealed, `${place.lines.join("\n")}\n`);
});

test("nothing in the container can be written but what was given to it", { skip }, async () => {
  const dir = join(images.dir, "probe");
  mkdirSync(dir);
  chmodSync(dir, 0o755);
  const script = `
    const { readFileSync, writeFileSync } = require("fs");
    const can = (path) => {
      try {
        writeFileSync(path, "");
        return true;
      } catch {
        return false;
      }
    };
    console.log(JSON.stringify({
      uid: process.getuid(),
      ...{ app: can("/app/x"), tmp: can("/tmp/x"), root: can("/x"), given: can("/work/x") },
      caps: /CapBnd:\\s+(\\S+)/.exec(readFileSync("/proc/self/status", "utf8"))[1],
      heap: require("v8").getHeapStatistics().heap_size_limit,
    }));`;
  chownSync(dir, user, user);
  const words = [
    "run",
    "--rm",
    ...confined,
    "-v",
    `${dir}:/work`,
    "--entrypoint",
    "/usr/local/bin/node",
  ];
  const { heap, ...rest } = JSON.parse(await images.podman(...words, appImage, "-e", script));
  const nothing = { app: false, tmp: false, root: false };
  assert.deepEqual(rest, { uid: user, ...nothing, given: true, caps: "0000000000000000" });
  // What is left of the memory is for buffers outside of the heap.
  assert.ok(heap < 0.6 * memory * 2 ** 20, `${heap} bytes of heap`);
});
