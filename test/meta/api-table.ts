// The vault's endpoints as the table that routes them, without a vault behind it.

import { endpoints } from "../../src/vault/api.ts";
import type { EndpointShape } from "../../src/vault/endpoint.ts";
import type { Intake } from "../../src/vault/intake.ts";
import { Reads, type ReadsOptions } from "../../src/vault/reads.ts";

export function apiTable(): readonly EndpointShape[] {
  return endpoints({} as Intake, new Reads({} as ReadsOptions), "0.0.0");
}
