// A reporter for `npm test`: what failed or was skipped, in full, and the closing lines.
//
// - It leaves out only what passed: everything else goes to node's own `spec` reporter as it is.

import { Readable } from "node:stream";
import { spec, type TestEvent } from "node:test/reporters";

const quiet = new Set<TestEvent["type"]>(["test:pass", "test:start", "test:stdout"]);

async function* loud(source: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const item of source) {
    const skipped = item.type === "test:pass" && item.data.skip !== undefined;
    if (skipped || !quiet.has(item.type)) yield item;
  }
}

// biome-ignore lint/style/noDefaultExport: node asks a reporter for its default export.
export default async function* shortReporter(
  source: AsyncIterable<TestEvent>,
): AsyncGenerator<string, void> {
  for await (const text of Readable.from(loud(source)).pipe(spec())) yield String(text);
}
