// The window of the vault's machine: what an agent may read of its chains, on a road with moods.
//
// - Answers are those of the vault's own API; only the socket is missing.

import type { HttpAnswer, HttpAsker, HttpRequest } from "../../src/host/http-client.ts";
import type { LifeClock } from "./time.ts";
import { type Mood, peer, type VaultHost } from "./vault-host.ts";

/** What a request meets in these moods; in all others the vault answers. */
const statuses: Partial<Record<Mood, number>> = { throttled: 429, broken: 500, refusing: 403 };
const deaf: readonly Mood[] = ["away", "silent", "answer-lost", "request-cut"];

export class Window implements HttpAsker {
  readonly #host: VaultHost;
  readonly #clock: LifeClock;

  constructor(host: VaultHost, clock: LifeClock) {
    this.#host = host;
    this.#clock = clock;
  }

  async ask({ path, signal }: HttpRequest): Promise<HttpAnswer> {
    await this.#clock.sleep(2, signal);
    const { mood } = this.#host;
    const status = statuses[mood];
    if (status !== undefined) return answerOf(status, new Uint8Array(0));
    if (mood === "babbling") return answerOf(200, new TextEncoder().encode("welcome\n"));
    const answer = deaf.includes(mood) ? undefined : await this.#ask(path);
    if (answer === undefined) throw new Error("nobody answers");
    return answer;
  }

  /** As long as the vault lives: a dead one's connection ends. */
  async #ask(path: string): Promise<HttpAnswer | undefined> {
    const { vault, life } = this.#host;
    if (vault === undefined) return undefined;
    let over = false;
    const asked = (async () => {
      const response = await vault.fetch(new Request(`http://127.0.0.1${path}`), peer);
      const { status, headers } = response;
      const header = (name: string): string | undefined => headers.get(name) ?? undefined;
      return answerOf(status, new Uint8Array(await response.arrayBuffer()), header);
    })().finally(() => {
      over = true;
    });
    const death = (async () => {
      while (!over && life?.dead === false) await this.#clock.sleep(50);
      return undefined;
    })();
    return await Promise.race([asked, death]);
  }
}

function answerOf(
  status: number,
  bytes: Uint8Array,
  header: HttpAnswer["header"] = () => undefined,
): HttpAnswer {
  const body = (async function* () {
    yield bytes;
  })();
  return { status, header, body };
}
