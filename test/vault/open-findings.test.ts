// The list of what is open: what it costs, what closes it, and when blocks come twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import { listedMax, OpenFindings } from "../../src/vault/open-findings.ts";
import { type Finding, finding } from "../../src/verify/finding.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { FakeFiles } from "../fakes/files.ts";

const chain = "ab".repeat(32);
const path = "/findings.ndjson";

async function openIndex(files: FakeFiles): Promise<OpenFindings> {
  const findings = new OpenFindings({ files, diag: new RecordingDiag(), path });
  await findings.load(() => true);
  return findings;
}

function downtime(block: number): Finding {
  return finding("DOWNTIME", "for a test", { block });
}

/** Notes blocks [from, to), each with a finding. */
function note(findings: OpenFindings, from: number, to: number): void {
  const found = Array.from({ length: to - from }, (_, i) => downtime(from + i));
  findings.note(chain, { from, to, findings: found, stopped: false });
}

function open(findings: OpenFindings): number {
  return findings.counts().find(({ kind }) => kind.code === "DOWNTIME")?.count ?? -1;
}

test("an agent with a finding in every block costs the vault no more than a list of some, and is counted whole", async () => {
  const files = new FakeFiles();
  const findings = await openIndex(files);
  for (let from = 0; from < 50_000; from += 1000) note(findings, from, from + 1000);
  await findings.save();
  assert.ok(((await files.stat(path))?.size ?? 0) < 16 * listedMax);
  for (const each of [findings, await openIndex(files)]) {
    assert.equal(open(each), 50_000);
    const [{ blocks, earlier } = {}] = each.of(chain);
    assert.deepEqual([blocks?.length, blocks?.at(-1), earlier], [listedMax, 49_999, 49_900]);
  }
});

test("an acknowledgement closes none that it may not mean, and all that it covers", async () => {
  const findings = await openIndex(new FakeFiles());
  note(findings, 0, 1000);
  findings.acknowledge(chain, "DOWNTIME", 500, 0);
  assert.equal(open(findings), 1000, "which of the first 900 are below 500 is not known");
  findings.acknowledge(chain, "DOWNTIME", 950, 0);
  assert.equal(open(findings), 50);
  findings.acknowledge(chain, "DOWNTIME", 1000, 0);
  assert.equal(open(findings), 0);
  note(findings, 1000, 1003);
  assert.equal(open(findings), 3);
});

test("blocks that are noted once more count once; if too much is cut off, all is looked at again", async () => {
  const findings = await openIndex(new FakeFiles());
  note(findings, 0, 1000);
  note(findings, 990, 1005);
  assert.deepEqual([open(findings), findings.looked(chain)], [1005, 1005]);
  findings.cut(chain, 950);
  assert.deepEqual([open(findings), findings.looked(chain)], [950, 950]);
  findings.cut(chain, 20);
  assert.deepEqual([open(findings), findings.looked(chain)], [0, 0]);
  note(findings, 20, 30);
  assert.deepEqual([open(findings), findings.looked(chain)], [0, 0], "the background comes by");
});
