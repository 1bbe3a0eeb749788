// The commands of docs/operating/kubernetes.md, as far as they can be run without a cluster.
//
// - sealtail is the real one. helm is the real one, rendering what it would install. kubectl is
//   none: it only looks whether the files that it would take are there.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { projectRoot } from "../meta/source-text.ts";
import { helmPath, manifests, only, noHelm as skip } from "./helm.ts";

const run = promisify(execFile);

test("the page's commands work, and the snippet's agent is one that the vault's policy lets in", {
  skip,
}, async () => {
  const dir = mkdtempSync(join(tmpdir(), "sealtail-page-"));
  try {
    const bin = join(dir, "bin");
    mkdirSync(bin);
    const command = (name: string, text: string): void =>
      writeFileSync(join(bin, name), `#!/bin/bash\nset -eu\n${text}\n`, { mode: 0o755 });
    command("sealtail", `exec ${process.execPath} ${projectRoot}/src/cli/bin.ts "$@"`);
    const look = `case $word in --from-file=*) test -s "\${word##*=}";; esac`;
    command("kubectl", `for word; do ${look}; done\necho "$*" >> kubectl.log`);
    command(
      "helm",
      `case $3 in
  test) exit ;;
  install|upgrade) exec ${helmPath} template "$4" "\${@:5}" -n "$2" > $3.out ;;
  *) exit 1 ;;
esac`,
    );
    symlinkSync(join(projectRoot, "helm"), join(dir, "helm"));
    const page = readFileSync(join(projectRoot, "docs/operating/kubernetes.md"), "utf8");
    const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text]) => text);
    assert.equal(blocks.length, 4);
    const env = { ...process.env, PATH: `${bin}:${process.env["PATH"]}` };
    await run("bash", ["-euo", "pipefail", "-c", blocks.join("\n")], { cwd: dir, env });
    const read = (name: string): string => readFileSync(join(dir, name), "utf8");
    assert.equal(read("kubectl.log").trim().split("\n").length, 4);
    const installed = manifests(read("install.out"));
    only(installed, "StatefulSet");
    only(installed, "PrometheusRule");
    only(manifests(read("upgrade.out")), "Pod");
    const { podLabels, initContainers } = parse(read("sealtail-values.yaml"));
    const { ingress } = only(installed, "NetworkPolicy")["spec"];
    assert.deepEqual(podLabels, ingress[0].from[0].podSelector.matchLabels);
    assert.equal(initContainers[0].image, "registry.example/sealtail:0.1.0");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
