// Self-signed certificates for tests, made with node's own crypto: no openssl is needed.

import { generateKeyPairSync, sign } from "node:crypto";

export interface TestCertificate {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

/** An Ed25519 certificate for `host` and, if that is localhost, 127.0.0.1, valid between two dates. */
export function makeCertificate(
  notBefore: Date,
  notAfter: Date,
  host = "localhost",
): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const ed25519 = der(0x30, oid(0x2b, 0x65, 0x70));
  const name = der(0x30, der(0x31, der(0x30, oid(0x55, 4, 3), der(0x0c, text("localhost")))));
  const address = host === "localhost" ? [der(0x87, Buffer.of(127, 0, 0, 1))] : [];
  const altNames = der(0x30, der(0x82, text(host)), ...address);
  const isAuthority = der(0x30, der(0x01, Buffer.of(0xff)));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1)),
    ed25519,
    name,
    der(0x30, time(notBefore), time(notAfter)),
    name,
    publicKey.export({ format: "der", type: "spki" }),
    der(
      0xa3,
      der(
        0x30,
        der(0x30, oid(0x55, 0x1d, 0x11), der(0x04, altNames)),
        der(0x30, oid(0x55, 0x1d, 0x13), der(0x01, Buffer.of(0xff)), der(0x04, isAuthority)),
      ),
    ),
  );
  const signature = sign(null, body, privateKey);
  const whole = der(0x30, body, ed25519, der(0x03, Buffer.of(0), signature));
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    cert: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
    key: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
  };
}

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function oid(...bytes: number[]): Buffer {
  return der(0x06, Buffer.from(bytes));
}

function text(value: string): Buffer {
  return Buffer.from(value, "ascii");
}

function time(date: Date): Buffer {
  return der(0x18, text(`${date.toISOString().replace(/[-:T]|\.\d+/g, "")}`));
}
