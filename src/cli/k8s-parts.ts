// The parts of a Kubernetes pod that make an agent its sidecar.
//
// - The chart's templates and the kustomize component say the same; tests compare them.
// - native: an init container that stays. The kubelet starts it before the app and ends it after.
//   classic: a container like any other; a pause before its SIGTERM lets it outlive the app.
// - Every security context passes the restricted Pod Security Standard.

export type SidecarMode = "native" | "classic";

export interface SidecarTerms {
  readonly mode: SidecarMode;
  readonly image: string;
  /** The grant's subject. */
  readonly name: string;
  readonly vaultUrl: string;
  readonly vaultKeys: readonly string[];
  /** Globs below logsPath. */
  readonly sources: readonly string[];
  /** The volume that the app writes its logs to. */
  readonly logsVolume: string;
  readonly logsPath: string;
  /** Holds grant.txt and grant.txt.key. */
  readonly grantSecret: string;
  /** Holds ca.crt. */
  readonly caSecret: string | undefined;
  /** Room of the volume that the buffer lies on. */
  readonly stateMiB: number;
  readonly drainSeconds: number;
}

/** By this label the vault's network policy and the PodMonitor know an agent's pod. */
export const podLabels = { "sealtail.dev/agent": "true" } as const;
/** The image's group. Agent and app may have different users: they share volumes by this group. */
export const podSecurity = { fsGroup: 65_532, fsGroupChangePolicy: "OnRootMismatch" } as const;

/** What the pod says about itself: a variable, and the field that it holds. */
export const podVariables = {
  POD_NAME: "metadata.name",
  POD_UID: "metadata.uid",
  POD_NAMESPACE: "metadata.namespace",
  NODE_NAME: "spec.nodeName",
} as const;

type Part = Readonly<Record<string, unknown>>;

/** The image's user. */
const user = 65_532;
/** Where the pod's annotation with the agent's configuration appears as a file. */
export const configAnnotation = "sealtail.dev/agent.yaml";
const containerName = "sealtail-agent";
const port = 9464;
/** How long a classic sidecar goes on reading before its stop begins. */
const classicPause = 10;

export function sidecarContainer({ mode, image, ...terms }: SidecarTerms): Part {
  const native = mode === "native";
  return {
    name: containerName,
    image,
    ...(native ? { restartPolicy: "Always" } : {}),
    args: ["agent", "--config", "/etc/sealtail/agent.yaml"],
    env: Object.entries(podVariables).map(([name, path]) => fromPod(name, path)),
    ports: [{ name: "sealtail-ops", containerPort: port, protocol: "TCP" }],
    ...(native
      ? { startupProbe: probe("/startupz", { periodSeconds: 1, failureThreshold: 60 }) }
      : { lifecycle: { preStop: { sleep: { seconds: classicPause } } } }),
    livenessProbe: probe("/livez", { periodSeconds: 20, timeoutSeconds: 3, failureThreshold: 6 }),
    terminationMessagePolicy: "FallbackToLogsOnError",
    resources: { requests: { cpu: "25m", memory: "96Mi" }, limits: { memory: "256Mi" } },
    securityContext: {
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: user,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
    volumeMounts: [
      { name: "sealtail-config", mountPath: "/etc/sealtail", readOnly: true },
      { name: "sealtail-grant", mountPath: "/etc/sealtail-grant", readOnly: true },
      ...(terms.caSecret === undefined
        ? []
        : [{ name: "sealtail-tls", mountPath: "/etc/sealtail-tls", readOnly: true }]),
      { name: "sealtail-state", mountPath: "/var/lib/sealtail" },
      { name: terms.logsVolume, mountPath: terms.logsPath, readOnly: true },
    ],
  };
}

/** All but the one that the app writes to, which is the app's. */
export function sidecarVolumes(terms: SidecarTerms): Part[] {
  return [
    {
      name: "sealtail-config",
      downwardAPI: {
        items: [
          {
            path: "agent.yaml",
            fieldRef: { fieldPath: `metadata.annotations['${configAnnotation}']` },
          },
        ],
      },
    },
    { name: "sealtail-grant", secret: { secretName: terms.grantSecret, defaultMode: 0o440 } },
    ...(terms.caSecret === undefined
      ? []
      : [{ name: "sealtail-tls", secret: { secretName: terms.caSecret, defaultMode: 0o440 } }]),
    { name: "sealtail-state", emptyDir: { sizeLimit: `${terms.stateMiB}Mi` } },
  ];
}

/** agent.yaml. The state goes with the pod, so a stop ends the chain. */
export function sidecarConfig(terms: SidecarTerms): Part {
  const { name, vaultUrl, vaultKeys, sources, stateMiB, drainSeconds, caSecret } = terms;
  return {
    version: 1,
    name,
    labels: {
      pod: fromEnvironment("POD_NAME"),
      pod_uid: fromEnvironment("POD_UID"),
      namespace: fromEnvironment("POD_NAMESPACE"),
      node: fromEnvironment("NODE_NAME"),
    },
    state_dir: "/var/lib/sealtail/agent",
    sources: [{ name: "app", include: sources }],
    // A volume that is full evicts the whole pod: the buffer is full before.
    buffer: { max_bytes: `${Math.floor((stateMiB * 8) / 10)}MiB` },
    drain: { deadline: `${drainSeconds}s`, final: true },
    sink: {
      url: vaultUrl,
      ...(caSecret === undefined ? {} : { tls: { ca: "/etc/sealtail-tls/ca.crt" } }),
    },
    trust: { vault_keys: vaultKeys },
    grant: { file: "/etc/sealtail-grant/grant.txt", key: "/etc/sealtail-grant/grant.txt.key" },
    metrics: { listen: `0.0.0.0:${port}` },
    diagnostics: { termination_message: "/dev/termination-log" },
  };
}

/** What the pod's terminationGracePeriodSeconds must allow beyond what the app itself needs. */
export function graceSeconds({ mode, drainSeconds }: SidecarTerms): number {
  return drainSeconds + 10 + (mode === "classic" ? classicPause : 0);
}

/** A placeholder that the agent fills in itself. */
function fromEnvironment(name: keyof typeof podVariables): string {
  return `\${${name}}`;
}

function fromPod(name: string, fieldPath: string): Part {
  return { name, valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } } };
}

function probe(path: string, times: Part): Part {
  return { httpGet: { path, port: "sealtail-ops" }, ...times };
}
