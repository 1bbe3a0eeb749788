// `sealtail k8s`: what a chart of somebody else's needs in order to carry an agent.
//
// - Prints values for the hooks that most charts have; how a chart calls them is said by options.
// - What is printed was loaded as a configuration first: a mistake is told here, not by a pod.

import type { Command } from "commander";
import { agentConfig } from "../agent/config.ts";
import { formatVerifierKey } from "../core/note.ts";
import { loadConfig } from "../host/config.ts";
import { writeYaml } from "../host/config-yaml.ts";
import {
  configAnnotation,
  graceSeconds,
  podLabels,
  podSecurity,
  podVariables,
  type SidecarMode,
  type SidecarTerms,
  sidecarConfig,
  sidecarContainer,
  sidecarVolumes,
} from "./k8s-parts.ts";
import { trustedKeys } from "./trusted-keys.ts";
import { type Ui, usage, wholeNumber } from "./ui.ts";

interface SnippetOptions {
  readonly image: string;
  readonly name: string;
  readonly vault: string;
  readonly vaultKey: readonly string[];
  readonly grantSecret: string;
  readonly caSecret?: string;
  readonly source?: readonly string[];
  readonly logsVolume: string;
  readonly logsPath: string;
  readonly mode: string;
  readonly room: string;
  readonly drain: string;
  readonly appGrace: string;
  readonly containersKey?: string;
  readonly volumesKey: string;
  readonly mountsKey: string;
  readonly annotationsKey: string;
  readonly labelsKey: string;
  readonly securityKey: string;
  readonly graceKey: string;
}

const examples = `
Add what is printed to the chart's values. The app must write its logs below --logs-path; the grant
comes from a Secret with grant.txt and grant.txt.key, signed with --max-chains: every pod begins a
chain. The names of the hooks are the chart's: look into its values, and say dotted ones with dots.

Examples:
  $ kubectl create secret generic shop-grant --from-file=grant.txt --from-file=grant.txt.key
  $ sealtail k8s snippet --name shop --image registry.example/sealtail:0.1.0 \\
      --vault https://vault.example:8443 --vault-key vault.pub --vault-key vault-time.pub \\
      --grant-secret shop-grant --containers-key extraInitContainers > sealtail-values.yaml`;

const collect = (value: string, before: readonly string[] | undefined): string[] => [
  ...(before ?? []),
  value,
];

export function register(program: Command, ui: Ui): void {
  const k8s = program.command("k8s").description("put an agent beside an app in Kubernetes");
  k8s
    .command("snippet")
    .description("print values that add the agent to a chart of somebody else's")
    .requiredOption("--name <name>", "the agent's name: the subject of its grant")
    .requiredOption("--image <image>", "the image, with tag or digest")
    .requiredOption("--vault <url>", "the vault's address")
    .requiredOption("--vault-key <key>", "the vault's two public keys (twice)", collect)
    .requiredOption("--grant-secret <name>", "Secret with grant.txt and grant.txt.key")
    .option("--ca-secret <name>", "Secret with ca.crt, who may have signed the vault's certificate")
    .option("--source <glob>", "files to seal (repeatable; none: *.log in the logs' path)", collect)
    .option("--logs-volume <name>", "volume that the app writes its logs to", "app-logs")
    .option("--logs-path <dir>", "where app and agent mount it", "/var/log/app")
    .option("--mode <mode>", "native or classic", "native")
    .option("--room <MiB>", "size of the volume that the buffer lies on", "1024")
    .option("--drain <seconds>", "how long a stop may take to ship what is there", "20")
    .option("--app-grace <seconds>", "what the app itself needs to stop", "30")
    .option("--containers-key <key>", "the chart's hook (initContainers; classic: extraContainers)")
    .option("--volumes-key <key>", "the chart's hook", "extraVolumes")
    .option("--mounts-key <key>", "the chart's hook", "extraVolumeMounts")
    .option("--annotations-key <key>", "the chart's hook", "podAnnotations")
    .option("--labels-key <key>", "the chart's hook", "podLabels")
    .option("--security-key <key>", "the chart's hook", "podSecurityContext")
    .option("--grace-key <key>", "the chart's hook", "terminationGracePeriodSeconds")
    .addHelpText("after", examples)
    .action((options: SnippetOptions) => snippet(ui, options));
}

async function snippet(ui: Ui, options: SnippetOptions): Promise<void> {
  const terms = await termsOf(ui, options);
  const config = writeYaml(sidecarConfig(terms));
  await loadConfig(agentConfig, config, "agent.yaml", podVariables);
  const usual = terms.mode === "native" ? "initContainers" : "extraContainers";
  const { logsVolume, logsPath } = terms;
  const logs = { name: logsVolume, emptyDir: {} };
  const grace = graceSeconds(terms) + wholeNumber("--app-grace", options.appGrace, 0, 86_400);
  const values = {};
  const put = (key: string, value: unknown): void => place(values, key, value);
  put(options.annotationsKey, { [configAnnotation]: config });
  put(options.labelsKey, podLabels);
  put(options.securityKey, podSecurity);
  put(options.containersKey ?? usual, [sidecarContainer(terms)]);
  put(options.volumesKey, [logs, ...sidecarVolumes(terms)]);
  put(options.mountsKey, [{ name: logsVolume, mountPath: logsPath }]);
  put(options.graceKey, grace);
  ui.write(writeYaml(values));
}

async function termsOf(ui: Ui, options: SnippetOptions): Promise<SidecarTerms> {
  const { mode, name, image, logsVolume, logsPath, grantSecret, caSecret } = options;
  const { vaults } = await trustedKeys(ui, { vaultKey: options.vaultKey });
  const room = wholeNumber("--room", options.room, 32, 1_048_576);
  return {
    mode: modeOf(mode),
    ...{ name, image, logsVolume, logsPath, grantSecret, caSecret },
    vaultUrl: options.vault,
    vaultKeys: vaults.flatMap(({ receipt, time }) => [receipt, time].map(formatVerifierKey)),
    sources: options.source ?? [`${logsPath.replace(/\/+$/, "")}/*.log`],
    stateMiB: room,
    drainSeconds: wholeNumber("--drain", options.drain, 1, 3600),
  };
}

function modeOf(text: string): SidecarMode {
  if (text === "native" || text === "classic") return text;
  throw usage("argument-invalid", `--mode is ${text}, want native or classic`);
}

/** Puts a value where a dotted key says. */
function place(values: Record<string, unknown>, key: string, value: unknown): void {
  const [first = "", ...rest] = key.split(".");
  if (rest.length === 0) {
    values[first] = value;
    return;
  }
  const inner = { ...(values[first] as Record<string, unknown> | undefined) };
  values[first] = inner;
  place(inner, rest.join("."), value);
}
