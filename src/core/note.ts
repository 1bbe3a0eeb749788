// Signed notes (c2sp.org/signed-note): text, a blank line, signature lines.
//
// - A key in text is one line, `<name>+<key id>+<base64>`; a name and id pick the signature.
// - Signatures of unknown keys are ignored; one of a known key that fails spoils the note.
// - This file only reads and writes; private keys live in host/keys.ts.
//
// Spec: docs/spec/note.md.

import { base64, concat, equalBytes, fromBase64, fromHex, fromUtf8, hex, utf8 } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { Fault } from "./fault.ts";
import { checkPublicKey } from "./public-key.ts";

/** 1: a plain Ed25519 signature. 4: a timestamped cosignature (c2sp.org/tlog-cosignature). */
export type KeyType = 1 | 4;

export interface VerifierKey {
  readonly name: string;
  readonly type: KeyType;
  readonly publicKey: Uint8Array;
  /** First 4 bytes of H(name ‖ LF ‖ type ‖ public key). */
  readonly keyId: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Note {
  /** What is signed, final LF included. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const maxSignatures = 64;
const dash = "—";

/** Whether `name` may name a key, subject, audience or role holder: 1 to 200 bytes, no space, no `+`. */
export function isName(name: string): boolean {
  return /^[\x21-\x2a\x2c-\x7e]{1,200}$/.test(name);
}

export function verifierKey(
  suite: Suite,
  name: string,
  type: KeyType,
  publicKey: Uint8Array,
): VerifierKey {
  const input = concat(utf8(name), Uint8Array.of(0x0a, type), publicKey);
  return { name, type, publicKey, keyId: suite.sha256(input).slice(0, 4) };
}

export function formatVerifierKey(key: VerifierKey): string {
  const material = base64(concat(Uint8Array.of(key.type), key.publicKey));
  return `${key.name}+${hex(key.keyId)}+${material}`;
}

/** Reads one line of key text. Throws MALFORMED, NON_CANONICAL, UNSUPPORTED or BAD_KEY. */
export function parseVerifierKey(suite: Suite, text: string): VerifierKey {
  const [name = "", id = "", ...rest] = text.split("+");
  const material = rest.join("+");
  if (name === "" || id === "" || material === "") {
    throw new Fault("MALFORMED", "key is not of the form name+id+base64");
  }
  if (!/^[\x21-\x2a\x2c-\x7e]{1,210}$/.test(name)) {
    throw new Fault("MALFORMED", "key name is not 1 to 210 printable characters");
  }
  const bytes = fromBase64(material);
  const type = bytes[0];
  if (type !== 1 && type !== 4) throw new Fault("UNSUPPORTED", `key type is ${type}, want 1 or 4`);
  const publicKey = bytes.slice(1);
  checkPublicKey(publicKey);
  const key = verifierKey(suite, name, type, publicKey);
  if (!equalBytes(key.keyId, fromHex(id, 4))) {
    throw new Fault("MALFORMED", `key id is ${id}, want ${hex(key.keyId)}`);
  }
  return key;
}

/** Reads a note. Throws MALFORMED or NON_CANONICAL; signatures are not judged. */
export function parseNote(bytes: Uint8Array, maxLength: number): Note {
  if (bytes.length > maxLength) {
    throw new Fault("LIMIT_EXCEEDED", `note is ${bytes.length} bytes, at most ${maxLength}`);
  }
  const whole = fromUtf8(bytes);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (/[\x00-\x09\x0b-\x1f]/.test(whole)) {
    throw new Fault("NON_CANONICAL", "note holds a control character");
  }
  const blank = whole.lastIndexOf("\n\n");
  if (blank < 0 || !whole.endsWith("\n")) {
    throw new Fault("MALFORMED", "note has no blank line before its signatures");
  }
  const lines = whole.slice(blank + 2, -1).split("\n");
  if (lines.length > maxSignatures) {
    throw new Fault("LIMIT_EXCEEDED", `note has more than ${maxSignatures} signatures`);
  }
  return { text: whole.slice(0, blank + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): NoteSignature {
  const [mark, name, body, ...rest] = line.split(" ");
  if (mark !== dash || !name || !body || rest.length > 0 || name.includes("+")) {
    throw new Fault("MALFORMED", "note has a signature line that is none");
  }
  const bytes = fromBase64(body);
  if (bytes.length < 5) throw new Fault("MALFORMED", "note has an empty signature");
  return { name, keyId: bytes.slice(0, 4), signature: bytes.slice(4) };
}

/** `text` with signature lines; `text` must end in LF. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  const lines = signatures.map(
    ({ name, keyId, signature }) => `${dash} ${name} ${base64(concat(keyId, signature))}\n`,
  );
  return `${text}\n${lines.join("")}`;
}

/** What a timestamped cosignature signs (type 4); `time` in Unix seconds. */
export function cosignedBytes(time: number, text: string): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${text}`);
}

/** The signatures of a note made with `key`. */
export function signaturesBy(note: Note, key: VerifierKey): Uint8Array[] {
  return note.signatures
    .filter(({ name, keyId }) => name === key.name && equalBytes(keyId, key.keyId))
    .map(({ signature }) => signature);
}

/** Whether `key` (type 1) signed the note: "absent" where no signature line is its. */
export function checkSignature(
  suite: Suite,
  note: Note,
  key: VerifierKey,
): "valid" | "bad" | "absent" {
  const signatures = signaturesBy(note, key);
  if (signatures.length === 0) return "absent";
  const message = utf8(note.text);
  const good = signatures.every((each) => suite.verifyEd25519(key.publicKey, message, each));
  return good ? "valid" : "bad";
}
