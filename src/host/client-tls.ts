// The TLS files of an HTTP client: read when first needed, and again whenever they change on disk.
//
// - A renewal that cannot be used (half written, key and certificate no pair) leaves the old files
//   in force and is tried again; without old ones there is no connection.
// - Errors name the file, never what it holds.

import { SealtailError } from "../core/errors.ts";
import type { Clock } from "./clock.ts";
import type { Diag } from "./diag.ts";
import { readWhole } from "./durable.ts";
import { errnoOf } from "./file-error.ts";
import type { Files } from "./files.ts";
import { assertAuthorities, readTlsFiles } from "./tls-files.ts";

export interface ClientTlsPaths {
  /** PEM: who may have signed the server's certificate, instead of the system's authorities. */
  readonly ca?: string | undefined;
  /** PEM: our certificate; goes with key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface ClientTlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface ClientTlsOptions {
  readonly files: Files;
  readonly clock: Pick<Clock, "now">;
  readonly diag: Diag;
  readonly paths: ClientTlsPaths;
}

const caBytesMax = 4 * 1024 * 1024;

export class ClientTls {
  readonly #options: ClientTlsOptions;
  #material: ClientTlsMaterial | undefined;
  /** What the files looked like when `#material` was read. */
  #stamp = "";
  #notAfter: number | undefined;
  /** A failed renewal is said once, not at every attempt. */
  #refusedStamp = "";

  constructor(options: ClientTlsOptions) {
    this.#options = options;
  }

  /** When our certificate ends, in Unix microseconds; undefined without one. */
  get notAfter(): number | undefined {
    return this.#notAfter;
  }

  /**
   * What to connect with: the same object until the files change. Throws tls-file-unreadable,
   * tls-file-invalid or certificate-expired while there is nothing usable yet.
   */
  async current(): Promise<ClientTlsMaterial> {
    // Stamped before it is read: a change in between is seen the next time.
    const stamp = await this.#look();
    if (this.#material !== undefined && stamp === this.#stamp) return this.#material;
    try {
      this.#material = await this.#read();
      if (this.#stamp !== "") this.#options.diag.info("TLS files renewed");
      this.#stamp = stamp;
    } catch (error) {
      if (this.#material === undefined || !(error instanceof SealtailError)) throw error;
      if (stamp !== this.#refusedStamp) {
        this.#options.diag.warn("couldn't take up the changed TLS files", { cause: error });
      }
      this.#refusedStamp = stamp;
    }
    return this.#material;
  }

  async #look(): Promise<string> {
    const { ca, cert, key } = this.#options.paths;
    const marks = [ca, cert, key].map(async (path) => {
      const info = path === undefined ? undefined : await this.#options.files.stat(path);
      return info ? `${info.dev}:${info.ino}:${info.size}:${info.mtimeNs}` : "-";
    });
    return (await Promise.all(marks)).join(" ");
  }

  async #read(): Promise<ClientTlsMaterial> {
    const { clock, paths } = this.#options;
    const { ca, cert, key } = paths;
    const trusted = ca === undefined ? {} : { ca: await readAuthorities(this.#options.files, ca) };
    if (cert === undefined || key === undefined) return trusted;
    const pair = await readTlsFiles({ cert, key }, clock.now());
    this.#notAfter = pair.notAfter;
    return { ...trusted, cert: pair.cert.toString("latin1"), key: pair.key.toString("latin1") };
  }
}

/** PEM: who may have signed a server's certificate. Throws tls-file-unreadable or tls-file-invalid. */
export async function readAuthorities(files: Files, path: string): Promise<string> {
  const bytes = await readWhole(files, path, caBytesMax).catch((cause: unknown) => {
    throw unreadable(path, errnoOf(cause), cause);
  });
  if (bytes === undefined) throw unreadable(path, "ENOENT");
  const text = new TextDecoder("latin1").decode(bytes);
  assertAuthorities(text, path);
  return text;
}

function unreadable(path: string, errno = "unknown reason", cause?: unknown): SealtailError {
  const message = `couldn't read the certificate file (${errno})`;
  return new SealtailError("tls-file-unreadable", message, { place: path, cause });
}
