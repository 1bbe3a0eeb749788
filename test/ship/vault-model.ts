// A vault in memory, honest unless told otherwise: what it stores, what it answers.

import { equalBytes, readU64 } from "../../src/core/bytes.ts";
import { blockHash } from "../../src/core/header.ts";
import { rootOf } from "../../src/core/tree.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import type { Answer, Sink, Submission } from "../../src/ship/sink.ts";
import { VaultSigner } from "./chain.ts";

export class VaultModel implements Sink {
  readonly signer: VaultSigner = new VaultSigner();
  stored: Uint8Array[] = [];
  /** Every request: first block, number of blocks, whether it carried a grant. */
  readonly requests: { from: number; count: number; grant: boolean; bytes: number }[] = [];
  /** Answers to give instead of honest ones, first come first; undefined is an honest one. */
  script: (Answer | undefined | ((sent: Submission) => Answer | undefined))[] = [];
  /** Given when the script is empty, for ever. */
  always: Answer | undefined;
  /** Holds requests back until it resolves. */
  gate: Promise<void> | undefined;
  time = 1_700_000_000;
  certificateNotAfter: number | undefined;

  async post(sent: Submission, signal: AbortSignal): Promise<Answer> {
    const from = readU64(sent.blocks[0]!, 48);
    const bytes = sent.blocks.reduce((sum, block) => sum + block.length, 0);
    const grant = sent.grant !== undefined;
    this.requests.push({ from, count: sent.blocks.length, grant, bytes });
    const cut = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    if (this.gate !== undefined) await Promise.race([this.gate, cut]);
    if (signal.aborted) return { outcome: "timeout", code: "aborted" };
    const next = this.script.length > 0 ? this.script.shift() : this.always;
    const scripted = typeof next === "function" ? next(sent) : next;
    return scripted ?? this.take(sent);
  }

  take({ chainId, blocks }: Submission): Answer {
    const from = readU64(blocks[0]!, 48);
    if (from > this.stored.length) return this.wrongHead();
    for (const [index, block] of blocks.entries()) {
      const held = this.stored[from + index];
      if (held && !equalBytes(held, block)) return { outcome: "fork", code: "fork" };
      // The sender gives its memory back.
      if (!held) this.stored.push(block.slice());
    }
    return { outcome: "receipt", code: "receipt", note: this.receipt(chainId) };
  }

  root(size: number): Uint8Array {
    const leaves = this.stored.slice(0, size).map((block) => blockHash(nativeSuite, block));
    return rootOf(nativeSuite, leaves);
  }

  receipt(chainId: string, size: number = this.stored.length): Uint8Array {
    this.time += 1;
    return this.signer.receipt(chainId, size, this.root(size), this.time);
  }

  wrongHead(): Answer {
    const size = this.stored.length;
    return { outcome: "wrong-head", code: "wrong-head", size, root: this.root(size) };
  }

  async close(): Promise<void> {}
}
