import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { judgeAcknowledgement, parseAcknowledgement } from "../../src/core/acknowledgement.ts";
import { Fault, findingClasses } from "../../src/core/fault.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { Admin } from "../fakes/admin.ts";
import { testRoot, testTime } from "../fakes/chain-builder.ts";
import { NoteSigner } from "../fakes/signers.ts";

const chain = "ab".repeat(32);
const admin = new Admin();
const base = { chain, code: "GAP_DECLARED", below: 7, time: testTime } as const;

function codeOf(note: Uint8Array, roots = [testRoot.key], audience = "vault.example"): string {
  try {
    judgeAcknowledgement(suite, parseAcknowledgement(suite, note), roots, audience);
    return "";
  } catch (caught) {
    assert.ok(caught instanceof Fault, String(caught));
    return caught.code;
  }
}

test("an acknowledgement is read as it was written, and its authority is in it", () => {
  const codes = Object.keys(findingClasses) as (keyof typeof findingClasses)[];
  const reason = fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/);
  const terms = fc.record({ code: fc.constantFrom(...codes), below: fc.maxSafeNat(), reason });
  fc.assert(
    fc.property(terms, (each) => {
      const note = admin.says({ chain, time: testTime, ...each });
      const { grant, note: _, ...read } = parseAcknowledgement(suite, note);
      assert.deepEqual(read, { audience: "vault.example", chain, time: testTime, ...each });
      assert.equal(grant.subject, "alice");
      assert.equal(codeOf(note), "");
    }),
  );
});

test("only the key of a grant for role admin, by a trusted root, for this vault and now, counts", () => {
  assert.equal(codeOf(new Admin({ role: "write" }).says(base)), "GRANT_WRONG_ROLE");
  assert.equal(codeOf(admin.says(base), []), "UNKNOWN_ROOT");
  const stranger = new Admin({}, new NoteSigner("root.example", 1, "another root"));
  assert.equal(codeOf(stranger.says(base)), "UNKNOWN_ROOT");
  assert.equal(codeOf(admin.says(base), [testRoot.key], "other.example"), "GRANT_WRONG_AUDIENCE");
  assert.equal(codeOf(new Admin({ notAfter: testTime - 1 }).says(base)), "GRANT_EXPIRED");
  assert.equal(codeOf(new Admin({ notBefore: testTime + 1 }).says(base)), "GRANT_NOT_YET_VALID");
  const thief = new Admin({ key: new NoteSigner("bob").key.publicKey });
  assert.equal(codeOf(thief.says(base)), "BAD_SIGNATURE");
});

test("any deviation from the grammar is refused", () => {
  const bends: readonly ((text: string) => string)[] = [
    (text) => text.replace("below 7", "below 07"),
    (text) => text.replace("code GAP_DECLARED", "code GAP"),
    (text) => text.replace(`chain ${chain}`, `chain ${chain.toUpperCase()}`),
    (text) => text.replace("reason looked into", "reason "),
    (text) => text.replace("reason looked into", "reason looked into "),
    (text) => text.replace("time ", "time  "),
    (text) => text.replace("sealtail/1", "sealtail/01"),
    (text) => `${text}more\n`,
    (text) => text.replace(/^below .*\n/m, ""),
  ];
  for (const bend of bends) assert.equal(codeOf(admin.says(base, bend)), "NON_CANONICAL");
});

test("one of another version cannot be judged: nothing is known to be wrong with it", () => {
  for (const version of ["2", "12345678901"]) {
    const newer = admin.says(base, (text) => text.replace("sealtail/1", `sealtail/${version}`));
    assert.equal(codeOf(newer), "UNSUPPORTED", version);
  }
});
