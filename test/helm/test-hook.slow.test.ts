// `helm test`: the script that the chart puts into its test pod, run with the pod's configuration.

import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { formatVerifierKey } from "../../src/core/note.ts";
import { Rig } from "../crash/rig.ts";
import { projectRoot } from "../meta/source-text.ts";
import { manifests, only, render, noHelm as skip, valuesOf } from "./helm.ts";

const bin = join(projectRoot, "src/cli/bin.ts");

test("helm's test pod seals a line, reads it back and verifies it, also once more; with a foreign root it fails", {
  skip,
}, async () => {
  await using rig = await Rig.make({ maxChains: 10 });
  await rig.startVault();
  const values = valuesOf("test-hook");
  const keys = rig.vaultKeys.map((key) => formatVerifierKey(key));
  const foreign = values["trust"].rootKeys;
  values["trust"] = { rootKeys: [formatVerifierKey(rig.root)], vaultKeys: keys };
  values["test"] = {
    enabled: true,
    name: "rig",
    vault: { url: rig.vaultUrl },
    grant: { existingSecret: "g" },
  };
  const found = manifests(await render(values));
  const { data } = only(found, "ConfigMap", "-test");
  const { spec } = only(found, "Pod", "-test");
  const [{ command, env }] = spec.containers;
  assert.deepEqual(command, ["/usr/local/bin/node", "/etc/sealtail/seal-and-verify.mjs"]);
  const url = env.find(({ name }: { name: string }) => name === "VAULT_URL").value;
  assert.equal(url, rig.vaultUrl);
  const right = data["root-keys"];
  for (const [at, roots] of [right, right, foreign.join("\n")].entries()) {
    const dir = join(rig.dir, `test-${at}`);
    const port = await freePort();
    const [config, state] = [join(dir, "config"), join(dir, "state")];
    for (const each of [config, state]) mkdirSync(each, { recursive: true });
    copyFileSync(join(rig.dir, "grant"), join(dir, "grant.txt"));
    copyFileSync(join(rig.dir, "grant.key"), join(dir, "grant.txt.key"));
    for (const [name, content] of Object.entries({ ...data, "root-keys": roots })) {
      const mapped = String(content)
        .replaceAll("/etc/sealtail-grant", dir)
        .replaceAll("/var/lib/sealtail", state)
        .replace("/dev/termination-log", join(dir, "message"))
        .replace("0.0.0.0:9464", `127.0.0.1:${port}`);
      // The script is run as it is.
      writeFileSync(join(config, name), name.endsWith(".mjs") ? String(content) : mapped);
    }
    const child: ChildProcessWithoutNullStreams = spawn(
      process.execPath,
      [join(config, "seal-and-verify.mjs"), bin],
      {
        env: {
          ...process.env,
          ...{ CONFIG_DIR: config, STATE_DIR: state, AGENT_OPS: `127.0.0.1:${port}` },
          ...{ VAULT_URL: url, POD_NAME: "p", POD_UID: "u", POD_NAMESPACE: "n", NODE_NAME: "node" },
        },
      },
    );
    const [out, errors, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once("exit", resolve)),
    ]);
    // A state directory that is gone, as a pod's is.
    rmSync(state, { recursive: true });
    if (roots === right) {
      assert.equal(code, 0, errors);
      assert.match(out, /the line came back as it was written, and the chain is valid\n$/);
    } else {
      assert.equal(code, 1);
      assert.match(errors, /FAILED: sealtail verify ended with [456]/);
    }
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
