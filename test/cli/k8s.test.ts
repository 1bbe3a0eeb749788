import assert from "node:assert/strict";
import test from "node:test";
import { parse } from "yaml";
import { agentConfig } from "../../src/agent/config.ts";
import { loadConfig } from "../../src/host/config.ts";
import { CommandDir } from "./command.ts";

const words = [
  ...["k8s", "snippet", "--name", "shop", "--image", "registry.example/sealtail:0.1.0"],
  ...["--vault", "https://vault.example:8443", "--grant-secret", "shop-grant"],
  ...["--vault-key", "data/keys/vault.pub", "--vault-key", "data/keys/vault-time.pub"],
];
const pod = { POD_NAME: "shop-1", POD_UID: "u", POD_NAMESPACE: "n", NODE_NAME: "node" };

function madeDir(): CommandDir {
  const dir = new CommandDir();
  dir.keys();
  return dir;
}

test("the snippet is values whose configuration loads and whose mounts all have a volume", async () => {
  using dir = madeDir();
  for (const more of [[], ["--mode", "classic"], ["--ca-secret", "ca"]]) {
    const { code, out } = await dir.quick([...words, ...more]);
    assert.equal(code, 0);
    const values = parse(out);
    const text = values.podAnnotations["sealtail.dev/agent.yaml"];
    const { config, warnings } = await loadConfig(agentConfig, text, "agent.yaml", pod);
    assert.deepEqual(warnings, []);
    assert.equal(config.drain.final, true);
    assert.equal(config.labels["pod"], "shop-1");
    const [container] = values.initContainers ?? values.extraContainers;
    const volumes = values.extraVolumes.map(({ name }: { name: string }) => name).sort();
    const mounts = container.volumeMounts.map(({ name }: { name: string }) => name).sort();
    assert.deepEqual(mounts, volumes);
    const logs = container.volumeMounts.find(({ name }: { name: string }) => name === "app-logs");
    assert.deepEqual(logs, { ...values.extraVolumeMounts[0], readOnly: true });
    // Half of the volume's room or so is the buffer's: over its limit the whole pod is evicted.
    assert.ok(config.buffer.max_bytes <= 0.8 * 1024 * 2 ** 20);
    assert.ok(values.terminationGracePeriodSeconds * 1000 > config.drain.deadline + 30_000);
  }
});

test("native stays as an init container; classic outlives the app's SIGTERM by a pause", async () => {
  using dir = madeDir();
  const native = parse((await dir.quick(words)).out);
  assert.equal(native.initContainers[0].restartPolicy, "Always");
  assert.equal(native.initContainers[0].startupProbe.httpGet.path, "/startupz");
  assert.equal(native.initContainers[0].lifecycle, undefined);
  const classic = parse((await dir.quick([...words, "--mode", "classic"])).out);
  assert.equal(classic.initContainers, undefined);
  assert.equal(classic.extraContainers[0].restartPolicy, undefined);
  const { seconds } = classic.extraContainers[0].lifecycle.preStop.sleep;
  assert.equal(
    classic.terminationGracePeriodSeconds,
    native.terminationGracePeriodSeconds + seconds,
  );
});

test("hooks are called what the chart calls them, also below others", async () => {
  using dir = madeDir();
  const { out } = await dir.quick([
    ...words,
    ...["--containers-key", "controller.extraInitContainers"],
    ...["--volumes-key", "controller.volumes", "--mounts-key", "mounts"],
    ...["--annotations-key", "pod.annotations", "--grace-key", "controller.grace"],
    ...["--labels-key", "pod.labels", "--security-key", "pod.security"],
  ]);
  const values = parse(out);
  assert.deepEqual(Object.keys(values).sort(), ["controller", "mounts", "pod"]);
  assert.deepEqual(Object.keys(values.pod).sort(), ["annotations", "labels", "security"]);
  assert.deepEqual(Object.keys(values.controller).sort(), [
    "extraInitContainers",
    "grace",
    "volumes",
  ]);
});

test("what a pod would stumble over is refused at once", async () => {
  using dir = madeDir();
  for (const [more, code, says] of [
    [["--mode", "auto"], 2, /--mode is auto/],
    [["--room", "1GiB"], 2, /--room is 1GiB/],
    [["--room", "16"], 2, /--room is 16, want 32/],
    [["--drain", "0"], 2, /--drain is 0/],
    [["--vault", "vault.example"], 78, /sink\.url/],
    [["--name", "two words"], 78, /name/],
  ] as const) {
    const ran = await dir.quick([...words, ...more]);
    assert.equal(ran.code, code, more.join(" "));
    assert.match(ran.err, says);
    assert.equal(ran.out, "");
  }
  const single = words.slice(0, -2);
  assert.notEqual((await dir.quick(single)).code, 0);
});
