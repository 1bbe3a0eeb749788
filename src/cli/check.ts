// `sealtail check`: says whether a configuration would be accepted, and all that is wrong with it.

import type { Command } from "commander";
import { agentConfig } from "../agent/config.ts";
import { agentOutlook, type Outlook, readable } from "../agent/outlook.ts";
import { SealtailError } from "../core/errors.ts";
import type { VerifierKey } from "../core/note.ts";
import { systemClock } from "../host/clock.ts";
import { type LoadedConfig, loadConfigFile } from "../host/config.ts";
import { ConfigError, pathText, refusalError } from "../host/config-error.ts";
import type { Env } from "../host/config-yaml.ts";
import { readWhole } from "../host/durable.ts";
import { systemFiles as files } from "../host/files.ts";
import { loadPublicHalf, loadSigningKey } from "../host/keys.ts";
import { nativeSuite as suite } from "../host/native-suite.ts";
import { readTlsFiles } from "../host/tls-files.ts";
import { type VaultConfig, vaultConfig } from "../vault/config.ts";
import { refusalsOf } from "../vault/startable.ts";
import { pathOf } from "./paths.ts";
import type { Ui } from "./ui.ts";

const examples = `
A file with a key \`store\` or \`keys\` at its top is taken for a vault's, any other for an agent's.
Files that it names must exist, but for a grant: nothing is started, written or connected to.

Of an agent's, the grant is judged too, if it is there, and the files that the sources mean now
are looked for: what matches none, and what lies outside the grant, is a warning. Of a vault's,
keys and TLS files are judged. What this user may not read is not.

Examples:
  $ sealtail check --config /etc/sealtail/agent.yaml
  $ sealtail check --config vault.yaml

Exit codes: 0 fine, 78 bad configuration.`;

export function register(program: Command, ui: Ui): void {
  program
    .command("check")
    .description("check an agent's or vault's configuration")
    .requiredOption("--config <file>", "agent.yaml or vault.yaml")
    .addHelpText("after", examples)
    .action(({ config }: { config: string }) => run(ui, config));
}

async function run(ui: Ui, file: string): Promise<void> {
  const path = pathOf(ui, file);
  const isVault = await looksLikeVault(path);
  const { env } = ui.terminal;
  if (isVault) {
    const loaded = await loadConfigFile(vaultConfig, path, env, files);
    tell(ui, path, loaded, await vaultOutlook(loaded.config, env));
  } else {
    const loaded = await loadConfigFile(agentConfig, path, env, files);
    const now = systemClock.now() / 1e6;
    tell(
      ui,
      path,
      loaded,
      await agentOutlook(loaded.config, { files, suite, now, refuse: [path] }),
    );
  }
  ui.print(`OK: ${path} is ${isVault ? "a vault" : "an agent"} configuration`);
}

/** Throws ConfigError where there are refusals. */
function tell(
  ui: Ui,
  path: string,
  { warnings, placeOf }: Pick<LoadedConfig<unknown>, "warnings" | "placeOf">,
  { refusals, advice }: Outlook,
): void {
  for (const { place, message } of warnings) ui.warn(`${message}: ${place}`);
  for (const [at, clause] of advice) ui.warn(`${pathText(at)} ${clause}: ${placeOf(at)}`);
  const [first, ...rest] = refusals.map((each) => refusalError(each, placeOf(each.path)));
  if (first !== undefined) throw new ConfigError(path, [first, ...rest]);
}

async function vaultOutlook(config: VaultConfig, env: Env): Promise<Outlook> {
  const outlook: Outlook = { refusals: [], advice: [] };
  const half = (which: "receipt" | "time"): Promise<VerifierKey | undefined> =>
    readable(outlook, ["keys", which], () => keyOf(outlook, which, config.keys[which], env));
  const keys = { receipt: await half("receipt"), time: await half("time") };
  outlook.refusals.push(...refusalsOf(config, keys));
  const { tls } = config;
  if (tls !== undefined) {
    await readable(outlook, ["tls"], () => readTlsFiles(tls, systemClock.now()));
  }
  return outlook;
}

/** The vault's own environment may hold the passphrase that ours does not. */
async function keyOf(
  { advice }: Outlook,
  which: "receipt" | "time",
  path: string,
  env: Env,
): Promise<VerifierKey> {
  const given = env["SEALTAIL_PASSPHRASE"];
  const passphrase = given === undefined ? undefined : async (): Promise<string> => given;
  try {
    return (await loadSigningKey({ files, path, passphrase })).key;
  } catch (error) {
    if (!(error instanceof SealtailError) || error.code !== "passphrase-missing") throw error;
    advice.push([["keys", which], "is encrypted: the vault needs SEALTAIL_PASSPHRASE"]);
    return await loadPublicHalf(files, path);
  }
}

// By its top-level keys, read as loosely as possible: what is wrong is for the loader to say.
async function looksLikeVault(path: string): Promise<boolean> {
  const bytes = await readWhole(files, path, 262_144).catch(() => undefined);
  if (bytes === undefined) return /vault[^/]*$/.test(path);
  const text = Buffer.from(bytes).toString("utf8");
  const has = (...keys: string[]): boolean =>
    keys.some((key) => new RegExp(`^["']?${key}["']?\\s*:`, "m").test(text));
  return has("store", "keys", "listen") && !has("sources", "sink");
}
