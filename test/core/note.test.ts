import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/core/bytes.ts";
import {
  checkSignature,
  formatNote,
  formatVerifierKey,
  isName,
  parseNote,
  parseVerifierKey,
} from "../../src/core/note.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { faultOf } from "../fakes/findings.ts";
import { NoteSigner, TestVault } from "../fakes/signers.ts";

const root = new NoteSigner("root.example");
const vault = new TestVault();
const name = fc.stringMatching(/^[!-*,-~]{1,40}$/);

describe("notes", () => {
  const text = fc
    .array(fc.stringMatching(/^[ -~]{1,20}$/), { minLength: 1, maxLength: 4 })
    .map((lines) => `${lines.join("\n")}\n`);

  test("are read as they were written, and signatures by their keys found good", () => {
    fc.assert(
      fc.property(text, (body) => {
        const signatures = [root.sign(body), vault.receiptKey.sign(body)];
        const written = formatNote(body, signatures);
        const note = parseNote(utf8(written), 4096);
        assert.deepEqual(note, { text: body, signatures });
        assert.equal(formatNote(note.text, note.signatures), written);
        assert.equal(checkSignature(suite, note, root.key), "valid");
        assert.equal(checkSignature(suite, note, vault.timeKey.key), "absent");
      }),
    );
  });

  test("with a changed text, or a second signature that fails, are bad", () => {
    const good = formatNote("x\n", [root.sign("x\n")]);
    const changed = parseNote(utf8(good.replace("x\n", "y\n")), 4096);
    assert.equal(checkSignature(suite, changed, root.key), "bad");
    const twice = parseNote(utf8(formatNote("x\n", [root.sign("x\n"), root.sign("y\n")])), 4096);
    assert.equal(checkSignature(suite, twice, root.key), "bad");
  });

  test("cut anywhere but behind a signature line are refused, or have another text", () => {
    const whole = formatNote("a\n\nb\n", [
      root.sign("a\n\nb\n"),
      vault.receiptKey.sign("a\n\nb\n"),
    ]);
    const bytes = utf8(whole);
    for (let end = 0; end < bytes.length; end++) {
      const code = faultOf(() => parseNote(bytes.subarray(0, end), 4096));
      const endsLine = bytes[end - 1] === 0x0a && whole.slice(0, end).includes("—");
      if (!endsLine) assert.notEqual(code, undefined, `${end}`);
    }
  });

  test("of other forms are refused", () => {
    const line = formatNote("x\n", [root.sign("x\n")]).split("\n\n")[1] as string;
    const forms: [string, string][] = [
      ["", "MALFORMED"],
      ["x\n", "MALFORMED"],
      ["x\n\n", "MALFORMED"],
      [`x\n${line}`, "MALFORMED"],
      [`x\n\n${line}\n`, "MALFORMED"],
      [`x\n\n${line.trimEnd()}`, "MALFORMED"],
      [`x\n\n${line.replace("—", "-")}`, "MALFORMED"],
      [`x\n\n${line.replace(" ", "  ")}`, "MALFORMED"],
      [`x\n\n${line.replace("root", "ro+t")}`, "MALFORMED"],
      [`x\n\n${line.replace("\n", " \n")}`, "MALFORMED"],
      ["x\n\n— root.example AAAA\n", "MALFORMED"],
      [`x\n\n${line.replace("\n", "=\n")}`, "NON_CANONICAL"],
      [`x\r\n\n${line}`, "NON_CANONICAL"],
      [`x\t\n\n${line}`, "NON_CANONICAL"],
      [`x\n\n${line.repeat(65)}`, "LIMIT_EXCEEDED"],
    ];
    for (const [form, code] of forms) {
      assert.equal(
        faultOf(() => parseNote(utf8(form), 100_000)),
        code,
        JSON.stringify(form),
      );
    }
    assert.equal(
      faultOf(() => parseNote(new Uint8Array(11), 10)),
      "LIMIT_EXCEEDED",
    );
    assert.equal(
      faultOf(() => parseNote(Uint8Array.of(0xff, 0x0a), 10)),
      "NON_CANONICAL",
    );
  });

  test("names are 1 to 200 printable characters without space and plus", () => {
    fc.assert(fc.property(name, (each) => assert.ok(isName(each))));
    for (const each of ["", " ", "a b", "a+b", "a\n", "\u00e9", "\u007f", "a".repeat(201)]) {
      assert.ok(!isName(each), JSON.stringify(each));
    }
  });
});

describe("keys in text", () => {
  test("are read as they were written", () => {
    fc.assert(
      fc.property(name, fc.nat(20), (who, seed) => {
        const { key } = new NoteSigner(who, seed % 2 === 0 ? 1 : 4, `seed ${seed}`);
        const text = formatVerifierKey(key);
        assert.deepEqual(parseVerifierKey(suite, text), key);
      }),
    );
  });

  test("with a changed character, or cut, are refused", () => {
    const text = formatVerifierKey(root.key);
    for (let at = 0; at < text.length; at++) {
      const other = text[at] === "A" ? "B" : "A";
      const bent = `${text.slice(0, at)}${other}${text.slice(at + 1)}`;
      assert.notEqual(
        faultOf(() => parseVerifierKey(suite, bent)),
        undefined,
        bent,
      );
      assert.notEqual(
        faultOf(() => parseVerifierKey(suite, text.slice(0, at))),
        undefined,
      );
    }
  });
});
