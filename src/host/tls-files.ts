// Reads a certificate and its private key from PEM files, and refuses what could not serve.
//
// - Errors name the file, never what it holds.
// - Dates are judged here, at start and at renewal: an expired certificate fails loudly, not later
//   at every client.

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { SealtailError } from "../core/errors.ts";
import { errnoOf } from "./file-error.ts";

export interface TlsFiles {
  /** PEM: the certificate, then those above it. */
  readonly cert: string;
  /** PEM: its private key, without a passphrase. */
  readonly key: string;
}

export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** When the certificate ends, in Unix microseconds. */
  readonly notAfter: number;
}

/**
 * `now` is in Unix microseconds. Throws tls-file-unreadable, tls-file-invalid or
 * certificate-expired, each with the file as its place.
 */
export async function readTlsFiles(files: TlsFiles, now: number): Promise<TlsMaterial> {
  const [cert, key] = await Promise.all([read(files.cert), read(files.key)]);
  const leaf = parse(files.cert, "a PEM certificate", () => new X509Certificate(cert));
  const secret = parse(files.key, "a PEM private key without a passphrase", () =>
    createPrivateKey(key),
  );
  if (!belongs(leaf, secret)) {
    const message = `the private key does not belong to the certificate ${files.cert}`;
    throw new SealtailError("tls-file-invalid", message, { place: files.key });
  }
  const [notBefore, notAfter] = [leaf.validFromDate, leaf.validToDate].map(
    (date) => date.getTime() * 1000,
  ) as [number, number];
  if (now < notBefore || now > notAfter) {
    const span = `${leaf.validFromDate.toISOString()} to ${leaf.validToDate.toISOString()}`;
    const message = `the certificate is valid from ${span}, want now within`;
    throw new SealtailError("certificate-expired", message, { place: files.cert });
  }
  return { cert, key, notAfter };
}

/** Throws tls-file-invalid unless `text` holds PEM certificates, each of them whole. */
export function assertAuthorities(text: string, path: string): void {
  const begins = text.split("-----BEGIN CERTIFICATE-----").slice(1);
  if (begins.length === 0) throw notPem(path, "a PEM certificate");
  for (const rest of begins) {
    parse(path, "PEM certificates, each of them whole", () => {
      return new X509Certificate(`-----BEGIN CERTIFICATE-----${rest}`);
    });
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const message = `couldn't read the TLS file (${errnoOf(cause) ?? "unknown reason"})`;
    throw new SealtailError("tls-file-unreadable", message, { place: path, cause });
  }
}

function parse<T>(path: string, want: string, make: () => T): T {
  try {
    return make();
  } catch {
    // The cause could quote what the file holds.
    throw notPem(path, want);
  }
}

function notPem(path: string, want: string): SealtailError {
  return new SealtailError("tls-file-invalid", `the TLS file is not ${want}`, { place: path });
}

function belongs(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    return false;
  }
}
