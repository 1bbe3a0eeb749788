// A chain of 1,030 blocks whose older payloads were deleted: heads, and the newest objects.

import type { ChainBuilder } from "../../fakes/chain-builder.ts";
import { blocksName } from "../../fakes/chain-store.ts";
import { type Story, type Vectors, vector } from "./story.ts";

function longChain(story: Story): ChainBuilder {
  const chain = story.chain();
  chain.go(1023);
  chain.seal([chain.snapshot(), chain.line()]);
  chain.go(5);
  story.store(chain, { perObject: 1024 });
  story.files.delete(blocksName(`chains/${chain.name}`, 0));
  return chain;
}

export const retention: Vectors = {
  "payloads-deleted": vector(
    "store.md, Retention",
    "Heads are left of 1,024 blocks; the next one holds a snapshot.",
    (story) => {
      longChain(story);
      story.expect("INCOMPLETE", ["PAYLOAD_MISSING", 0, undefined, { blocks: 1024 }]);
    },
  ),
};
