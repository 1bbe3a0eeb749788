// SHA-256 over bytes as they come, that can be asked at any moment.

import { createHash, type Hash } from "node:crypto";

export class RunningHash {
  readonly #hash: Hash = createHash("sha256");

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Of all bytes so far, in hex. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}
