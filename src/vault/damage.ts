// Pure. What is wrong with stored bytes, as the vault throws it.
//
// - Damage is only what the bytes themselves show. An error of the machine's is none: it is told
//   as what it is, and whoever asks again may be served.

import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { FramingError } from "../core/whole-blocks.ts";

/** The objects cannot be what was stored; the message says why and where. */
export class Damage extends Error {
  override readonly name: string = "Damage";
}

/**
 * Receipts fail by our keys. They held when they were stored, so it is the keys that are not the
 * same.
 */
export class OtherKeys extends Damage {
  override readonly name = "OtherKeys";
}

/** Why stored bytes are damaged; undefined for errors that say nothing about them. */
export function damageOf(error: unknown): string | undefined {
  if (error instanceof Damage) return error.message;
  if (error instanceof Fault) return `stored bytes fail: ${error.code}`;
  if (error instanceof FramingError) return "stored blocks are cut short";
  const codes = ["store-cut-short", "store-damaged", "file-too-large"];
  if (error instanceof SealtailError && codes.includes(error.code)) return error.message;
  return undefined;
}
