// The offer: whether a vault may hold a chain of which it never gave a receipt.
//
// - A mark says that no block ever reached anybody. It goes before the first block leaves, which
//   takes no room on a full disk, and comes back when every answer of a session said for certain
//   that nothing was taken. What is not known counts as sent: then the vault is asked.

import { isShortage } from "../core/errors.ts";
import { unlinkIfPresent, writeFileDurably } from "../host/durable.ts";
import { parentOf } from "../host/file-error.ts";
import type { Files } from "../host/files.ts";
import type { Answer, Sink, Submission } from "../ship/sink.ts";

/** Failures before a request can have reached anybody. */
const unsent: readonly string[] = ["connection-refused", "dns", "proxy", "no-route"];

export class Offer implements Sink {
  readonly #sink: Sink;
  readonly #files: Files;
  readonly #path: string;
  /** The mark is there. */
  #marked: boolean;
  #uncertain: boolean;

  private constructor(sink: Sink, files: Files, path: string, marked: boolean) {
    this.#sink = sink;
    this.#files = files;
    this.#path = path;
    this.#marked = marked;
    this.#uncertain = !marked;
  }

  static async open(sink: Sink, files: Files, path: string): Promise<Offer> {
    return new Offer(sink, files, path, (await files.stat(path)) !== undefined);
  }

  get certificateNotAfter(): number | undefined {
    return this.#sink.certificateNotAfter;
  }

  async post(submission: Submission, signal: AbortSignal): Promise<Answer> {
    if (this.#marked) {
      await unlinkIfPresent(this.#files, this.#path);
      await this.#files.syncDir(parentOf(this.#path));
      this.#marked = false;
    }
    const answer = await this.#sink.post(submission, signal);
    if (!leftNothing(answer)) this.#uncertain = true;
    return answer;
  }

  /** After the last request. */
  async settle(): Promise<void> {
    if (this.#uncertain || this.#marked) return;
    await writeFileDurably(this.#files, this.#path, new Uint8Array(0)).catch((error: unknown) => {
      // Then the vault is asked once more than needed.
      if (!isShortage(error)) throw error;
    });
  }

  /** The sink stays open: other chains use it. */
  async close(): Promise<void> {}
}

function leftNothing({ outcome, code }: Answer): boolean {
  if (outcome === "transport") return unsent.includes(code);
  return outcome === "refused" || outcome === "local";
}
