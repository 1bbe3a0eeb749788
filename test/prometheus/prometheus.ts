// A real Prometheus that scrapes an agent and a vault once a second.
//
// - The alert rules are those that are shipped: minutes are seconds, large thresholds are small.
// - Targets are a file, since the programs get other ports when they start again.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { rulesPath } from "./rules.ts";

const binary = "/usr/bin/prometheus";
const there = existsSync(binary);
if (!there && process.env["CI"] === "true") throw new Error(`needs ${binary}`);
export const skip: string | false = there ? false : `needs ${binary}`;

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface Timeline {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

export class Prometheus implements AsyncDisposable {
  readonly #dir: string = mkdtempSync(join(tmpdir(), "sealtail-prometheus-"));
  readonly url: string;
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(): Promise<Prometheus> {
    const prometheus = new Prometheus(await freePort());
    await prometheus.#start();
    return prometheus;
  }

  async #start(): Promise<void> {
    const dir = this.#dir;
    const rules = join(dir, "rules.yaml");
    writeFileSync(rules, faster(readFileSync(rulesPath, "utf8")));
    this.targets({});
    const config = join(dir, "prometheus.yaml");
    const jobs = ["sealtail-agent", "sealtail-vault"].map(
      (job) => `
  - job_name: ${job}
    file_sd_configs: [{ files: ["${dir}/${job}.json"], refresh_interval: 1s }]`,
    );
    writeFileSync(
      config,
      `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["${rules}"]
scrape_configs:${jobs.join("")}
`,
    );
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${dir}/tsdb`];
    const listen = `--web.listen-address=${new URL(this.url).host}`;
    this.#process = spawn(binary, [...args, listen, "--log.level=warn"], { stdio: "ignore" });
    for (let tries = 0; ; tries++) {
      await pause(100);
      const ready = await fetch(`${this.url}/-/ready`).catch(() => undefined);
      if (ready?.ok === true) return;
      if (tries === 200) throw new Error("prometheus does not start");
    }
  }

  /** What to scrape, by job: operations addresses. */
  targets(urls: Readonly<Record<string, string>>): void {
    for (const job of ["sealtail-agent", "sealtail-vault"]) {
      const url = urls[job];
      const groups = !url ? [] : [{ targets: [new URL(url).host] }];
      writeFileSync(join(this.#dir, `${job}.json`), JSON.stringify(groups));
    }
  }

  async query(expr: string): Promise<Series[]> {
    return await this.#ask("query", { query: expr });
  }

  /** Values over time; times in Unix seconds. */
  async range(
    expr: string,
    { start, end, step }: { start: number; end: number; step: number },
  ): Promise<Timeline[]> {
    const times = { start: String(start), end: String(end), step: String(step) };
    return await this.#ask("query_range", { query: expr, ...times });
  }

  async #ask<T>(path: string, query: Readonly<Record<string, string>>): Promise<T[]> {
    const answer = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(query)}`);
    const { status, data, error } = (await answer.json()) as {
      status: string;
      error?: string;
      data: { result: T[] };
    };
    if (status !== "success") throw new Error(`${query["query"]}: ${error}`);
    return data.result;
  }

  /** Names of the alerts that fire now. */
  async firing(): Promise<string[]> {
    const series = await this.query('ALERTS{alertstate="firing"}');
    return [...new Set(series.map(({ metric }) => metric["alertname"] as string))].sort();
  }

  /** Waits until all of `names` fire. */
  async fires(...names: string[]): Promise<void> {
    await this.#until(`${names} fire`, (firing) => names.every((name) => firing.includes(name)));
  }

  /** Waits until none of `names` fires. */
  async clears(...names: string[]): Promise<void> {
    await this.#until(`${names} clear`, (firing) => !names.some((name) => firing.includes(name)));
  }

  /** Waits until `expr` has a value: a target that was just named is scraped seconds later. */
  async sees(expr: string): Promise<void> {
    for (let tries = 0; tries < 240; tries++) {
      if ((await this.query(expr)).length > 0) return;
      await pause(250);
    }
    throw new Error(`not within a minute: ${expr} has a value`);
  }

  async #until(what: string, holds: (firing: string[]) => boolean): Promise<void> {
    let firing: string[] = [];
    for (let tries = 0; tries < 240; tries++) {
      firing = await this.firing();
      if (holds(firing)) return;
      await pause(250);
    }
    throw new Error(`not within a minute: ${what}; firing: ${firing}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process?.exitCode === null) {
      const ended = once(this.#process, "exit");
      this.#process.kill("SIGTERM");
      await ended;
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** The shipped rules for impatient eyes. */
function faster(rules: string): string {
  return rules
    .replaceAll(/for: \d+m/g, "for: 1s")
    .replaceAll(/\[\d+[mh]\]/g, "[10s]")
    .replaceAll(/offset 15m/g, "offset 10s")
    .replaceAll("_seconds:max > 300", "_seconds:max > 3")
    .replaceAll("_seconds:max > 120", "_seconds:max > 3");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
