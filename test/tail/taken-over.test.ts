// What was seen of files while a chain was waited for, before it was known where they stand: it is
// sealed, or it lies in a gap of the chain that goes on.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ResumeOptions } from "../../src/tail/item.ts";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const log = "/log/app.log";
const first = "a first generation\n";

class Waiting {
  readonly files: FakeFiles = new FakeFiles();
  reader!: Reader;
  #resume: readonly ResumeOptions[] = [];

  /** A log of which all was read: the agent ends, and its state is lost. */
  static async begin(content = first): Promise<Waiting> {
    const waiting = new Waiting();
    const { files } = waiting;
    files.put(log, content);
    const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
    waiting.reader = reader;
    await reader.pull();
    waiting.#resume = reader.resume(reader.tail.lastBytes());
    await reader.tail.close();
    return waiting;
  }

  /** Rotates by copying and cutting; earlier copies move on. */
  copyAndCut(): void {
    if (this.files.node(`${log}.1`)) this.files.move(`${log}.1`, `${log}.2`);
    this.files.put(`${log}.1`, this.files.bytes(log));
    this.files.cut(log, 0);
  }

  /** The agent begins again, and knows of no file where it stands. */
  async wait(known: readonly ResumeOptions[] = []): Promise<void> {
    await this.reader.open({ resume: known, firstStart: false });
    await this.look();
  }

  async look(): Promise<void> {
    await this.reader.tail.wait(1_000);
    await this.reader.tail.wait(1_000);
    await this.reader.tail.wait(1_000);
  }

  /** Now the vault tells. */
  async goOn(resume: readonly ResumeOptions[] = this.#resume): Promise<void> {
    await this.reader.tail.goOn({ resume, firstStart: false, scope: () => true });
  }

  /** What was stated and read since. */
  async end(): Promise<{ said: string[]; lines: string[] }> {
    for (let left = 5; left > 0; left -= 1) await this.reader.pullFor(1_000);
    return { said: this.reader.said().slice(1), lines: this.reader.lines().slice(1) };
  }
}

const lost = { said: ["gap truncated", "source"], lines: ["new"] };

test("a content that was seen and cut while a chain was waited for is a gap of that chain", async () => {
  for (const seenEmpty of [true, false]) {
    const waiting = await Waiting.begin();
    waiting.copyAndCut();
    if (!seenEmpty) waiting.files.append(log, "between\n");
    await waiting.wait();
    if (seenEmpty) waiting.files.append(log, "between\n");
    await waiting.look();
    waiting.copyAndCut();
    waiting.files.append(log, "new\n");
    await waiting.look();
    await waiting.goOn();
    assert.deepEqual(await waiting.end(), lost, `${seenEmpty}`);
  }
});

test("a content that was seen while a chain was waited for, and cut before it was read, is a gap", async () => {
  for (const seenEmpty of [true, false]) {
    const waiting = await Waiting.begin();
    waiting.copyAndCut();
    if (!seenEmpty) waiting.files.append(log, "between\n");
    await waiting.wait();
    if (seenEmpty) waiting.files.append(log, "between\n");
    await waiting.look();
    await waiting.goOn();
    waiting.copyAndCut();
    waiting.files.append(log, "new\n");
    assert.deepEqual(await waiting.end(), lost, `${seenEmpty}`);
  }
});

test("a content that a longer or equally long one took the place of while a chain was waited for is a gap", async () => {
  for (const before of [true, false]) {
    for (const between of ["between\n", "one\n", "two\n"]) {
      const waiting = await Waiting.begin();
      waiting.copyAndCut();
      await waiting.wait();
      waiting.files.append(log, between);
      await waiting.look();
      if (!before) await waiting.goOn();
      waiting.files.put(log, "new\n");
      if (before) {
        await waiting.look();
        await waiting.goOn();
      }
      assert.deepEqual(await waiting.end(), lost, `${between} ${before}`);
    }
  }
});

test("a content that was cut while a chain was waited for is a gap where an older one is read from its copy", async () => {
  const waiting = await Waiting.begin();
  waiting.files.append(log, "rest\n");
  await waiting.wait();
  waiting.copyAndCut();
  waiting.files.append(log, "between them, and longer than all\n");
  await waiting.look();
  waiting.copyAndCut();
  waiting.files.append(log, "new\n");
  await waiting.look();
  await waiting.goOn();
  assert.deepEqual(await waiting.end(), { ...lost, lines: ["rest", "new"] });
});

test("nothing is missing where a file was only copied and cut while a chain was waited for", async () => {
  for (const rest of ["", "rest\n"]) {
    for (const next of ["new\n", "new, and longer than all that was there before\n"]) {
      const waiting = await Waiting.begin();
      waiting.files.append(log, rest);
      await waiting.wait();
      waiting.copyAndCut();
      waiting.files.append(log, next);
      await waiting.look();
      await waiting.goOn();
      const lines = [...(rest === "" ? [] : ["rest"]), next.trimEnd()];
      const said = ["end restarted", "source"];
      assert.deepEqual(await waiting.end(), { said, lines }, `${rest} ${next}`);
    }
  }
});

test("a file that grew since it was found is read on where the next chain has it", async () => {
  const waiting = await Waiting.begin("on");
  const { files, reader } = waiting;
  await waiting.wait();
  await reader.pullFor(70_000);
  files.append(log, "e\ntwo\n");
  await reader.pullFor(3_000);
  const [item] = reader.resume();
  assert.ok(item !== undefined);
  await waiting.goOn([{ ...item, offset: 4 }]);
  reader.table.restore([{ record: item.record as never, offset: 4 }]);
  const before = reader.said().length;
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said().slice(before), []);
  assert.equal(reader.lines().at(-1), "two");
});

test("what was read and cut is a gap of a chain that does not hold it", async () => {
  const waiting = await Waiting.begin();
  const { files, reader } = waiting;
  await waiting.wait();
  await waiting.goOn();
  await reader.pullFor(3_000);
  files.append(log, "read\n");
  await reader.pullFor(3_000);
  waiting.copyAndCut();
  files.append(log, "between\n");
  await waiting.look();
  waiting.copyAndCut();
  await waiting.look();
  const [item] = reader.resume();
  assert.ok(item !== undefined);
  await waiting.goOn([{ ...item, offset: first.length, lastBytes: undefined }]);
  reader.table.restore([{ record: item.record as never, offset: first.length }]);
  files.append(log, "new\n");
  assert.deepEqual((await waiting.end()).said, lost.said);
});
