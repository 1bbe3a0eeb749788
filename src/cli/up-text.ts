// What `sealtail up` says: where things are, what to try next, and the counts while it runs.

import type { Agent } from "../agent/agent.ts";
import { printable } from "../core/printable.ts";
import type { Clock } from "../host/clock.ts";
import type { Ui } from "./ui.ts";
import { type UpData, upVault } from "./up-data.ts";

export interface Banner {
  readonly data: UpData;
  /** The directory was made just now. */
  readonly fresh: boolean;
  readonly include: readonly string[];
  readonly vault: string;
  readonly vaultMetrics: string | undefined;
  readonly agentMetrics: string | undefined;
}

export function showBanner(ui: Ui, banner: Banner): void {
  const { data, fresh, include, vault, vaultMetrics, agentMetrics } = banner;
  const own = ownName(ui);
  if (fresh) {
    ui.print("made keys and a grant, unencrypted: good to try things out, worth nothing against");
    ui.print("someone who can read this directory. For real use see `sealtail key new --help`.");
    ui.print();
  }
  const rows = [
    ["data", data.dir],
    ["tailing", include.join("  ")],
    ["vault", `${vault}/v1/chains`],
    ["metrics", `${agentMetrics}/metrics (agent)  ${vaultMetrics}/metrics (vault)`],
    ["diagnostics", `${data.dir}/diagnostics.log`],
    ["verify", `${own} verify --data ${quoted(data.dir)}`],
    ["read", `${own} lines --data ${quoted(data.dir)} ${upVault}`],
    ["tamper", tamperHint(data)],
    ["", "then verify again: it names the block"],
    ["clean up", `stop with Ctrl-C, then rm -rf ${quoted(data.dir)}`],
  ] as const;
  for (const [name, text] of rows) ui.print(`${ui.paint("bold", name.padEnd(12))} ${text}`);
  ui.print();
}

// Changes one byte in the middle of the oldest stored blocks; then verify names the block.
function tamperHint(data: UpData): string {
  const blocks = `${quoted(data.store)}/chains/*/*.blocks`;
  return (
    `f=$(ls ${blocks} | head -1); chmod u+w "$f"; ` +
    `printf tampered | dd of="$f" bs=1 seek=$(($(stat -c %s "$f") / 2)) conv=notrunc status=none`
  );
}

/** How this program was called, for commands to copy. */
function ownName(ui: Ui): string {
  const underNpm = ui.terminal.env["npm_package_name"] === "sealtail";
  return underNpm ? "npm run -s sealtail --" : "sealtail";
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

const whyRefused = {
  "self-ingest": "it is an agent's or a vault's own data",
  "link-untrusted": "a link leads there that belongs neither to root, nor to us, nor to its owner",
} as const;

/** Warns of what is meant and not followed, once each. */
export function warnOfRefused(ui: Ui, agent: Agent, told: Set<string>): void {
  for (const { path, code } of agent.gauge.tail()?.search().refused ?? []) {
    if (told.has(path)) continue;
    told.add(path);
    ui.warn(printable(`not followed: ${path}: ${whyRefused[code]} [${code}]`));
  }
}

const lookMs = 500;
/** Where nobody watches a moving line, a new one is printed this often at most. */
const printMs = 5000;

/** Shows live counts until `signal` aborts. */
export async function showCounts(
  ui: Ui,
  clock: Clock,
  agent: Agent,
  signal: AbortSignal,
): Promise<void> {
  const moving = ui.terminal.stderr.isTTY === true;
  let shown = "";
  let printedAt = Number.NEGATIVE_INFINITY;
  const told = new Set<string>();
  while (!signal.aborted) {
    await clock.sleep(lookMs, signal);
    warnOfRefused(ui, agent, told);
    const text = countsOf(agent);
    if (moving) ui.progress(text);
    else if (text !== shown && clock.mono() - printedAt > printMs * 1000) {
      ui.print(text);
      shown = text;
      printedAt = clock.mono();
    }
  }
  if (countsOf(agent) !== shown) ui.print(countsOf(agent));
}

function countsOf(agent: Agent): string {
  const { gauge, session } = agent;
  const ship = session?.shipper.status();
  const behind = [...(gauge.tail()?.stats().values() ?? [])].reduce(
    (sum, s) => sum + s.bytesBehind,
    0,
  );
  const receipted = ship?.receiptedSize ?? 0;
  const parts = [
    `${gauge.headSeq.toLocaleString("en-US")} envelopes sealed`,
    `${receipted.toLocaleString("en-US")} of ${gauge.headBlock.toLocaleString("en-US")} blocks receipted`,
    `${behind.toLocaleString("en-US")} bytes unread`,
  ];
  if (gauge.state !== "running") parts.push(gauge.state);
  if (ship !== undefined && ship.state !== "ok") parts.push(`sink ${ship.state} (${ship.code})`);
  return parts.join(" · ");
}
