// The vault's endpoints as the table that routes them, without a vault behind it.

import { type ApiParts, endpoints } from "../../src/vault/api.ts";
import type { EndpointShape } from "../../src/vault/endpoint.ts";
import { Reads, type ReadsOptions } from "../../src/vault/reads.ts";
import { StoreReads, type StoreReadsOptions } from "../../src/vault/store-reads.ts";

export function apiTable(): readonly EndpointShape[] {
  const reads = new Reads({} as ReadsOptions);
  const storeReads = new StoreReads({} as StoreReadsOptions);
  return endpoints({ reads, storeReads } as ApiParts, "0.0.0");
}
