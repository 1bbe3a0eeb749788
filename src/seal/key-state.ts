// The chain's evolving key on disk: two slots in one preallocated file, overwritten in place.
//
// - Slot content: the secret s_n from which block n's signing key is derived. s_n leads to s_n+1,
//   never back: whoever takes the host at block n cannot sign what came before.
// - In place, because a temporary file and a rename would leave the old secret on the disk.
// - At any crash at least one slot is whole: the new one is synced before the old one is zeroed.
//   So after a crash a slot may be behind the newest block, and is stepped forward to it.
//
// Claimed against someone who reads the live file system afterwards, not against disk forensics.

import { concat, equalBytes, isZero, readU64, utf8, writeU64 } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { failpoint } from "../host/failpoint.ts";
import { parentOf } from "../host/file-error.ts";
import type { Files, OpenFile } from "../host/files.ts";
import { hkdf } from "../host/hkdf.ts";

const magic = utf8("SEALKEY1");
const secretAt = 16;
const checkAt = 48;
const usedBytes = 64;
/** Slots lie in different pages, so that tearing one leaves the other alone. */
const slotBytes = 4096;
const slots = 2;

export interface KeySlot {
  /** Number of the block that this secret signs. */
  readonly blockNo: number;
  /** Wiped when it is replaced. */
  readonly secret: Uint8Array;
}

/** The seed of the Ed25519 key that signs the block of this secret. */
export function signingSeed(secret: Uint8Array): Uint8Array {
  return hkdf(secret, "sealtail/1 sign");
}

/** The secret of the next block. */
export function nextSecret(secret: Uint8Array): Uint8Array {
  return hkdf(secret, "sealtail/1 next");
}

export class KeyState {
  readonly #file: OpenFile;
  readonly #suite: Suite;
  /** The slot that holds the current secret. */
  #current: number;

  private constructor(file: OpenFile, suite: Suite, current: number) {
    this.#file = file;
    this.#suite = suite;
    this.#current = current;
  }

  /** Makes the file with its first secret; durable, name included, when it returns. */
  static async create(files: Files, suite: Suite, path: string, first: KeySlot): Promise<KeyState> {
    const file = await files.open(path, "create", 0o600);
    await file.write(new Uint8Array(slots * slotBytes), 0);
    await file.write(encodeSlot(suite, first), 0);
    await file.sync();
    await files.syncDir(parentOf(path));
    return new KeyState(file, suite, 0);
  }

  /**
   * Opens the file and finds the secret for block `next`: a slot whose secret, stepped forward to
   * that block, satisfies `fits`. It alone is in the file when this returns. Undefined where no
   * slot fits: blocks were lost, and nothing may be signed for this chain any more.
   */
  static async open(
    files: Files,
    suite: Suite,
    path: string,
    next: number,
    fits: (secret: Uint8Array) => boolean,
  ): Promise<{ state: KeyState; secret: Uint8Array } | undefined> {
    const file = await openExisting(files, path);
    if (file === undefined) return undefined;
    const found = [await readSlot(file, suite, 0), await readSlot(file, suite, 1)];
    // A secret of a later block says that blocks were sealed which are not there any more.
    const ahead = found.some((slot) => slot !== undefined && slot.blockNo > next);
    for (const [slot, content] of ahead ? [] : found.entries()) {
      const secret = content && stepTo(content, next);
      if (secret === undefined || !fits(secret)) continue;
      const state = new KeyState(file, suite, slot);
      // The secrets of blocks that are there must not outlive this: they could be signed again.
      if (content !== undefined && content.blockNo < next) {
        await state.advance({ blockNo: next, secret });
      } else await state.#zero(1 - slot);
      return { state, secret };
    }
    await file.close();
    return undefined;
  }

  /**
   * Replaces the current secret: the new one is durable before the old one is destroyed, and both
   * are done when this returns.
   */
  async advance(next: KeySlot): Promise<void> {
    const idle = 1 - this.#current;
    const slot = encodeSlot(this.#suite, next);
    await this.#file.write(slot, idle * slotBytes);
    slot.fill(0);
    await this.#file.datasync();
    failpoint("key-after-new-slot");
    await this.#zero(this.#current);
    this.#current = idle;
    failpoint("key-after-zero");
  }

  /** Destroys all secrets: nothing can be signed for this chain again. */
  async destroy(): Promise<void> {
    for (let slot = 0; slot < slots; slot++) await this.#zero(slot);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #zero(slot: number): Promise<void> {
    await this.#file.write(new Uint8Array(usedBytes), slot * slotBytes);
    await this.#file.datasync();
  }
}

// A file cut short is none: the slot that is missing may have been ahead of the newest block.
async function openExisting(files: Files, path: string): Promise<OpenFile | undefined> {
  const info = await files.stat(path);
  const whole = info?.kind === "file" && info.size >= slots * slotBytes;
  return whole ? files.open(path, "write") : undefined;
}

// A secret ahead of `next` means that blocks were lost; one far behind is no key of this chain.
const maxSteps = 1_000_000;

function stepTo(slot: KeySlot, next: number): Uint8Array | undefined {
  const steps = next - slot.blockNo;
  if (steps < 0 || steps > maxSteps) return undefined;
  let secret = slot.secret;
  for (let i = 0; i < steps; i++) {
    const stepped = nextSecret(secret);
    secret.fill(0);
    secret = stepped;
  }
  return secret;
}

function encodeSlot(suite: Suite, { blockNo, secret }: KeySlot): Uint8Array {
  const bytes = new Uint8Array(usedBytes);
  bytes.set(magic);
  writeU64(bytes, 8, blockNo);
  bytes.set(secret, secretAt);
  bytes.set(suite.sha256(bytes.subarray(0, checkAt)).subarray(0, usedBytes - checkAt), checkAt);
  return bytes;
}

async function readSlot(file: OpenFile, suite: Suite, slot: number): Promise<KeySlot | undefined> {
  const bytes = new Uint8Array(usedBytes);
  const count = await file.read(bytes, 0, usedBytes, slot * slotBytes);
  if (count < usedBytes || isZero(bytes)) return undefined;
  const check = suite.sha256(bytes.subarray(0, checkAt)).subarray(0, usedBytes - checkAt);
  const whole =
    equalBytes(bytes.subarray(0, 8), magic) && equalBytes(bytes.subarray(checkAt), check);
  if (!whole) return undefined;
  const found = { blockNo: readU64(bytes, 8), secret: concat(bytes.subarray(secretAt, checkAt)) };
  bytes.fill(0);
  return found;
}
