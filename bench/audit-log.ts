// Writes a log file of realistic audit lines, the same bytes for the same seed.
//
// - JSON lines of 150 to 260 bytes, about 200 on average: who did what to which object, from
//   where, with ids and addresses that hardly repeat, so that they compress as real ones do.

import { closeSync, openSync, writeSync } from "node:fs";

const services = ["payments", "ledger", "identity", "documents", "gateway"] as const;
const actions = [
  "login",
  "logout",
  "payment.approve",
  "payment.create",
  "refund.create",
  "document.read",
  "document.share",
  "role.grant",
  "token.issue",
  "config.change",
] as const;
const outcomes = ["ok", "ok", "ok", "ok", "ok", "ok", "denied", "error"] as const;
const regions = ["eu-west-1", "eu-central-1", "us-east-1"] as const;

/** Mulberry32: small, fast and good enough for sample data. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return (x ^ (x >>> 14)) >>> 0;
  };
}

/** Writes `lines` lines to `path` and returns how many bytes that were. */
export function writeAuditLog(path: string, lines: number, seed: number): number {
  const next = randomNumbers(seed);
  const pick = <T>(values: readonly T[]): T => values[next() % values.length] as T;
  const hex8 = (): string => next().toString(16).padStart(8, "0");
  const file = openSync(path, "wx");
  let [bytes, text, time] = [0, "", 1_760_000_000_000];
  try {
    for (let line = 1; line <= lines; line++) {
      time += next() % 7;
      const user = `u-${10_000 + (next() % 20_000)}`;
      const ticket = `"ticket OPS-${next() % 100_000} by ${pick(services)}"`;
      const note = next() % 4 === 0 ? `,"reason":${ticket}` : "";
      text +=
        `{"ts":"${new Date(time).toISOString()}","svc":"${pick(services)}",` +
        `"act":"${pick(actions)}","actor":"${user}","object":"acct/${next() % 5_000_000}",` +
        `"res":"${pick(outcomes)}","ip":"10.${next() % 64}.${next() % 256}.${next() % 256}",` +
        `"region":"${pick(regions)}","ms":${next() % 900},"req":"${hex8()}${hex8()}"${note}}\n`;
      if (line % 5000 > 0 && line < lines) continue;
      bytes += writeSync(file, text);
      text = "";
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}
