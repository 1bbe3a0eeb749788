import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { hex, utf8 } from "../../src/core/bytes.ts";
import {
  checkpointText,
  openReceipt,
  pairVaultKeys,
  parseCheckpoint,
} from "../../src/core/checkpoint.ts";
import { formatNote, verifierKey } from "../../src/core/note.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { faultOf } from "../fakes/findings.ts";
import { fixedBytes, TestVault } from "../fakes/signers.ts";

const vault = new TestVault();

describe("receipts", () => {
  const chain = fixedBytes("chain");

  test("are read as they were written, with the time of the time key", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (size, time) => {
        const bytes = utf8(vault.receipt(chain, size, fixedBytes("root"), time));
        const read = openReceipt(suite, bytes, [vault.keys]);
        const chainId = Buffer.from(chain).toString("hex");
        assert.deepEqual(read, {
          ...{ vault: vault.name, chainId, size, root: fixedBytes("root") },
          time,
        });
      }),
      { numRuns: 30 },
    );
  });

  test("of a vault that is not configured are unchecked, cut ones refused", () => {
    const bytes = utf8(vault.receipt(chain, 5, fixedBytes("root"), 1000));
    assert.equal(openReceipt(suite, bytes, []), undefined);
    assert.equal(openReceipt(suite, bytes, [new TestVault("other").keys]), undefined);
    for (let end = 0; end < bytes.length; end++) {
      const cut = bytes.subarray(0, end);
      assert.notEqual(
        faultOf(() => openReceipt(suite, cut, [vault.keys])),
        undefined,
        `${end}`,
      );
    }
  });

  test("with two cosignatures of one key count from the earlier time", () => {
    const text = checkpointText(vault.name, chain, 1, fixedBytes("root"));
    const note = formatNote(text, [
      vault.receiptKey.sign(text),
      vault.timeKey.cosign(text, 900),
      vault.timeKey.cosign(text, 500),
    ]);
    assert.equal(openReceipt(suite, utf8(note), [vault.keys])?.time, 500);
  });

  test("are good by any pair of keys that has the vault's name", () => {
    const bytes = utf8(vault.receipt(chain, 5, fixedBytes("root"), 1000));
    const other = new TestVault(vault.name, "rolled over");
    assert.equal(openReceipt(suite, bytes, [other.keys, vault.keys])?.size, 5);
    assert.equal(
      faultOf(() => openReceipt(suite, bytes, [other.keys])),
      "RECEIPT_BAD_SIGNATURE",
    );
    const [made, given] = [vault, other].map(({ name, receiptKey }) => {
      return `${name}+${hex(receiptKey.key.keyId)}`;
    });
    assert.throws(() => openReceipt(suite, bytes, [other.keys]), {
      message: `receipt is signed in the name of key ${made}, and ${given} was given`,
    });
  });

  test("of other forms are refused", () => {
    const good = vault.receipt(chain, 5, fixedBytes("root"), 1000);
    const forms: [string, string][] = [
      [good.replace("/", ""), "MALFORMED"],
      [good.replace("\n5\n", "\n05\n"), "NON_CANONICAL"],
      [good.replace("\n5\n", "\n-5\n"), "NON_CANONICAL"],
      [good.replace("\n5\n", "\n9007199254740992\n"), "LIMIT_EXCEEDED"],
      [good.replace("\n5\n", "\n5\n5\n"), "MALFORMED"],
      [good.replace("\n\n", "\nmore\n\n"), "MALFORMED"],
    ];
    for (const [form, code] of forms) {
      assert.equal(
        faultOf(() => parseCheckpoint(utf8(form))),
        code,
        form,
      );
    }
  });

  test("keys come in pairs of a vault and its time key", () => {
    const { receipt, time } = vault.keys;
    assert.deepEqual(pairVaultKeys([time, receipt]), [{ receipt, time }]);
    assert.equal(
      faultOf(() => pairVaultKeys([receipt])),
      "BAD_KEY",
    );
    assert.equal(
      faultOf(() => pairVaultKeys([time])),
      "BAD_KEY",
    );
    const same = verifierKey(suite, time.name, 4, receipt.publicKey);
    assert.equal(
      faultOf(() => pairVaultKeys([receipt, same])),
      "BAD_KEY",
    );
    const other = new TestVault("other").keys;
    assert.equal(
      faultOf(() => pairVaultKeys([receipt, other.time])),
      "BAD_KEY",
    );
  });
});
