import assert from "node:assert/strict";
import test from "node:test";
import { fromHex, hex, utf8 } from "../../src/core/bytes.ts";
import { checkpointText, openReceipt } from "../../src/core/checkpoint.ts";
import { checkSignature, formatNote, formatVerifierKey, parseNote } from "../../src/core/note.ts";
import { readWhole } from "../../src/host/durable.ts";
import {
  createKey,
  destroyKey,
  loadPublicHalf,
  loadSigningKey,
  noteSigner,
  signer,
} from "../../src/host/keys.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { FakeFiles } from "../fakes/files.ts";
import { SeededRandom } from "../fakes/random.ts";

const path = "/keys/root.key";

async function made(
  options: { passphrase?: string; type?: 1 | 4; name?: string } = {},
): Promise<{ files: FakeFiles; random: SeededRandom }> {
  const files = new FakeFiles();
  await files.mkdir("/keys", 0o700);
  await files.syncDir("/");
  const random = new SeededRandom(7);
  const { name = "acme-root", type = 1, passphrase } = options;
  await createKey({ files, random, path, name, type, passphrase, cost: 10 });
  return { files, random };
}

test("a seed gives the public key and the signature of RFC 8032", () => {
  // Section 7.1, test 2.
  const seed = fromHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", 32);
  const { publicKey, sign } = signer(seed);
  assert.equal(hex(publicKey), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  assert.equal(
    hex(sign(Uint8Array.of(0x72))),
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  );
  assert.throws(() => signer(new Uint8Array(31)), RangeError);
});

test("a plain key file is read again to the same key", async () => {
  const { files } = await made();
  const loaded = await loadSigningKey({ files, path });
  assert.equal(loaded.key.name, "acme-root");
  assert.deepEqual(loaded.key, await loadPublicHalf(files, path));
  const note = formatNote("sealtail/1 grant\n", [loaded.signNote("sealtail/1 grant\n")]);
  const parsed = parseNote(utf8(note), 4096);
  assert.equal(checkSignature(nativeSuite, parsed, loaded.key), "valid");
  assert.equal((await files.stat(path))?.mode, 0o600);
});

test("an encrypted key file opens with its passphrase and no other", async () => {
  const { files } = await made({ passphrase: "über secret" });
  const loaded = await loadSigningKey({ files, path, passphrase: async () => "u\u0308ber secret" });
  assert.equal(formatVerifierKey(loaded.key).split("+")[0], "acme-root");
  await assert.rejects(loadSigningKey({ files, path, passphrase: async () => "other" }), {
    code: "passphrase-wrong",
    place: path,
  });
  await assert.rejects(loadSigningKey({ files, path }), { code: "passphrase-missing" });
});

test("neither file nor errors hold the seed of an encrypted key", async () => {
  const seed = new SeededRandom(7).bytes(32);
  const { files } = await made({ passphrase: "p" });
  const text = Buffer.from((await readWhole(files, path, 4096))!).toString();
  assert.ok(!text.includes(hex(seed)));
  assert.match(
    text,
    /^sealtail\/1 key\npublic acme-root\+[0-9a-f]{8}\+\S+\nencryption scrypt 10 8 1 [0-9a-f]{32}\nsealed [0-9a-f]{24} [0-9a-f]{96}\n$/,
  );
});

test("an existing key is never overwritten", async () => {
  const { files, random } = await made();
  const before = await readWhole(files, path, 4096);
  await assert.rejects(createKey({ files, random, path, name: "other", type: 1 }), {
    code: "file-exists",
  });
  assert.deepEqual(await readWhole(files, path, 4096), before);
});

test("a new key survives a crash", async () => {
  const { files } = await made();
  files.crash();
  assert.equal((await loadSigningKey({ files, path })).key.name, "acme-root");
});

test("a key that could not be written whole leaves no file", async () => {
  const files = new FakeFiles();
  await files.mkdir("/keys", 0o700);
  files.capacity = 20;
  const random = new SeededRandom();
  await assert.rejects(createKey({ files, random, path, name: "n", type: 1 }), {
    code: "disk-full",
  });
  assert.equal(await files.stat(path), undefined);
});

test("a plain key that others may read is used with a warning", async () => {
  const { files } = await made();
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  await loadSigningKey({ files, path, warn });
  assert.deepEqual(warnings, []);
  await files.chmod(path, 0o640);
  await loadSigningKey({ files, path, warn });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /0640, want 0600/);
});

test("a vault's two keys sign a receipt that opens", () => {
  const random = new SeededRandom(3);
  const vault = noteSigner(random.bytes(32), "vault.example", 1);
  const time = noteSigner(random.bytes(32), "vault.example/time", 4);
  const root = random.bytes(32);
  const text = checkpointText("vault.example", random.bytes(32), 5, root);
  const note = formatNote(text, [vault.signNote(text), time.cosign(1_700_000_000, text)]);
  const opened = openReceipt(nativeSuite, utf8(note), [{ receipt: vault.key, time: time.key }]);
  assert.equal(opened?.size, 5);
  assert.equal(opened?.time, 1_700_000_000);
  assert.throws(() => time.signNote(text), TypeError);
  assert.throws(() => vault.cosign(1, text), TypeError);
});

test("a file with any byte changed is refused", async () => {
  const passphrase = async (): Promise<string> => "p";
  for (const secret of [undefined, "p"]) {
    const { files } = await made(secret === undefined ? {} : { passphrase: secret });
    const good = (await readWhole(files, path, 4096))!;
    const step = secret === undefined ? 1 : 7;
    for (let at = 0; at < good.length; at += step) {
      const file = await files.open(path, "write");
      await file.write(Uint8Array.of((good[at] as number) ^ 1), at);
      const problem = await loadSigningKey({ files, path, passphrase }).then(
        () => undefined,
        (error: { code: string }) => error.code,
      );
      assert.ok(problem === "key-file-invalid" || problem === "passphrase-wrong", `byte ${at}`);
      await file.write(good.subarray(at, at + 1), at);
      await file.close();
    }
  }
});

test("what is no key file is refused without quoting it", async () => {
  const files = new FakeFiles();
  await files.mkdir("/keys", 0o700);
  const { files: donor } = await made();
  const good = Buffer.from((await readWhole(donor, path, 4096))!).toString();
  const bad = [
    "",
    "hunter2",
    "hunter2\n".repeat(4),
    `${good}\n`,
    good.slice(0, -1),
    good.replace("key\n", "key\r\n"),
    good.replace("none", "hunter2"),
    good.replace("encryption none", `encryption scrypt 30 8 1 ${"0".repeat(32)}`),
    good.replace(/seed .*/, `seed ${"A".repeat(64)}`),
    good.replace(/seed .*/, `seed ${"0".repeat(64)}`),
  ];
  for (const [index, text] of bad.entries()) {
    const one = `/keys/${index}`;
    const file = await files.open(one, "create");
    await file.write(Buffer.from(text), 0);
    await file.close();
    await assert.rejects(loadSigningKey({ files, path: one }), (error: Error) => {
      assert.equal((error as { code?: string }).code, "key-file-invalid", text);
      assert.ok(!error.message.includes("hunter2"));
      return true;
    });
  }
  await assert.rejects(loadSigningKey({ files, path: "/keys/none" }), { code: "file-missing" });
});

test("destroying a key zeroes it in place before its name goes", async () => {
  const { files } = await made();
  const calls: string[] = [];
  files.hook = (call) => {
    calls.push(call);
  };
  const held = await files.open(path, "read");
  const size = (await held.stat()).size;
  calls.length = 0;
  await destroyKey(files, path);
  const order = calls.filter((call) => ["write", "sync", "unlink", "syncDir"].includes(call));
  assert.deepEqual(order, ["write", "sync", "unlink", "syncDir"]);
  const left = new Uint8Array(size);
  await held.read(left, 0, size, 0);
  assert.ok(left.every((byte) => byte === 0));
  assert.equal(await files.stat(path), undefined);
  await destroyKey(files, path);
});

test("a crash while a key is destroyed leaves the key, zeros or nothing", async () => {
  for (const stop of ["write", "sync", "unlink", "syncDir"]) {
    const { files } = await made();
    files.hook = (call) => {
      if (call === stop) throw new Error("power cut");
    };
    await assert.rejects(destroyKey(files, path));
    files.hook = undefined;
    files.crash();
    const outcome = await loadSigningKey({ files, path }).then(
      () => "key",
      (error: { code: string }) => error.code,
    );
    assert.ok(["key", "key-file-invalid", "file-missing"].includes(outcome), `${stop}: ${outcome}`);
    await destroyKey(files, path);
    assert.equal(await files.stat(path), undefined);
  }
});
