// What is learnt of a file while it is opened: each look at its size counts.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Path } from "../../src/host/file-error.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import type { FileCall } from "../fakes/open-file.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const log = "/log/app.log";

/** Calls `at` before each look at the log's size, with how many there were. */
class Looks extends FaultyFiles {
  at: (looks: number) => void = () => {};
  #looks = 0;

  override do<T>(
    call: FileCall,
    path: Path,
    work: () => Promise<T>,
    half?: () => Promise<unknown>,
  ): Promise<T> {
    if (call === "stat" && String(path) === log) {
      this.at(this.#looks);
      this.#looks += 1;
    }
    return super.do(call, path, work, half);
  }
}

test("what two looks at a file saw is a gap if it is gone at the third, also while it is opened", async () => {
  for (let first = 1; first < 8; first += 1) {
    const disk = new FakeFiles();
    disk.put("/log/.keep", "");
    const files = new Looks(disk);
    const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
    disk.put(log, "one\n");
    files.at = (looks) => {
      if (looks === first) disk.append(log, "two\n");
      if (looks === first + 2) disk.put(log, "12345\n");
    };
    await reader.tail.wait(5_000);
    await reader.pullFor(20_000);
    assert.deepEqual(reader.lines(), ["12345"], `look ${first}`);
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"], `look ${first}`);
  }
});
