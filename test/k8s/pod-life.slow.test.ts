// A pod's life beside an agent: what the kubelet does to it, and what becomes of the app's lines.
//
// - The pod is the one that the chart renders; agent, vault and app are real processes.
// - OOM is played as what the kernel does: SIGKILL at a moment that nobody chose.

import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { findingClasses } from "../../src/core/fault.ts";
import { formatVerifierKey } from "../../src/core/note.ts";
import { Rig, type Sealed } from "../crash/rig.ts";
import { manifests, podsIn, Shop, noHelm as skip } from "../helm/helm.ts";
import { Kubelet } from "./kubelet.ts";

/** An app that logs now and then; what it does at SIGTERM is said by the test. */
const app = (atTerm: string): string => `
  const { appendFileSync } = require("fs");
  const log = (text) => appendFileSync(process.env.LOG, text + "\\n");
  let n = 0;
  log("app begins");
  setInterval(() => log("line " + n++), 100);
  process.on("SIGTERM", () => { ${atTerm} });
`;
const leave = 'log("app leaves"); process.exit(0);';
/** Logs for a second after it was told to stop. */
const linger = 'setTimeout(() => { log("app leaves"); process.exit(0); }, 1000);';
const migrate = 'require("fs").appendFileSync(process.env.LOG, "migrated\\n");';
const idle = 'setInterval(() => {}, 1000); process.on("SIGTERM", () => process.exit(0));';

interface World extends AsyncDisposable {
  readonly rig: Rig;
  readonly pod: Kubelet;
  /** Everything that the app wrote. */
  written(): string;
  /** Everything that is sealed, in the order of chains. */
  verify(): Promise<{ text: string; sealed: Sealed; worse: string[] }>;
}

async function world(script: string, ...settings: string[]): Promise<World> {
  const rig = await Rig.make({ maxChains: 100 });
  await rig.startVault();
  using shop = new Shop();
  const keys = rig.vaultKeys.map((key) => formatVerifierKey(key)).join(",");
  const rendered = await shop.render(
    ...[`sealtail.trust.vaultKeys={${keys}}`, "sealtail.sidecar.vault.tls.secret="],
    ...[`sealtail.sidecar.vault.url=${rig.vaultUrl}`, "sealtail.sidecar.name=rig"],
    ...["sealtail.sidecar.drainSeconds=5", "sealtail.sidecar.config.seal.max_age=50ms"],
    ...["sealtail.sidecar.config.sink.max_delay=50ms"],
    ...["sealtail.sidecar.logs.containers={migrate,app}", ...settings],
  );
  const [manifest] = podsIn(manifests(rendered));
  assert.ok(manifest !== undefined);
  const grant = {
    "grant.txt": join(rig.dir, "grant"),
    "grant.txt.key": join(rig.dir, "grant.key"),
  };
  const pod = await Kubelet.prepare(manifest, {
    dir: join(rig.dir, "pod"),
    secrets: { "shop-grant": grant },
    apps: { migrate, app: script, proxy: idle },
  });
  rig.agentUrl = pod.url;
  return {
    rig,
    pod,
    written: () => readFileSync(join(pod.volume("app-logs"), "app.log"), "utf8"),
    async verify() {
      await rig.stop(rig.vault, "SIGTERM");
      const sealed = await rig.verify();
      const parts = [...sealed.bytes.values()].flat();
      const text = Buffer.concat(parts.map((part) => Buffer.from(part))).toString();
      const found = sealed.findings.map(({ code }) => code);
      return { text, sealed, worse: found.filter((code) => findingClasses[code] !== "finding") };
    },
    async [Symbol.asyncDispose]() {
      await pod[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
    },
  };
}

const lastOf = (events: readonly string[], event: string): number => events.lastIndexOf(event);

test("the agent is up before anything of the app runs, and stops after it: every line is sealed", {
  skip,
}, async () => {
  await using play = await world(app(linger));
  const { pod } = play;
  await pod.start();
  assert.deepEqual(pod.events, [
    ...["started sealtail-agent", "up sealtail-agent"],
    ...["started migrate", "ended migrate 0", "started app", "started proxy"],
  ]);
  await pause(500);
  await pod.stop();
  assert.ok(lastOf(pod.events, "ended app 0") < lastOf(pod.events, "term sealtail-agent"));
  const { end, message } = pod.life("sealtail-agent");
  assert.equal(end, 0);
  assert.match(message, /^stopped; nothing left unsent; chain [0-9a-f]{64}, /);
  const { text, worse, sealed } = await play.verify();
  assert.equal(text, play.written());
  assert.match(text, /^migrated\napp begins\n[\s\S]*app leaves\n$/);
  assert.deepEqual(worse, []);
  assert.equal(sealed.reports.length, 1);
});

test("a vault that is away keeps no app from starting", { skip }, async () => {
  await using play = await world(app(leave));
  await play.rig.stop(play.rig.vault, "SIGTERM");
  await play.pod.start();
  assert.ok(play.pod.events.includes("started app"));
  await pause(300);
  await play.rig.startVault();
  await play.rig.caughtUp();
  await play.pod.stop();
  assert.equal((await play.verify()).text, play.written());
});

test("an app that ends first changes nothing for the agent, which seals its last line", {
  skip,
}, async () => {
  await using play = await world(
    'require("fs").appendFileSync(process.env.LOG, "crashing\\n"); process.exit(1);',
  );
  await play.pod.start();
  await play.pod.life("app").ended;
  assert.equal(play.pod.life("sealtail-agent").end, undefined);
  await play.pod.stop();
  assert.equal((await play.verify()).text, "migrated\ncrashing\n");
});

test("a Job is complete when its app is, with everything sealed", { skip }, async () => {
  await using play = await world(
    'require("fs").appendFileSync(process.env.LOG, "worked\\n");',
    "kind=Job",
  );
  const begun = Date.now();
  await play.pod.start();
  // The proxy of this pod ends too when it is told to; a Job waits for the app alone.
  play.pod.life("proxy").child.kill("SIGTERM");
  await play.pod.complete();
  assert.equal(play.pod.life("sealtail-agent").end, 0);
  assert.ok(Date.now() - begun < 20_000);
  const { text, worse } = await play.verify();
  assert.equal(text, "migrated\nworked\n");
  assert.deepEqual(worse, []);
});

test("a SIGTERM that comes late, in the last second of grace, still seals and ships the end", {
  skip,
}, async () => {
  const slow = linger.replace("1000", "2500");
  await using play = await world(app(slow));
  await play.pod.start();
  await play.pod.stop(3);
  const { end, message } = play.pod.life("sealtail-agent");
  assert.equal(end, 0);
  assert.match(message, /^stopped; nothing left unsent; /);
  assert.equal((await play.verify()).text, play.written());
});

test("a second SIGTERM ends the wait for a vault that is away, and says what is left unsent", {
  skip,
}, async () => {
  await using play = await world(app(leave));
  await play.pod.start();
  await play.rig.caughtUp();
  await play.rig.stop(play.rig.vault, "SIGTERM");
  await pause(500);
  await play.pod.stop(2);
  // Told twice: when the app had left, and when the grace period was over.
  const terms = play.pod.events.filter((event) => event === "term sealtail-agent");
  assert.equal(terms.length, 2);
  assert.ok(!play.pod.events.includes("kill sealtail-agent"));
  const { end, message } = play.pod.life("sealtail-agent");
  assert.equal(end, 0);
  assert.match(message, /^stopped; unsent blocks [1-9][0-9]*, unread bytes 0 in 0 files; chain /);
});

test("an app that uses up the grace period takes the agent with it; the pod says what was lost", {
  skip,
}, async () => {
  await using play = await world(app(""));
  const { pod, rig } = play;
  await pod.start();
  await rig.caughtUp();
  await pause(1500);
  // Held up by the machine, so that the two seconds are not enough.
  pod.life("sealtail-agent").child.kill("SIGSTOP");
  await pause(300);
  await pod.stop(1);
  assert.deepEqual([pod.life("app").end, pod.life("sealtail-agent").end], ["SIGKILL", "SIGKILL"]);
  // Written while it could still write: where the chain stood, for who asks the vault for it.
  const { message } = pod.life("sealtail-agent");
  const [, chain, next] =
    /; chain ([0-9a-f]{64}), next block (\d+), seq \d+\n$/.exec(message) ?? [];
  assert.match(message, /^running; /);
  const { text, worse, sealed } = await play.verify();
  assert.deepEqual(worse, []);
  // What is there is a beginning of what was written: nothing is out of order, nothing made up.
  assert.ok(play.written().startsWith(text) && text.length < play.written().length);
  const [report] = sealed.reports;
  assert.equal(report?.chain, chain);
  assert.ok(Number(next) > 0);
});

test("an agent that is killed for memory is started again and goes on with its chain", {
  skip,
}, async () => {
  await using play = await world(app(leave));
  const { pod, rig } = play;
  await pod.start();
  await rig.caughtUp();
  await rig.stop(rig.vault, "SIGTERM");
  await pause(1500);
  const { message } = await pod.killForMemory("sealtail-agent");
  assert.match(message, /^running; unsent blocks [1-9]/);
  await rig.startVault();
  await rig.caughtUp();
  assert.equal(pod.events.filter((event) => event === "started sealtail-agent").length, 2);
  await pod.stop();
  const { text, worse, sealed } = await play.verify();
  assert.equal(text, play.written());
  assert.deepEqual(worse, []);
  assert.equal(sealed.reports.length, 1);
});

test("an agent killed for memory while the pod stops is not started again: its message remains", {
  skip,
}, async () => {
  await using play = await world(app(linger));
  const { pod, rig } = play;
  await pod.start();
  await rig.caughtUp();
  await rig.stop(rig.vault, "SIGTERM");
  await pause(1500);
  const stopping = pod.stop();
  await pause(200);
  const { message } = await pod.killForMemory("sealtail-agent");
  await stopping;
  assert.match(message, /^running; unsent blocks [1-9]/);
  assert.equal(pod.events.filter((event) => event === "started sealtail-agent").length, 1);
});

test("a classic agent reads on while the app stops, and is told to stop after it", {
  skip,
}, async () => {
  await using play = await world(
    app(linger),
    ...["sealtail.sidecar.mode=classic", "sealtail.sidecar.classicPauseSeconds=3"],
  );
  const { pod } = play;
  await pod.start();
  // Nothing says in which order containers start: what was there before the agent is read, too.
  appendFileSync(join(pod.volume("app-logs"), "app.log"), "from somewhere\n");
  await play.rig.caughtUp();
  await pod.stop();
  assert.ok(lastOf(pod.events, "ended app 0") < lastOf(pod.events, "term sealtail-agent"));
  assert.equal(pod.life("sealtail-agent").end, 0);
  const { text } = await play.verify();
  assert.equal(text, play.written());
});
