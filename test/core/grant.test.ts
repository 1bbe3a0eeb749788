import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/core/bytes.ts";
import {
  checkGrantRoots,
  formatGrant,
  type GrantTerms,
  inScope,
  parseGrant,
  roles,
} from "../../src/core/grant.ts";
import { formatNote } from "../../src/core/note.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { faultOf } from "../fakes/findings.ts";
import { NoteSigner, signer, TestVault } from "../fakes/signers.ts";

const root = new NoteSigner("root.example");
const vault = new TestVault();
const name = fc.stringMatching(/^[!-*,-~]{1,40}$/);

describe("grants", () => {
  const terms: fc.Arbitrary<GrantTerms> = fc.record({
    id: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    role: fc.constantFrom(...roles),
    ...{ subject: name, audience: name },
    sources: fc.array(fc.stringMatching(/^[!-~]{1,20}$/), { maxLength: 3 }),
    ...{ notBefore: fc.maxSafeNat(), notAfter: fc.maxSafeNat() },
    maxChains: fc.integer({ min: 1, max: 65_535 }),
    maxSilenceMs: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    key: fc.nat(9).map((n) => signer(`grant ${n}`).publicKey),
  });

  test("are read as they were written", () => {
    fc.assert(
      fc.property(terms, (each) => {
        const text = formatGrant(each);
        const bytes = utf8(formatNote(text, [root.sign(text)]));
        const { note, hash, ...read } = parseGrant(suite, bytes);
        assert.deepEqual(read, { ...each });
        assert.equal(formatGrant(read), text);
        assert.deepEqual(hash, suite.sha256(bytes));
        const grant = parseGrant(suite, bytes);
        const given = [vault.receiptKey.key, root.key];
        assert.deepEqual(checkGrantRoots(suite, grant, given), [root.key]);
        assert.equal(
          faultOf(() => checkGrantRoots(suite, grant, [])),
          "UNKNOWN_ROOT",
        );
        assert.ok(note.text.startsWith("sealtail/1 grant\n"));
      }),
      { numRuns: 30 },
    );
  });

  test("cut anywhere, or with any line gone or doubled, are refused", () => {
    const [good] = fc.sample(terms, { numRuns: 1, seed: 3 }) as [GrantTerms];
    const text = formatGrant({ ...good, sources: [] });
    const lines = text.trimEnd().split("\n");
    const signed = (body: string): Uint8Array => utf8(formatNote(body, [root.sign(body)]));
    for (let at = 0; at < lines.length; at++) {
      const gone = lines.filter((_, index) => index !== at);
      const doubled = [...lines.slice(0, at), lines[at], ...lines.slice(at)];
      for (const bent of [gone, doubled]) {
        const code = faultOf(() => parseGrant(suite, signed(`${bent.join("\n")}\n`)));
        assert.equal(code, "NON_CANONICAL");
      }
    }
    const whole = signed(text);
    for (let end = 0; end < whole.length; end++) {
      assert.notEqual(
        faultOf(() => parseGrant(suite, whole.subarray(0, end))),
        undefined,
      );
    }
  });
});

test("a grant without globs covers every path, one with globs what any of them covers", () => {
  assert.ok(inScope({ sources: [] }, "/any%20thing"));
  assert.ok(inScope({ sources: ["/a", "/b*"] }, "/bc"));
  assert.ok(!inScope({ sources: ["/a", "/b*"] }, "/c"));
});
