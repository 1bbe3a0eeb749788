// The offer: whether a vault may hold a chain of which it never gave a receipt.
//
// - The file is there before the first block leaves. It goes when the session ends and every answer
//   said for certain that nothing was taken: then no later chain needs to ask, or to name this one.

import { unlinkIfPresent, writeFileDurably } from "../host/durable.ts";
import { parentOf } from "../host/file-error.ts";
import type { Files } from "../host/files.ts";
import type { Answer, Sink, Submission } from "../ship/sink.ts";

/** Failures before a request can have reached anybody. */
const unsent: readonly string[] = ["connection-refused", "dns", "proxy", "network-unreachable"];

export class Offer implements Sink {
  readonly #sink: Sink;
  readonly #files: Files;
  readonly #path: string;
  #uncertain: boolean;

  private constructor(sink: Sink, files: Files, path: string, uncertain: boolean) {
    this.#sink = sink;
    this.#files = files;
    this.#path = path;
    this.#uncertain = uncertain;
  }

  /** `known`: a receipt says that the vault holds it, and nothing is written down. */
  static async open(sink: Sink, files: Files, path: string, known: boolean): Promise<Offer> {
    const before = (await files.stat(path)) !== undefined;
    if (!before && !known) await writeFileDurably(files, path, new Uint8Array(0));
    return new Offer(sink, files, path, before || known);
  }

  get certificateNotAfter(): number | undefined {
    return this.#sink.certificateNotAfter;
  }

  async post(submission: Submission, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#sink.post(submission, signal);
    if (!leftNothing(answer)) this.#uncertain = true;
    return answer;
  }

  /** After the last request. */
  async settle(): Promise<void> {
    if (this.#uncertain) return;
    await unlinkIfPresent(this.#files, this.#path);
    await this.#files.syncDir(parentOf(this.#path));
  }

  /** The sink stays open: other chains use it. */
  async close(): Promise<void> {}
}

function leftNothing({ outcome, code }: Answer): boolean {
  if (outcome === "transport") return unsent.includes(code);
  return outcome === "refused" || outcome === "local";
}
