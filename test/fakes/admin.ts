// An operator who may acknowledge: a grant with role admin and its key.

import {
  type AcknowledgementTerms,
  formatAcknowledgement,
} from "../../src/core/acknowledgement.ts";
import { formatGrant, type GrantTerms } from "../../src/core/grant.ts";
import { formatNote } from "../../src/core/note.ts";
import { testRoot, testTime, testVault } from "./chain-builder.ts";
import { fixedBytes, NoteSigner } from "./signers.ts";

export class Admin {
  readonly signer: NoteSigner;
  readonly grant: Uint8Array;

  constructor(terms: Partial<GrantTerms> = {}, root: NoteSigner = testRoot) {
    this.signer = new NoteSigner(terms.subject ?? "alice");
    const text = formatGrant({
      ...{ id: fixedBytes("admin", 16), role: "admin", subject: "alice", sources: [] },
      ...{ audience: testVault.name, notBefore: testTime - 3600, notAfter: testTime + 1e9 },
      ...{ maxChains: 1, maxSilenceMs: 60_000, key: this.signer.key.publicKey, ...terms },
    });
    this.grant = Buffer.from(formatNote(text, [root.sign(text)]));
  }

  /** A signed statement; `bend` changes its text before it is signed. */
  says(
    terms: Pick<AcknowledgementTerms, "chain" | "code" | "below"> & Partial<AcknowledgementTerms>,
    bend: (text: string) => string = (text) => text,
  ): Uint8Array {
    const time = Math.floor(Date.now() / 1000);
    const whole = { audience: testVault.name, time, reason: "looked into", ...terms };
    const text = bend(formatAcknowledgement(whole, this.grant));
    return Buffer.from(formatNote(text, [this.signer.sign(text)]));
  }
}
