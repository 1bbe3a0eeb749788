// Grants: the provisioning key says who may write, where, and from which files.
//
// - A grant carries the public half of a grant key, so nothing in a chain is a secret.
// - The grammar is exact: lines in this order, each once but `source`; anything else is refused.
//
// Spec: docs/spec/grant.md.

import { base64, fromBase64, fromDecimal, fromHex, hex } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { Fault } from "./fault.ts";
import { globMatches } from "./glob.ts";
import { checkSignature, isName, type Note, parseNote, type VerifierKey } from "./note.ts";

export const maxGrantLength = 4096;
export const roles = ["write", "read", "retention", "admin", "issue"] as const;
export type Role = (typeof roles)[number];

export interface GrantTerms {
  /** 16 random bytes; uses are counted by it and the root key. */
  readonly id: Uint8Array;
  readonly role: Role;
  readonly subject: string;
  readonly audience: string;
  /** Globs over the percent form of a source's path; none: any path. */
  readonly sources: readonly string[];
  /** Unix seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly maxChains: number;
  readonly maxSilenceMs: number;
  readonly key: Uint8Array;
}

export interface Grant extends GrantTerms {
  readonly note: Note;
  /** H(whole note). */
  readonly hash: Uint8Array;
}

const header = "sealtail/1 grant";

/** The text that the root key signs. */
export function formatGrant(terms: GrantTerms): string {
  const lines = [
    header,
    `id ${hex(terms.id)}`,
    `role ${terms.role}`,
    `subject ${terms.subject}`,
    `audience ${terms.audience}`,
    ...terms.sources.map((glob) => `source ${glob}`),
    `not-before ${terms.notBefore}`,
    `not-after ${terms.notAfter}`,
    `max-chains ${terms.maxChains}`,
    `max-silence-ms ${terms.maxSilenceMs}`,
    `key ed25519 ${base64(terms.key)}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Reads a grant. Throws NON_CANONICAL for any deviation from the grammar. Judges no signature. */
export function parseGrant(suite: Suite, bytes: Uint8Array): Grant {
  const note = parseNote(bytes, maxGrantLength);
  const lines = new Lines(note.text);
  lines.exactly(header);
  const terms: GrantTerms = {
    id: fromHex(lines.value("id"), 16),
    role: oneOfRoles(lines.value("role")),
    subject: name(lines.value("subject")),
    audience: name(lines.value("audience")),
    sources: lines.values("source").map(glob),
    notBefore: fromDecimal(lines.value("not-before")),
    notAfter: fromDecimal(lines.value("not-after")),
    maxChains: atLeastOne(lines.value("max-chains"), 65_535),
    maxSilenceMs: atLeastOne(lines.value("max-silence-ms"), Number.MAX_SAFE_INTEGER),
    key: keyBytes(lines.value("key ed25519")),
  };
  lines.finish();
  return { ...terms, note, hash: suite.sha256(bytes) };
}

// Reads `name value` lines in the order in which they are asked for.
class Lines {
  readonly #lines: string[];
  #at = 0;

  constructor(text: string) {
    this.#lines = text.split("\n");
    if (this.#lines.pop() !== "") throw refusal("does not end in LF");
  }

  exactly(line: string): void {
    if (this.#lines[this.#at++] !== line) throw refusal(`has no line "${line}" at its place`);
  }

  value(key: string): string {
    const line = this.#lines[this.#at++];
    if (!line?.startsWith(`${key} `)) throw refusal(`has no line "${key}" at its place`);
    return line.slice(key.length + 1);
  }

  values(key: string): string[] {
    const found: string[] = [];
    while (this.#lines[this.#at]?.startsWith(`${key} `)) found.push(this.value(key));
    return found;
  }

  finish(): void {
    if (this.#at !== this.#lines.length) throw refusal("has a line too many");
  }
}

function refusal(why: string): Fault {
  return new Fault("NON_CANONICAL", `grant ${why}`);
}

function oneOfRoles(text: string): Role {
  const role = roles.find((each) => each === text);
  if (role === undefined) throw refusal("has an unknown role");
  return role;
}

function name(text: string): string {
  if (!isName(text)) throw refusal("has a name that is none");
  return text;
}

function glob(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text)) throw refusal("has a source glob that is none");
  return text;
}

function atLeastOne(text: string, most: number): number {
  const value = fromDecimal(text);
  if (value < 1 || value > most) throw refusal(`has number ${value}, want 1 to ${most}`);
  return value;
}

function keyBytes(text: string): Uint8Array {
  const bytes = fromBase64(text);
  if (bytes.length !== 32) throw refusal(`has a key of ${bytes.length} bytes, want 32`);
  return bytes;
}

/** Throws UNKNOWN_ROOT or GRANT_BAD_SIGNATURE unless one of `roots` signed the grant; returns which. */
export function checkGrantRoot(
  suite: Suite,
  grant: Grant,
  roots: readonly VerifierKey[],
): VerifierKey {
  let bad = false;
  for (const root of roots) {
    const verdict = root.type === 1 ? checkSignature(suite, grant.note, root) : "absent";
    if (verdict === "valid") return root;
    bad ||= verdict === "bad";
  }
  throw bad
    ? new Fault("GRANT_BAD_SIGNATURE", "grant's signature is not the root's")
    : new Fault("UNKNOWN_ROOT", "grant is signed by no root key that is trusted here");
}

/** Whether the grant lets its holder seal a source with this percent-encoded path. */
export function inScope(terms: Pick<GrantTerms, "sources">, path: string): boolean {
  return terms.sources.length === 0 || terms.sources.some((each) => globMatches(each, path));
}
