// Grants: the provisioning key says who may write, where, and from which files.
//
// - A grant carries the public half of a grant key, so nothing in a chain is a secret.
// - The grammar is exact: lines in this order, each once but `source`; anything else is refused.
//
// Spec: docs/spec/grant.md.

import { base64, fromBase64, fromDecimal, fromHex, hex, utf8 } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { Fault } from "./fault.ts";
import { globMatches } from "./glob.ts";
import { checkSignature, isName, type Note, parseNote, type VerifierKey } from "./note.ts";
import { StatementLines } from "./statement.ts";

export const maxGrantLength = 4096;
export const roles = ["write", "read", "retention", "admin", "issue"] as const;
export type Role = (typeof roles)[number];

export interface GrantTerms {
  /** 16 random bytes. */
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

const kind = { name: "grant", code: "NON_CANONICAL" } as const;

/** The text that the root key signs. */
export function formatGrant(terms: GrantTerms): string {
  const lines = [
    `sealtail/1 ${kind.name}`,
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

/**
 * Reads a grant. Throws UNSUPPORTED for a version or role that is not known, NON_CANONICAL for any
 * other deviation from the grammar. Judges no signature.
 */
export function parseGrant(suite: Suite, bytes: Uint8Array): Grant {
  const note = parseNote(bytes, maxGrantLength);
  const lines = StatementLines.ofNote(kind, note.text);
  const terms: GrantTerms = {
    id: fromHex(lines.one("id"), 16),
    role: oneOfRoles(lines.one("role")),
    subject: name(lines.one("subject")),
    audience: name(lines.one("audience")),
    sources: lines.many("source").map(glob),
    notBefore: fromDecimal(lines.one("not-before")),
    notAfter: fromDecimal(lines.one("not-after")),
    maxChains: atLeastOne(lines.one("max-chains"), 65_535),
    maxSilenceMs: atLeastOne(lines.one("max-silence-ms"), Number.MAX_SAFE_INTEGER),
    key: keyBytes(lines.one("key ed25519")),
  };
  lines.finish();
  return { ...terms, note, hash: suite.sha256(bytes) };
}

function refusal(why: string): Fault {
  return new Fault("NON_CANONICAL", `grant ${why}`);
}

function oneOfRoles(text: string): Role {
  const role = roles.find((each) => each === text);
  if (role !== undefined) return role;
  if (!/^[a-z]+(-[a-z]+)*$/.test(text)) throw refusal("has a role that is none");
  throw new Fault("UNSUPPORTED", `grant is for role ${text}, which is not known`);
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

/** Those of `roots` that signed the grant. Throws UNKNOWN_ROOT or GRANT_BAD_SIGNATURE if none did. */
export function checkGrantRoots(
  suite: Suite,
  grant: Grant,
  roots: readonly VerifierKey[],
): VerifierKey[] {
  let bad = false;
  const signed = roots.filter((root) => {
    const verdict = root.type === 1 ? checkSignature(suite, grant.note, root) : "absent";
    bad ||= verdict === "bad";
    return verdict === "valid";
  });
  if (signed.length > 0) return signed;
  throw bad
    ? new Fault("GRANT_BAD_SIGNATURE", "grant's signature is not the root's")
    : new Fault("UNKNOWN_ROOT", "grant is signed by no root key that is trusted here");
}

/**
 * By what uses of a grant are counted that `roots` signed: what has one of these in common has its
 * uses in common. Anybody can drop a signature line, but not change the text or who signed what is
 * left.
 */
export function useNames(suite: Suite, grant: Grant, roots: readonly VerifierKey[]): string[] {
  const text = `text ${hex(suite.sha256(utf8(grant.note.text)))}`;
  return [text, ...roots.map(({ publicKey }) => `root ${hex(publicKey)} ${hex(grant.id)}`)];
}

/** Whether the grant lets its holder seal a source with this percent-encoded path. */
export function inScope(terms: Pick<GrantTerms, "sources">, path: string): boolean {
  return terms.sources.length === 0 || terms.sources.some((each) => globMatches(each, path));
}
