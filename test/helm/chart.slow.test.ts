// The chart over all value sets: helm renders what was agreed on, and Kubernetes takes it.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { agentConfig } from "../../src/agent/config.ts";
import { loadConfig } from "../../src/host/config.ts";
import { vaultConfig } from "../../src/vault/config.ts";
import {
  chart,
  configIn,
  helm,
  judge,
  type Manifest,
  manifests,
  nonconformity,
  notes,
  podsIn,
  render,
  Shop,
  noHelm as skip,
  ValuesFile,
  valueSets,
} from "./helm.ts";

const golden = join(import.meta.dirname, "golden");
const podVariables = { POD_NAME: "p", POD_UID: "u", POD_NAMESPACE: "n", NODE_NAME: "node" };

/** How an app's chart may carry an agent: name of the render, and values. */
const shops: readonly (readonly [name: string, settings: readonly string[]])[] = [
  ["sidecar-native", []],
  ["sidecar-classic", ["sealtail.sidecar.mode=classic"]],
  ["sidecar-parts", ["style=parts"]],
  ["sidecar-parts-classic", ["style=parts", "sealtail.sidecar.mode=classic"]],
  [
    "sidecar-own-state",
    [
      ...["ownState=true", "sealtail.sidecar.state.type=volume"],
      ...["sealtail.sidecar.state.volume=data", "sealtail.sidecar.logs.containers={app,proxy}"],
    ],
  ],
  ["sidecar-job", ["kind=Job"]],
];

/** Value sets without HTTPS. */
const plainOnes = ["vault-trial", "test-hook-made-secret"];

const renders = new Map<string, string>();
async function allRenders(): Promise<Map<string, string>> {
  if (renders.size > 0) return renders;
  for (const set of valueSets()) renders.set(set, await render(set));
  using shop = new Shop();
  for (const [name, settings] of shops) renders.set(name, await shop.render(...settings));
  return renders;
}

/** Rules and dashboards are compared with their sources elsewhere: here their place is enough. */
function withoutCopies(text: string): string {
  return text
    .replace(/(kind: PrometheusRule\n(?:.*\n)*?spec:\n {2}groups:\n)(?: {4}.*\n?)*/g, "$1    # …\n")
    .replace(/^( {2}[a-z-]+\.json: \|-\n)(?: {4}.*\n?)*/gm, "$1    # …\n");
}

test("every value set renders to what was agreed on; UPDATE_GOLDEN=1 writes what it is now", {
  skip,
}, async () => {
  const all = await allRenders();
  assert.ok(all.size >= 18);
  for (const [name, text] of all) {
    const path = join(golden, `${name}.yaml`);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, withoutCopies(text));
    assert.equal(withoutCopies(text), readFileSync(path, "utf8"), name);
  }
  const there = readdirSync(golden).map((name) => basename(name, ".yaml"));
  assert.deepEqual(there.sort(), [...all.keys()].sort());
});

test("helm's own lint finds nothing, for any value set", { skip }, async () => {
  for (const set of valueSets()) {
    using values = new ValuesFile(set);
    const { ok, text } = await helm("lint", "--strict", chart, "-f", values.path);
    assert.ok(ok, `${set}: ${text}`);
  }
});

test("every object is one that the oldest and the newest Kubernetes know, to the last field", {
  skip,
}, async () => {
  for (const which of ["oldest", "newest"] as const) {
    const all = [...(await allRenders()).values()].filter((text) => manifests(text).length > 0);
    assert.equal(await nonconformity(all.join("\n---\n"), which), "", which);
    // The judge is awake: a field that nobody knows, and one that came later.
    const text = (await allRenders()).get("vault") ?? "";
    const wrong = text.replace("automountServiceAccountToken: false", "automountToken: false");
    assert.match(await nonconformity(wrong, which), /automountToken/);
  }
});

test("every configuration that the chart makes is one that the program loads, without a warning", {
  skip,
}, async () => {
  let judged = 0;
  for (const [name, text] of await allRenders()) {
    const found = manifests(text);
    const inMaps = found.flatMap((each) => each["data"]?.["agent.yaml"] ?? []);
    for (const pod of podsIn(found)) {
      const { annotations = {} } = pod["metadata"];
      for (const key of Object.keys(annotations).filter((each) => each.endsWith(".yaml"))) {
        const { warnings } = key.includes("vault")
          ? await loadConfig(vaultConfig, annotations[key], name, podVariables)
          : await loadConfig(agentConfig, annotations[key], name, podVariables);
        const told = warnings.map(({ message }) => message).filter((each) => !/^access/.test(each));
        assert.equal(told.length, plainOnes.includes(name) ? 1 : 0, `${name}: ${told}`);
        judged += 1;
      }
    }
    for (const config of inMaps) {
      await loadConfig(agentConfig, config, name, podVariables);
      judged += 1;
    }
  }
  assert.ok(judged > 20, `${judged} configurations`);
});

test("every pod passes the restricted Pod Security Standard, but those that mount their node", {
  skip,
}, async () => {
  const nodeOnes = new Set(["daemonset", "daemonset-node-state", "agents-only"]);
  for (const [name, text] of await allRenders()) {
    const pods = podsIn(manifests(text));
    const judgements = await judge(pods.map((pod) => ({ pod })));
    for (const [at, { allowed, why }] of judgements.entries()) {
      const pod = pods[at] as Manifest;
      const onNode = nodeOnes.has(name) && configOfAgent(pod);
      if (!onNode) assert.ok(allowed, `${name}: ${why}`);
      // Nothing else of it is out of the standard, unless values asked for root.
      else if (name === "daemonset") assert.match(why, /^restricted volume types \(/);
    }
    // The judge is awake.
    const [pod] = pods;
    if (pod === undefined) continue;
    pod["spec"].containers[0].securityContext.allowPrivilegeEscalation = true;
    assert.equal((await judge([{ pod }]))[0]?.allowed, false);
  }
});

function configOfAgent(pod: Manifest): boolean {
  return (
    configIn(pod, "agent") !== undefined &&
    pod["spec"].containers.some(({ name }: Manifest) => name === "sealtail-agent")
  );
}

test("every mount has its volume, every port its name, and no secret is readable by others", {
  skip,
}, async () => {
  for (const [name, text] of await allRenders()) {
    for (const { spec } of podsIn(manifests(text))) {
      const claims = manifests(text).flatMap((each) => each["spec"]?.volumeClaimTemplates ?? []);
      const volumes = [
        ...(spec.volumes ?? []).map((each: Manifest) => each["name"]),
        ...claims.map((each: Manifest) => each["metadata"].name),
      ];
      for (const { volumeMounts = [], ports = [] } of [
        ...(spec.initContainers ?? []),
        ...spec.containers,
      ]) {
        for (const mount of volumeMounts)
          assert.ok(volumes.includes(mount.name), `${name}: ${mount.name}`);
        for (const port of ports) assert.match(port.name, /^[a-z0-9-]{1,15}$/);
      }
      assert.equal(new Set(volumes).size, volumes.length, name);
      for (const { secret } of spec.volumes ?? []) {
        if (secret !== undefined) assert.equal(secret.defaultMode, 0o440, name);
      }
      assert.notEqual(spec.automountServiceAccountToken, true);
    }
  }
});

test("what is installed ends with the next three commands, and with what to be warned of", {
  skip,
}, async () => {
  for (const set of valueSets()) {
    const text = await notes(set);
    if (set === "disabled") {
      assert.match(text, /Only the named templates/);
      continue;
    }
    const commands = text.match(/^ {3}(?:kubectl|helm|sealtail) .+$/gm) ?? [];
    assert.equal(commands.length, 3, `${set}: ${text}`);
    assert.equal(/WARNING: the store has no volume/.test(text), set === "vault-trial");
    assert.equal(/WARNING: the vault serves no HTTPS/.test(text), plainOnes.includes(set));
  }
});
