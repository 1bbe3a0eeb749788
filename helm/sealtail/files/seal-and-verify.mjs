// `helm test`: seals a line through the whole path, reads it back from the vault, and verifies it.
//
//     node seal-and-verify.mjs /app/dist/cli/bin.js
//
// - The agent is a child with a chain of its own; its state goes with the pod.
// - Only the exit code and a few lines on stdout say how it went; the agent's diagnostics follow.

import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";

const { VAULT_URL: url = "", VAULT_CA: ca = "", AGENT_OPS = "127.0.0.1:9464" } = process.env;
const { CONFIG_DIR = "/etc/sealtail", STATE_DIR = "/var/lib/sealtail" } = process.env;
const bin = process.argv[2] ?? "/app/dist/cli/bin.js";
const patienceMs = 90_000;

const line = `helm test ${randomBytes(8).toString("hex")}`;
const log = join(STATE_DIR, "test.log");
appendFileSync(log, `${line}\n`);

const agent = spawn(process.execPath, [bin, "agent", "--config", join(CONFIG_DIR, "agent.yaml")], {
  stdio: ["ignore", "inherit", "inherit"],
});
const ended = new Promise((resolve) => agent.on("exit", (code) => resolve(code ?? 1)));
const chain = await Promise.race([sealedChain(), ended.then(() => undefined)]);
if (chain === undefined) fail("the agent ended before the vault had the line");
agent.kill("SIGTERM");
const code = await ended;
if (code !== 0) fail(`the agent ended with ${code}`);
console.log(`sealed in chain ${chain}`);

const keys = (file) => readFileSync(join(CONFIG_DIR, file), "utf8").trim().split("\n");
const trust = [
  ...keys("root-keys").flatMap((key) => ["--root", key]),
  ...keys("vault-keys").flatMap((key) => ["--vault-key", key]),
  ...(ca === "" ? [] : ["--ca", ca]),
];
// 3: with findings. A test that ran before leaves a chain, which this one goes on for.
console.log(sealtail([0, 3], "verify", url, chain, ...trust));
const read = sealtail([0], "lines", url, chain, "--raw", ...trust);
if (read !== `${line}\n`) fail("the vault holds another line than the one that was written");
console.log("the line came back as it was written, and the chain is valid");

/** The chain's id once the vault has signed for the line. */
async function sealedChain() {
  for (const end = Date.now() + patienceMs; Date.now() < end; await pause(250)) {
    const answer = await fetch(`http://${AGENT_OPS}/status`).catch(() => undefined);
    const { chain, files, ship } = (await answer?.json()) ?? {};
    const own = files?.find(({ path }) => path === log);
    const read = own !== undefined && own.offset >= own.size;
    if (read && ship?.unreceiptedBlocks === 0 && ship.receiptedSize > 0) return chain;
  }
  agent.kill("SIGTERM");
  return fail(`the vault did not sign for the line within ${patienceMs / 1000} s`);
}

function sealtail(passes, ...words) {
  const { status, stdout } = spawnSync(process.execPath, [bin, ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return passes.includes(status) ? stdout : fail(`sealtail ${words[0]} ended with ${status}`);
}

function fail(why) {
  console.error(`FAILED: ${why}`);
  process.exit(1);
}
