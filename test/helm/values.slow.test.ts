// What the chart makes of single values, and what it refuses to make.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { rulesSource } from "../meta/chart-files.ts";
import { projectRoot, sourceFiles } from "../meta/source-text.ts";
import {
  configIn,
  type Manifest,
  manifests,
  only,
  podsIn,
  refusal,
  render,
  noHelm as skip,
  valuesOf,
} from "./helm.ts";

/** A copy of a value set with some values changed, by dotted path. */
function changed(set: string, changes: Readonly<Record<string, unknown>>): Manifest {
  const values = valuesOf(set);
  for (const [path, value] of Object.entries(changes)) {
    const steps = path.split(".");
    const last = steps.pop() as string;
    let at = values;
    for (const step of steps) at = at[step] ??= {};
    at[last] = value;
  }
  return values;
}

test("a misspelt or ill-typed value is refused, wherever it stands", { skip }, async () => {
  for (const [path, value] of [
    ["vault.nam", "x"],
    ["vault.tls.existingSecrets", "x"],
    ["vault.persistence.size", "50GB"],
    ["vault.service.port", 70_000],
    ["vault.topologySpread", [{ topologyKey: "zone" }]],
    ["vault.resources.limit", {}],
    ["agent.mode", "native"],
    ["agent.state.type", "memory"],
    ["agent.state.sizeMiB", 16],
    ["agent.drainSeconds", "20s"],
    ["agent.sources", [{ name: "a", include: "/var/log/*.log" }]],
    ["agent.sources", [{ name: "a", includes: [] }]],
    ["agent.hostPaths", [{ name: "a", path: "relative" }]],
    ["sidecar.mode", "auto"],
    ["trust.vaultKeys", ["a private key"]],
    ["image.digest", "0123"],
    ["image.repository", "https://registry.example/x"],
    ["admission.validationActions", ["Refuse"]],
    ["monitoring.serviceMonitor.interval", "often"],
    ["monitoring.rules.disabled", { SealtailChainSilent: "yes" }],
    ["networkPolicy.enabled", "true"],
  ] as const) {
    const why = await refusal(changed("daemonset", { [path]: value }));
    assert.match(why, /don't meet the specifications of the schema/, path);
    assert.ok(why.includes(path.split(".")[0] as string), why);
  }
  // What Helm, or a chart around this one, puts at the top is none of our affair.
  assert.equal(await refusal(changed("daemonset", { global: { a: 1 }, wrapped: true })), "");
});

test("what is missing is told by the name of its value", { skip }, async () => {
  for (const [set, path, says] of [
    ["vault", "image.repository", /image\.repository is empty/],
    ["vault", "vault.name", /vault\.name is empty/],
    ["vault", "trust.rootKeys", /trust\.rootKeys is empty/],
    ["vault", "vault.keys", /vault\.keys: name an existingSecret/],
    ["vault", "vault.tls", /vault\.tls: name an existingSecret/],
    ["daemonset", "trust.vaultKeys", /trust\.vaultKeys needs the vault's two public keys/],
    ["daemonset", "agent.name", /the agent's name is empty/],
    ["daemonset", "agent.sources", /an agent without sources/],
    ["daemonset", "agent.grant", /agent\.grant: name an existingSecret/],
    ["test-hook", "test.grant", /test\.grant: name an existingSecret/],
    ["agents-only", "agent.vault.url", /agent\.vault\.url is empty/],
  ] as const) {
    const values = changed(set, {});
    const steps = path.split(".");
    const last = steps.pop() as string;
    delete steps.reduce((at, step) => at[step], values)[last];
    assert.match(await refusal(values), says, path);
  }
  const hostPath = changed("daemonset", { "agent.state.type": "hostPath" });
  assert.match(await refusal(hostPath), /state\.path is empty/);
  const threshold = changed("monitoring", { "monitoring.rules.thresholds": { lag: 1 } });
  assert.match(await refusal(threshold), /there is no such threshold; known are/);
});

test("a stop ends the chain where the state goes with the pod, and only there", {
  skip,
}, async () => {
  const finals: Record<string, boolean> = {};
  const states = [{ type: "emptyDir" }, { type: "ephemeral" }, { type: "hostPath", path: "/x" }];
  for (const state of states) {
    const text = await render(changed("daemonset", { "agent.state": state }));
    const [pod] = podsIn(manifests(text).filter(({ kind }) => kind === "DaemonSet"));
    const { drain, buffer } = parse(configIn(pod as Manifest, "agent"));
    finals[state.type] = drain.final;
    assert.equal(buffer.max_bytes, "819MiB");
  }
  assert.deepEqual(finals, { emptyDir: true, ephemeral: true, hostPath: false });
});

test("the grace period always leaves room for the whole drain", { skip }, async () => {
  const text = await render(changed("daemonset", { "agent.drainSeconds": 100 }));
  const [pod] = podsIn(manifests(text).filter(({ kind }) => kind === "DaemonSet"));
  assert.equal(pod?.["spec"].terminationGracePeriodSeconds, 110);
  assert.equal(parse(configIn(pod as Manifest, "agent")).drain.deadline, "100s");
});

test("numbers stay numbers, however large", { skip }, async () => {
  const text = await render("vault-everything");
  const [pod] = podsIn(manifests(text));
  assert.equal(pod?.["spec"].containers[0].startupProbe.failureThreshold, 1_500_000);
  const large = await render(changed("daemonset", { "agent.state.sizeMiB": 1_048_576 }));
  const { volumes } = only(manifests(large), "DaemonSet")["spec"].template.spec;
  const state = volumes.find(({ name }: Manifest) => name === "sealtail-state");
  assert.equal(state.emptyDir.sizeLimit, "1048576Mi");
});

test("the alerts are those of the source, word for word", { skip }, async () => {
  const source = parse(readFileSync(join(projectRoot, rulesSource), "utf8"));
  const rendered = only(manifests(await render("monitoring")), "PrometheusRule");
  assert.deepEqual(rendered["spec"].groups, source.groups);
});

test("thresholds, labels, runbooks and single alerts are values", { skip }, async () => {
  const source = parse(readFileSync(join(projectRoot, rulesSource), "utf8"));
  const defaults = parse(
    readFileSync(join(projectRoot, "helm/sealtail/files/rules-defaults.yaml"), "utf8"),
  );
  const { runbookUrlBase: _, ...numbers } = defaults;
  const [[name]] = Object.entries(numbers) as [[string, unknown]];
  const alerts = source.groups.flatMap(({ rules }: Manifest) =>
    rules.flatMap(({ alert }: Manifest) => alert ?? []),
  );
  const values = changed("monitoring-tuned", {
    "monitoring.rules.thresholds": { [name]: 98_765 },
    "monitoring.rules.disabled": { [alerts[0]]: true },
  });
  const { metadata, spec } = only(manifests(await render(values)), "PrometheusRule") as Manifest;
  assert.equal(metadata.labels.release, "prometheus");
  const rules = spec.groups.flatMap((group: Manifest) => group["rules"]);
  const kept = rules.flatMap(({ alert }: Manifest) => alert ?? []);
  assert.deepEqual(kept, alerts.slice(1));
  for (const { labels, annotations } of rules.filter(({ alert }: Manifest) => alert)) {
    assert.equal(labels.team, "security");
    assert.ok(labels.severity);
    const url = annotations.runbook_url;
    assert.ok(url === undefined || url.startsWith("https://runbooks.example/sealtail/"), url);
  }
  const text = JSON.stringify(rules);
  assert.match(text, /98765/);
  assert.doesNotMatch(text, /@\w+@/);
});

test("agents are scraped everywhere, or in the namespaces that were named and no others", {
  skip,
}, async () => {
  for (const [namespaces, selector] of [
    [[], { any: true }],
    [["shop", "bank"], { matchNames: ["shop", "bank"] }],
  ] as const) {
    const values = changed("monitoring", { "monitoring.podMonitor.namespaces": namespaces });
    const monitor = only(manifests(await render(values)), "PodMonitor");
    assert.deepEqual(monitor["spec"].namespaceSelector, selector);
  }
});

test("the dashboards are those of the source, byte for byte", { skip }, async () => {
  const sources = await sourceFiles("config/grafana/*.json");
  const maps = manifests(await render("monitoring")).filter(
    ({ kind, metadata }) => kind === "ConfigMap" && metadata.labels.grafana_dashboard === "1",
  );
  const shipped = maps.flatMap(({ data }) => Object.entries(data));
  assert.deepEqual(
    Object.fromEntries(shipped.map(([name, text]) => [name, String(text).trimEnd()])),
    Object.fromEntries(
      sources.map(({ path, text }) => [path.split("/").at(-1) as string, text.trimEnd()]),
    ),
  );
});

test("the vault lets agents and scrapers in and calls nobody; agents call the vault only", {
  skip,
}, async () => {
  const found = manifests(await render("daemonset"));
  const vault = only(found, "NetworkPolicy", "-vault")["spec"];
  assert.deepEqual(vault.egress, []);
  const [api, ops] = vault.ingress;
  assert.deepEqual([api.ports[0].port, ops.ports[0].port], ["api", "ops"]);
  // The pods that we make carry the label that is let in.
  const { matchLabels } = api.from[0].podSelector;
  const agent = only(found, "DaemonSet")["spec"].template.metadata.labels;
  for (const [key, value] of Object.entries(matchLabels)) assert.equal(agent[key], value);
  const { egress } = only(found, "NetworkPolicy", "-agent")["spec"];
  assert.deepEqual(
    egress.flatMap(({ ports }: Manifest) => ports.map(({ port }: Manifest) => port)),
    [53, 53, "api"],
  );
});
