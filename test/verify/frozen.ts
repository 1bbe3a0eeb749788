// The frozen chain that attacks are tried on: 2 runs, 40 blocks, 3 sources, a gap, a final block.

import { ChainBuilder, type ChainSetup } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";

export function frozenChain(label = "frozen", setup: ChainSetup = {}): ChainBuilder {
  const chain = new ChainBuilder(label, setup);
  const app = chain.source("/var/log/app.log");
  const auth = chain.source("/var/log/auth.log");
  const web = chain.source("/var/log/web/access.log");
  const expected = (id: string): number => chain.sources.get(id)?.expected ?? 0;
  chain.begin([say(app.record), say(auth.record)]);
  for (let n = 1; n < 20; n++) {
    const items = [lines(app.id, `line ${n}\n`), lines(auth.id, `in ${n}\r\nout ${n}\n`)];
    if (n === 5) items.push(say({ type: "receipt", note: chain.receipt(4) }));
    if (n === 9) items.push(say(web.record), lines(web.id, "GET /\n"));
    chain.seal(items);
  }
  chain.stop();
  chain.restart([lines(app.id, "again\n")]);
  for (let n = 22; n < 39; n++) {
    const items = [lines(app.id, `line ${n}\n`), lines(web.id, `GET /${n}\n`)];
    if (n === 25) {
      items.push(
        say({
          type: "gap",
          source: auth.id,
          from: expected(auth.id),
          to: 1000,
          cause: "truncated",
        }),
      );
    }
    if (n === 30) items.push(say({ type: "receipt", note: chain.receipt(28) }));
    chain.seal(items);
  }
  chain.seal([lines(app.id, "last\n")], { kind: "final" });
  return chain;
}
