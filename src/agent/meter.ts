// Pure. What sealing and buffering tell whoever measures: declared here, implemented by metrics.ts.

import type { ErrorCode } from "../core/errors.ts";

export interface Meter {
  /** A sync of the buffer took so many microseconds. */
  synced(micros: number): void;
  /** Signing a block did. */
  signed(micros: number): void;
  /** A write or sync of the buffer failed; undefined: with no error of ours. */
  walFailed(code: ErrorCode | undefined): void;
}
