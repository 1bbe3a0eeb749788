// The agent beside an app: by named templates, by the snippet, by kustomize; all say the same.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { CommandDir } from "../cli/command.ts";
import { projectRoot } from "../meta/source-text.ts";
import {
  configIn,
  judge,
  kustomize,
  type Manifest,
  manifests,
  nonconformity,
  only,
  podsIn,
  render,
  Shop,
  noHelm as skip,
} from "./helm.ts";

const names = (list: readonly Manifest[] = []): string[] => list.map(({ name }) => name);

async function shopPod(...settings: string[]): Promise<Manifest> {
  using shop = new Shop();
  const found = manifests(await shop.render(...settings));
  // The chart's own objects are switched off: nothing but the app is there.
  assert.equal(found.length, 1);
  return podsIn(found)[0] as Manifest;
}

test("one line puts the agent before everything of the app, and gives the app its volume", {
  skip,
}, async () => {
  const { metadata, spec } = await shopPod();
  assert.deepEqual(names(spec.initContainers), ["sealtail-agent", "migrate"]);
  assert.equal(spec.initContainers[0].restartPolicy, "Always");
  assert.deepEqual(names(spec.containers), ["app", "proxy"]);
  assert.deepEqual(spec.containers[0].volumeMounts, [
    { name: "app-logs", mountPath: "/var/log/app" },
  ]);
  assert.equal(spec.containers[1].volumeMounts, undefined);
  assert.equal(spec.securityContext.fsGroup, 65_532);
  assert.equal(spec.securityContext.runAsNonRoot, true);
  // The app's own 15 s, 20 s for the drain, and 10 s.
  assert.equal(spec.terminationGracePeriodSeconds, 45);
  assert.deepEqual(metadata.labels, { app: "shop", "sealtail.dev/agent": "true" });
});

test("classic is a container that outlives the app's SIGTERM by a pause", { skip }, async () => {
  const { spec } = await shopPod("sealtail.sidecar.mode=classic");
  assert.deepEqual(names(spec.initContainers), ["migrate"]);
  assert.deepEqual(names(spec.containers), ["app", "proxy", "sealtail-agent"]);
  const { lifecycle, restartPolicy } = spec.containers[2];
  assert.equal(restartPolicy, undefined);
  assert.deepEqual(lifecycle, { preStop: { sleep: { seconds: 10 } } });
  assert.equal(spec.terminationGracePeriodSeconds, 55);
});

test("parts that stand where they belong come to the same as the one line", { skip }, async () => {
  for (const mode of ["native", "classic"]) {
    const setting = `sealtail.sidecar.mode=${mode}`;
    const [whole, parts] = [await shopPod(setting), await shopPod(setting, "style=parts")];
    const agentOf = ({ spec }: Manifest): Manifest =>
      [...spec.initContainers, ...spec.containers].find(({ name }) => name === "sealtail-agent");
    assert.deepEqual(agentOf(parts), agentOf(whole));
    assert.deepEqual(parts["spec"].volumes, whole["spec"].volumes);
    assert.deepEqual(parts["metadata"].labels, whole["metadata"].labels);
    assert.equal(configIn(parts, "agent").trim(), configIn(whole, "agent").trim());
    const grace = "terminationGracePeriodSeconds";
    assert.equal(parts["spec"][grace], whole["spec"][grace]);
  }
});

test("a state that stays with the pod's owner keeps its chain over a stop", { skip }, async () => {
  const { metadata, spec } = await shopPod(
    ...[
      "ownState=true",
      "sealtail.sidecar.state.type=volume",
      "sealtail.sidecar.state.volume=data",
    ],
  );
  assert.equal(parse(metadata.annotations["sealtail.dev/agent.yaml"]).drain.final, false);
  const mounts = spec.initContainers[0].volumeMounts;
  assert.ok(mounts.some(({ name }: Manifest) => name === "data"));
  assert.equal(names(spec.volumes).filter((name) => name === "data").length, 1);
});

test("the snippet and the template make the same container, volumes and configuration", {
  skip,
}, async () => {
  using shop = new Shop();
  using dir = new CommandDir();
  const values = parse(
    await (await import("node:fs/promises")).readFile(join(shop.dir, "values.yaml"), "utf8"),
  ).sealtail;
  const [key = "", time = ""] = values.trust.vaultKeys;
  for (const mode of ["native", "classic"]) {
    const { code, out } = await dir.quick([
      ...["k8s", "snippet", "--name", "shop", "--mode", mode],
      ...["--image", "registry.example/audit/sealtail:0.1.0", "--vault", values.sidecar.vault.url],
      ...["--vault-key", key, "--vault-key", time, "--ca-secret", "vault-ca"],
      ...["--grant-secret", "shop-grant", "--app-grace", "15"],
    ]);
    assert.equal(code, 0);
    const said = parse(out);
    const { metadata, spec } = podsIn(
      manifests(await shop.render(`sealtail.sidecar.mode=${mode}`)),
    )[0] as Manifest;
    const [container] = said.initContainers ?? said.extraContainers;
    const { imagePullPolicy, ...rendered } = [...spec.initContainers, ...spec.containers].find(
      ({ name }) => name === "sealtail-agent",
    );
    assert.equal(imagePullPolicy, "IfNotPresent");
    assert.deepEqual(container, rendered);
    const byName = (list: Manifest[]): Manifest[] =>
      list.toSorted((a, b) => (a["name"] < b["name"] ? -1 : 1));
    assert.deepEqual(byName(said.extraVolumes), byName(spec.volumes));
    assert.deepEqual(said.extraVolumeMounts, spec.containers[0].volumeMounts);
    const annotation = "sealtail.dev/agent.yaml";
    assert.deepEqual(
      parse(said.podAnnotations[annotation]),
      parse(metadata.annotations[annotation]),
    );
    assert.deepEqual(said.podLabels, {
      "sealtail.dev/agent": metadata.labels["sealtail.dev/agent"],
    });
    assert.equal(said.podSecurityContext.fsGroup, spec.securityContext.fsGroup);
    assert.equal(said.terminationGracePeriodSeconds, spec.terminationGracePeriodSeconds);
  }
});

test("the kustomize component makes the same pod of a labelled one, and leaves others alone", {
  skip,
}, async () => {
  const dir = mkdtempSync(join(tmpdir(), "sealtail-kustomize-"));
  try {
    const owner = (kind: string, name: string, labels: string): string => `
apiVersion: ${kind === "Job" ? "batch/v1" : "apps/v1"}
kind: ${kind}
metadata: { name: ${name}, labels: { ${labels} } }
spec:
  ${kind === "Job" ? "" : `selector: { matchLabels: { app: ${name} } }`}
  ${kind === "StatefulSet" ? `serviceName: ${name}` : ""}
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      ${kind === "Job" ? "restartPolicy: Never" : ""}
      initContainers: [{ name: migrate, image: shop }]
      containers: [{ name: app, image: shop }]
`;
    const wanted = 'sealtail.dev/sidecar: "true"';
    const kinds = ["Deployment", "StatefulSet", "DaemonSet", "Job"];
    const all = [
      ...kinds.map((kind) => owner(kind, kind.toLowerCase(), wanted)),
      owner("Deployment", "other", "app: other"),
    ];
    writeFileSync(join(dir, "app.yaml"), all.join("---"));
    writeFileSync(join(dir, "agent.yaml"), "version: 1\n");
    const component = relative(dir, join(projectRoot, "helm/kustomize/sidecar"));
    writeFileSync(
      join(dir, "kustomization.yaml"),
      `resources: [app.yaml]
components: [${component}]
images: [{ name: sealtail, newName: registry.example/audit/sealtail, newTag: 0.1.0 }]
configMapGenerator: [{ name: sealtail-agent, files: [agent.yaml] }]
`,
    );
    const text = await kustomize(dir);
    for (const which of ["oldest", "newest"] as const) {
      assert.equal(await nonconformity(text, which), "");
    }
    const found = manifests(text);
    const map = only(found, "ConfigMap")["metadata"].name;
    const { imagePullPolicy: _, ...fromHelm } = (
      await shopPod("sealtail.sidecar.vault.tls.secret=")
    )["spec"].initContainers[0];
    for (const kind of kinds) {
      const [pod] = podsIn(found.filter((each) => each["metadata"].name === kind.toLowerCase()));
      const { metadata, spec } = pod as Manifest;
      assert.deepEqual(names(spec.initContainers), ["sealtail-agent", "migrate"], kind);
      assert.deepEqual(spec.initContainers[0], fromHelm);
      assert.equal(metadata.labels["sealtail.dev/agent"], "true");
      const config = spec.volumes.find(({ name }: Manifest) => name === "sealtail-config");
      assert.equal(config.configMap.name, map);
    }
    const other = podsIn(found.filter((each) => each["metadata"].name === "other"))[0];
    assert.deepEqual(names(other?.["spec"].initContainers), ["migrate"]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("the admission policy refuses labelled pods without our container, and no others", {
  skip,
}, async () => {
  const found = manifests(await render("admission"));
  const policy = only(found, "ValidatingAdmissionPolicy")["spec"];
  assert.deepEqual(policy.matchConstraints.objectSelector.matchLabels, {
    "sealtail.dev/required": "true",
  });
  assert.equal(policy.failurePolicy, "Fail");
  const binding = only(found, "ValidatingAdmissionPolicyBinding")["spec"];
  assert.equal(binding.policyName, only(found, "ValidatingAdmissionPolicy")["metadata"].name);
  const native = await shopPod();
  const classic = await shopPod("sealtail.sidecar.mode=classic");
  const variant = (pod: Manifest, change: (spec: Manifest) => void): Manifest => {
    const copy = structuredClone(pod);
    change(copy["spec"]);
    return copy;
  };
  const cases: readonly (readonly [what: string, pod: Manifest, allowed: boolean])[] = [
    ["native", native, true],
    ["classic", classic, true],
    ["without the agent", variant(native, (spec) => spec["initContainers"].shift()), false],
    ["without init containers", variant(native, (spec) => delete spec["initContainers"]), false],
    [
      "an init container that ends",
      variant(native, (spec) => delete spec["initContainers"][0].restartPolicy),
      false,
    ],
    [
      "another image",
      variant(native, (spec) => {
        spec["initContainers"][0].image = "registry.example/audit/sealtail-not:1";
      }),
      false,
    ],
    [
      "a digest",
      variant(native, (spec) => {
        spec["initContainers"][0].image = "registry.example/audit/sealtail@sha256:0";
      }),
      true,
    ],
    [
      "another name",
      variant(classic, (spec) => {
        spec["containers"][2].name = "agent";
      }),
      false,
    ],
  ];
  const { variables } = policy;
  const validations = policy.validations.map(({ expression }: Manifest) => expression);
  const answers = await judge(cases.map(([, object]) => ({ object, variables, validations })));
  for (const [at, { allowed, why }] of answers.entries()) {
    const [what, , wanted] = cases[at] as (typeof cases)[number];
    assert.deepEqual([allowed, why], [wanted, wanted ? "" : "refused"], what);
  }
});
