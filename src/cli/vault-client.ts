// Opens the address of a vault, or of an agent's or vault's metrics, for the command line.

import { SealtailError } from "../core/errors.ts";
import { printable } from "../core/printable.ts";
import { readAuthorities } from "../host/client-tls.ts";
import { systemClock } from "../host/clock.ts";
import { systemFiles } from "../host/files.ts";
import { HttpClient } from "../host/http-client.ts";
import { HttpReader } from "../host/http-reader.ts";

export interface ClientLimits {
  /** Longest wait for a connection and for the next byte, milliseconds. */
  readonly idleMs: number;
  /** Longest time for a whole answer, milliseconds. */
  readonly answerMs: number;
  /** How often a busy vault is asked, and the longest wait in between. */
  readonly tries: number;
  readonly waitMsMax: number;
}

const clientLimits: ClientLimits = {
  idleMs: 30_000,
  answerMs: 300_000,
  tries: 4,
  waitMsMax: 10_000,
};

/** Objects are read side by side. */
const connections = 4;

/** A metrics address as a URL: HOST:PORT is short for http://HOST:PORT. */
export function metricsUrl(address: string): string {
  return address.includes("://") ? address : `http://${address}`;
}

export class VaultClient extends HttpReader {
  readonly #http: HttpClient;

  private constructor(url: string, ca: string | undefined, limits: ClientLimits, who: string) {
    const { idleMs, answerMs: until, tries, waitMsMax } = limits;
    const waits = { connectTimeoutMs: idleMs, headersTimeoutMs: idleMs, bodyTimeoutMs: idleMs };
    const tls = ca === undefined ? {} : { ca };
    const http = new HttpClient({ url, waits, tls, connections });
    super(http, { url, who, clock: systemClock, tries, waitMsMax, until });
    this.#http = http;
  }

  /** `ca` is the path of a PEM file. Throws source-unusable for what is no vault's address. */
  static async open(
    address: string,
    ca: string | undefined,
    limits: ClientLimits = clientLimits,
    who = "the vault",
  ): Promise<VaultClient> {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    const usable = url?.search === "" && url.hash === "" && url.username === "";
    if (!usable || !/^https?:$/.test(url.protocol)) {
      const message = `this is no address of ${who}: want http://HOST:PORT or https://HOST:PORT`;
      throw new SealtailError("source-unusable", message, {
        place: printable(address).replace(/(:\/\/)[^/@]*@/, "$1***@"),
      });
    }
    const pem = ca === undefined ? undefined : await readAuthorities(systemFiles, ca);
    return new VaultClient(url.href.replace(/\/+$/, ""), pem, limits, who);
  }

  async close(): Promise<void> {
    await this.#http.close();
  }
}
