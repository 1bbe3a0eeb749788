// Plays the kubelet for one pod: real processes, started and stopped as the pod's spec says.
//
// - Init containers in order; one that stays (restartPolicy Always) is passed once its startup
//   probe answers. Then the containers.
// - A stop: preStop pauses, SIGTERM to the containers, SIGTERM to sidecars after the last of them
//   ended; when the grace period is over, SIGTERM to what is left, 2 s, SIGKILL.
// - Sidecars that end are started again, but not while the pod stops: no kubelet does that yet.
// - Volumes are directories; a path in a container is the directory of its mount. What is not
//   played: images, users, cgroups and the network of a pod.

import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Manifest } from "../helm/helm.ts";

const bin = join(import.meta.dirname, "../../src/cli/bin.ts");

export interface PodParts {
  readonly dir: string;
  /** Files of each Secret. */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What each container of the app does: a script, which finds the log's path in LOG. */
  readonly apps: Readonly<Record<string, string>>;
}

/** One life of one container. */
export interface Life {
  readonly name: string;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  /** Exit code, or the signal's name; undefined while it runs. */
  end: number | string | undefined;
  /** What it left in its termination message. */
  message: string;
}

export class Kubelet {
  readonly lives: Life[] = [];
  /** "started app", "ended app 0", "term sealtail-agent", in order. */
  readonly events: string[] = [];
  readonly #pod: Manifest;
  readonly #parts: PodParts;
  readonly #port: number;
  #stopping = false;
  /** How often each container was started. */
  readonly #starts = new Map<string, number>();

  private constructor(pod: Manifest, parts: PodParts, port: number) {
    this.#pod = pod;
    this.#parts = parts;
    this.#port = port;
  }

  static async prepare(pod: Manifest, parts: PodParts): Promise<Kubelet> {
    const kubelet = new Kubelet(pod, parts, await freePort());
    kubelet.#makeVolumes();
    return kubelet;
  }

  /** Where metrics and health of the agent are. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  volume(name: string): string {
    return join(this.#parts.dir, "volumes", name);
  }

  /** The newest life of a container. */
  life(name: string): Life {
    const found = this.lives.findLast((each) => each.name === name);
    if (found === undefined) throw new Error(`${name} was never started`);
    return found;
  }

  /** Resolves when all containers have been started. */
  async start(): Promise<void> {
    for (const container of this.#pod["spec"].initContainers ?? []) {
      const life = this.#run(container);
      if (container.restartPolicy === "Always") await this.#probeStartup(container);
      else await life.ended;
    }
    for (const container of this.#pod["spec"].containers) this.#run(container);
  }

  /** Resolves when the app's containers have ended by themselves; then the sidecars are stopped. */
  async complete(): Promise<void> {
    await Promise.all(this.#containers().map(({ name }) => this.life(name).ended));
    await this.stop();
  }

  /** Resolves when nothing of the pod runs any more. */
  async stop(graceSeconds?: number): Promise<void> {
    const grace: number = graceSeconds ?? this.#pod["spec"].terminationGracePeriodSeconds;
    this.#stopping = true;
    const over = new AbortController();
    const orderly = (async () => {
      await Promise.all(this.#containers().map((container) => this.#end(container)));
      const sidecars = (this.#pod["spec"].initContainers ?? []).filter(
        ({ restartPolicy }: Manifest) => restartPolicy === "Always",
      );
      for (const { name } of sidecars.toReversed()) {
        this.#signal(this.life(name), "SIGTERM");
        await this.life(name).ended;
      }
      over.abort();
    })();
    const deadline = (async () => {
      await pause(grace * 1000, undefined, { signal: over.signal }).catch(() => undefined);
      for (const life of this.#running()) this.#signal(life, "SIGTERM");
      await pause(2000, undefined, { signal: over.signal }).catch(() => undefined);
      for (const life of this.#running()) this.#signal(life, "SIGKILL");
    })();
    await Promise.all([orderly, deadline]);
  }

  /** As the kernel does when memory runs out. */
  async killForMemory(name: string): Promise<Life> {
    const life = this.life(name);
    this.#signal(life, "SIGKILL");
    await life.ended;
    return life;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    for (const life of this.#running()) life.child.kill("SIGKILL");
    await Promise.all(this.lives.map(({ ended }) => ended));
  }

  #containers(): Manifest[] {
    return this.#pod["spec"].containers;
  }

  #running(): Life[] {
    return this.lives.filter(({ end }) => end === undefined);
  }

  async #end(container: Manifest): Promise<void> {
    const seconds = container["lifecycle"]?.preStop?.sleep?.seconds ?? 0;
    await Promise.race([
      pause(seconds * 1000, undefined, { ref: false }),
      this.life(container["name"]).ended,
    ]);
    this.#signal(this.life(container["name"]), "SIGTERM");
    await this.life(container["name"]).ended;
  }

  #signal(life: Life, signal: "SIGTERM" | "SIGKILL"): void {
    if (life.end !== undefined) return;
    this.events.push(`${signal === "SIGTERM" ? "term" : "kill"} ${life.name}`);
    life.child.kill(signal);
  }

  #run(container: Manifest): Life {
    const { name, args = [] } = container;
    const count = (this.#starts.get(name) ?? 0) + 1;
    this.#starts.set(name, count);
    const dir = join(this.#parts.dir, `${name}-${count}`);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "message"), "");
    const inside = this.#paths(container, dir);
    const script = this.#parts.apps[name];
    const env = {
      ...process.env,
      ...this.#environment(container),
      LOG: inside("/var/log/app/app.log"),
    };
    if (script === undefined) this.#placeConfig(container, inside);
    const words = script === undefined ? [bin, ...args.map(inside)] : ["-e", script];
    const child = spawn(process.execPath, words, { env, stdio: ["ignore", "ignore", "inherit"] });
    const ended = new Promise<void>((resolve) => {
      child.once("exit", (code, signal) => {
        life.end = code ?? signal ?? "unknown";
        life.message = readFileSync(join(dir, "message"), "utf8").slice(0, 4096);
        this.events.push(`ended ${name} ${life.end}`);
        // Kubelets that are out today start a sidecar again, but not in a pod that stops.
        if (!this.#stopping && container["restartPolicy"] === "Always") this.#run(container);
        resolve();
      });
    });
    const life: Life = { name, child, ended, end: undefined, message: "" };
    this.lives.push(life);
    this.events.push(`started ${name}`);
    return life;
  }

  async #probeStartup({ name, startupProbe }: Manifest): Promise<void> {
    const { httpGet, periodSeconds, failureThreshold } = startupProbe;
    for (let i = 0; i < failureThreshold; i++) {
      const answer = await fetch(this.url + httpGet.path).catch(() => undefined);
      if (answer?.ok === true) {
        this.events.push(`up ${name}`);
        return;
      }
      await pause(periodSeconds * 1000);
    }
    throw new Error(`${name} is not up after ${failureThreshold} looks`);
  }

  #makeVolumes(): void {
    for (const { name, secret } of this.#pod["spec"].volumes) {
      mkdirSync(this.volume(name), { recursive: true });
      const files = Object.entries(this.#parts.secrets[secret?.secretName] ?? {});
      for (const [file, path] of files) copyFileSync(path, join(this.volume(name), file));
    }
  }

  /** The downward API's file, its paths those of the mounts. */
  #placeConfig(container: Manifest, inside: (text: string) => string): void {
    for (const { name, downwardAPI } of this.#pod["spec"].volumes) {
      for (const { path, fieldRef } of downwardAPI?.items ?? []) {
        const key = /^metadata\.annotations\['(.+)'\]$/.exec(fieldRef.fieldPath)?.[1] ?? "";
        const port = container["ports"][0].containerPort;
        const text = this.#pod["metadata"].annotations[key].replace(
          `0.0.0.0:${port}`,
          `127.0.0.1:${this.#port}`,
        );
        writeFileSync(join(this.volume(name), path), inside(text));
      }
    }
  }

  #paths(
    { volumeMounts = [], terminationMessagePath }: Manifest,
    dir: string,
  ): (text: string) => string {
    const mounts: [string, string][] = volumeMounts.map(({ name, mountPath }: Manifest) => [
      mountPath,
      this.volume(name),
    ]);
    mounts.push([terminationMessagePath ?? "/dev/termination-log", join(dir, "message")]);
    mounts.sort(([a], [b]) => b.length - a.length);
    // One pass, so that no replacement is looked at again.
    const any = new RegExp(mounts.map(([path]) => `${path}(?=[/"\\s]|$)`).join("|"), "gm");
    return (text) => text.replace(any, (path) => new Map(mounts).get(path) ?? path);
  }

  #environment({ env = [] }: Manifest): Record<string, string> {
    const fields: Record<string, string> = {
      "metadata.name": "shop-0",
      "metadata.uid": "0000",
      "metadata.namespace": "shop",
      "spec.nodeName": "node-1",
    };
    return Object.fromEntries(
      env.map(({ name, value, valueFrom }: Manifest) => [
        name,
        value ?? fields[valueFrom.fieldRef.fieldPath] ?? "",
      ]),
    );
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
