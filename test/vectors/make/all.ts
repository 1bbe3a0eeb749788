// All vectors, by folder and name.

import { good } from "./good.ts";
import { grant } from "./grant.ts";
import { header } from "./header.ts";
import { order } from "./order.ts";
import { payload } from "./payload.ts";
import { receipt } from "./receipt.ts";
import { record } from "./record.ts";
import { retention } from "./retention.ts";
import { run } from "./run.ts";
import { signature } from "./signature.ts";
import { source } from "./source.ts";
import type { Vectors } from "./story.ts";
import { together } from "./together.ts";

export const folders: Readonly<Record<string, Vectors>> = {
  good,
  grant,
  header,
  order,
  payload,
  receipt,
  record,
  retention,
  run,
  signature,
  source,
  together,
};
