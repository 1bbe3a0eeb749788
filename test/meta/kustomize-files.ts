// The kustomize component, made from the same parts as `sealtail k8s snippet`.
//
// - Its user brings agent.yaml as a ConfigMap `sealtail-agent`, so the configuration is a file that
//   `sealtail check` can judge; the grant is a Secret `sealtail-grant`.
// - An agent that is merged into a list of init containers stands before those of the app.

import { stringify } from "yaml";
import {
  podLabels,
  podSecurity,
  type SidecarTerms,
  sidecarContainer,
  sidecarVolumes,
} from "../../src/cli/k8s-parts.ts";

const terms: SidecarTerms = {
  mode: "native",
  image: "sealtail",
  name: "",
  vaultUrl: "",
  vaultKeys: [],
  sources: [],
  logsVolume: "app-logs",
  logsPath: "/var/log/app",
  grantSecret: "sealtail-grant",
  caSecret: undefined,
  stateMiB: 1024,
  drainSeconds: 20,
};

const kinds = ["Deployment", "StatefulSet", "DaemonSet", "Job"] as const;
const selector = "sealtail.dev/sidecar=true";

export function kustomizeFiles(): [path: string, text: string][] {
  const head = "# Made from src/cli/k8s-parts.ts by `npm run chart`.\n";
  const patches = kinds.map((kind) => ({
    path: "pod.yaml",
    target: { kind, labelSelector: selector },
  }));
  const component = {
    apiVersion: "kustomize.config.k8s.io/v1alpha1",
    kind: "Component",
    patches,
  };
  return [
    ["helm/kustomize/sidecar/kustomization.yaml", head + stringify(component)],
    ["helm/kustomize/sidecar/pod.yaml", head + stringify(patch(), { lineWidth: 0 })],
  ];
}

function patch(): object {
  const config = { name: "sealtail-config", configMap: { name: "sealtail-agent" } };
  const volumes = sidecarVolumes(terms).map((volume) =>
    volume["name"] === config.name ? config : volume,
  );
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "any" },
    spec: {
      template: {
        metadata: { labels: podLabels },
        spec: {
          securityContext: podSecurity,
          initContainers: [sidecarContainer(terms)],
          volumes: [...volumes, { name: terms.logsVolume, emptyDir: {} }],
        },
      },
    },
  };
}
