// An agent and a vault whose resources run out, and what somebody sees who watches them.

import assert from "node:assert/strict";
import { createHash, type Hash, randomBytes } from "node:crypto";
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pairVaultKeys } from "../../src/core/checkpoint.ts";
import { findingClasses } from "../../src/core/fault.ts";
import { systemFiles as files } from "../../src/host/files.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { verifyChain } from "../../src/verify/verify.ts";
import { collectNames, Rig, type RigOptions } from "../crash/rig.ts";

/** Blocks close and are missed soon, so that a test need not wait long for either. */
const quick = "seal: { max_age: 50ms, max_silence: 2s }\n";

export interface Seen {
  readonly state: string;
  readonly head: { readonly block: number; readonly seq: number };
  readonly buffer: { readonly bytes: number };
  readonly files: readonly {
    readonly path: string;
    readonly size: number;
    readonly offset: number;
    readonly open: boolean;
    readonly state: string;
  }[];
}

export class Site {
  readonly rig: Rig;

  private constructor(rig: Rig) {
    this.rig = rig;
  }

  /** Nothing runs yet. `yaml` is more of the agent's configuration. */
  static async make(options: RigOptions & { readonly yaml?: string } = {}): Promise<Site> {
    const agentYaml = options.agentYaml ?? quick + (options.yaml ?? "");
    return new Site(await Rig.make({ ...options, agentYaml }));
  }

  async seen(): Promise<Seen> {
    return (await (await this.#get("status")).json()) as Seen;
  }

  /** The value of one series, as `name` or `name{label="…"}`. */
  async metric(series: string): Promise<number> {
    const text = await (await this.#get("metrics")).text();
    const line = text.split("\n").find((each) => each.startsWith(`${series} `));
    return Number(line?.slice(series.length));
  }

  /** Whether the agent is alive and ready, and what the latter's checks say. */
  async health(): Promise<{ alive: boolean; ready: boolean; text: string }> {
    const [alive, ready] = [await this.#get("livez"), await this.#get("readyz")];
    return { alive: alive.ok, ready: ready.ok, text: await ready.text() };
  }

  #get(path: string): Promise<Response> {
    return fetch(`${this.rig.agentUrl}/${path}`, { signal: AbortSignal.timeout(5000) });
  }

  /** Waits until `done`, which may fail for as long as it likes before. */
  async until(what: string, done: () => Promise<boolean>, ms = 60_000): Promise<void> {
    for (const end = Date.now() + ms; Date.now() < end; await pause(100)) {
      if (await done().catch(() => false)) return;
    }
    assert.fail(`not within ${ms} ms: ${what}\n${this.rig.said.slice(-3000)}`);
  }

  untilState(state: string, ms?: number): Promise<void> {
    return this.until(`state ${state}`, async () => (await this.seen()).state === state, ms);
  }

  /** The diagnostics that carry a code. */
  diagnostics(code: string): string[] {
    return this.rig.said.split("\n").filter((line) => line.includes(`"${code}"`));
  }

  /**
   * Stops everything; each file's bytes, as they should be, are sealed exactly once under its name,
   * and nothing worse than a remark is found. Returns the codes of the remarks.
   */
  async assertWhole(want: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
    const { rig } = this;
    await rig.caughtUp(60_000);
    assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0, rig.said.slice(-3000));
    await rig.stop(rig.vault, "SIGTERM");
    const { reports, findings, bytes } = await rig.verify();
    const codes = findings.map(({ code }) => code);
    assert.deepEqual(
      codes.filter((code) => findingClasses[code] !== "finding"),
      [],
    );
    assert.equal(reports.length, 1);
    for (const [name, content] of want) {
      const sealed = [...bytes].filter(([key]) => key.startsWith(`${name}#`));
      const joined = Buffer.concat(sealed.flatMap(([, parts]) => parts));
      assert.ok(joined.equals(content), `${name}: ${joined.length} of ${content.length} bytes`);
    }
    return codes;
  }

  /** Verifies the store, and hands over every sealed span: its file's inode, bytes and seq. */
  async eachSpan(take: (ino: string, bytes: Uint8Array, seq: number) => void): Promise<void> {
    const { rig } = this;
    const names = new Map<string, string>();
    const worse: string[] = [];
    for (const chain of (await readDirStore(files, rig.storeDir).contents()).chains) {
      await verifyChain(chain, {
        suite,
        roots: [rig.root],
        vaults: pairVaultKeys(rig.vaultKeys),
        report: (finding) => {
          if (finding.class !== "finding") worse.push(`${finding.code}: ${finding.message}`);
        },
        onItem: (item, raw, seq) => {
          const bytes = raw.subarray(item.start, item.end);
          if (item.kind !== "span") return collectNames(bytes, names);
          const ino = /#([0-9]+)\.0$/.exec(names.get(item.source) ?? "")?.[1];
          take(ino ?? item.source, bytes, seq);
        },
      });
    }
    assert.deepEqual(worse, []);
  }

  /**
   * Every file in the log folder is sealed once and whole, and nothing else is. An empty one has
   * no source: the writer may end in the moment in which it rotates.
   */
  async assertFilesSealed(
    onSpan: (bytes: Uint8Array, seq: number) => void = () => {},
  ): Promise<void> {
    const sealed = new Map<string, Hash>();
    await this.eachSpan((ino, bytes, seq) => {
      const hash = sealed.get(ino) ?? createHash("sha256");
      sealed.set(ino, hash.update(bytes));
      onSpan(bytes, seq);
    });
    const names = readdirSync(this.rig.logs).filter(
      (name) => statSync(join(this.rig.logs, name)).size > 0,
    );
    for (const name of names) {
      const path = join(this.rig.logs, name);
      const hash = createHash("sha256");
      for await (const piece of createReadStream(path)) hash.update(piece);
      const found = sealed.get(String(statSync(path).ino))?.digest("hex");
      const what = `${name} is sealed once and whole\n${this.rig.said.slice(-3000)}`;
      assert.equal(found, hash.digest("hex"), what);
    }
    assert.equal(sealed.size, names.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]();
  }
}

/** Lines that cannot be compressed by much: about `bytes` of them. */
export function noise(bytes: number): string {
  let text = "";
  while (text.length < bytes) text += `${randomBytes(960).toString("base64")}\n`;
  return text;
}
