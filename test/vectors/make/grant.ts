// Grants that may not be used, or not for this, or that are not written as they must be.

import type { FindingCode } from "../../../src/core/fault.ts";
import { formatNote } from "../../../src/core/note.ts";
import { testRoot, testTime } from "../../fakes/chain-builder.ts";
import { NoteSigner, signer } from "../../fakes/signers.ts";
import { type Expected, type StorySetup, type Vector, type Vectors, vector } from "./story.ts";

/** A grant of another version of the format: nothing is known to be wrong with it. */
function newer(what: string, from: string, to: string): Vector {
  return vector("grant.md, Grammar", what, (story) => {
    const chain = story.chain({ grantText: (grant) => grant.replace(from, to) });
    chain.go();
    story.store(chain);
    story.expect("INDETERMINATE", ["UNSUPPORTED"]);
  });
}

function used(what: string, setup: StorySetup, ...findings: readonly Expected[]): Vector {
  return vector("grant.md, Judging a chain's grant", what, (story) => {
    const chain = story.chain(setup);
    chain.go();
    story.store(chain);
    story.expect("INVALID", ...findings);
  });
}

/** A text that the root signed, and that is no grant: whose key it names is not known. */
function text(
  what: string,
  from: string | RegExp,
  to: string,
  code: FindingCode = "NON_CANONICAL",
): Vector {
  return vector("grant.md, Form", what, (story) => {
    const chain = story.chain({ grantText: (grant) => grant.replace(from, to) });
    chain.go();
    story.store(chain);
    story.expect("INVALID", [code], ["UNAUTHENTICATED", 0]);
  });
}

const forms: Vectors = {
  "version-unknown": newer("Another version.", "sealtail/1 grant", "sealtail/2 grant"),
  "role-unknown": newer("A role that is not known here.", "role write", "role king"),
  "first-line": text("Another first line.", "sealtail/1 grant", "sealtail/1 grants"),
  "line-order": text("Two lines have changed places.", /(role .*\n)(subject .*\n)/, "$2$1"),
  "line-twice": text("A line stands there twice.", /(role .*\n)/, "$1$1"),
  "line-missing": text("A line is missing.", /subject .*\n/, ""),
  "line-unknown": text("A line that no grant has.", /(key .*\n)/, "$1colour blue\n"),
  "line-empty": text("An empty line.", /(role .*\n)/, "$1\n"),
  crlf: text("Lines end in CR LF.", /\n/g, "\r\n"),
  "two-spaces": text("Two spaces behind a word.", "role write", "role  write"),
  "space-behind": text("A space at the end of a line.", "role write", "role write "),
  "id-upper": text("The id is in upper case.", /id [0-9a-f]{32}/, `id ${"AB".repeat(16)}`),
  "id-short": text("The id has 30 digits.", /id [0-9a-f]{2}/, "id "),
  "role-of-no-word": text("A role that is no word.", "role write", "role King"),
  "subject-plus": text("A plus in the subject.", "subject app", "subject a+b"),
  "subject-space": text("A space in the subject.", "subject app", "subject a b"),
  "subject-long": text("A subject of 201 bytes.", "subject app", `subject ${"a".repeat(201)}`),
  "glob-empty": text("An empty glob.", /(not-before )/, "source \n$1"),
  "glob-space": text("A glob with a space.", /(not-before )/, "source /a b\n$1"),
  "number-zero": text("A number with a leading zero.", /not-before /, "not-before 0"),
  "number-plus": text("A number with a sign.", /not-before /, "not-before +"),
  "number-2-53": text("2^53.", /not-after .*/, "not-after 9007199254740992", "LIMIT_EXCEEDED"),
  "max-chains-0": text("max-chains 0.", "max-chains 1", "max-chains 0"),
  "max-chains-65536": text("max-chains 65536.", "max-chains 1", "max-chains 65536"),
  "key-of-31-bytes": text(
    "A key of 31 bytes.",
    /ed25519 .*/,
    `ed25519 ${Buffer.alloc(31, 1).toString("base64")}`,
  ),
  "key-stray-bits": text(
    "Base64 with stray bits.",
    /ed25519 .*/,
    `ed25519 ${Buffer.alloc(32, 1).toString("base64").replace("E=", "F=")}`,
  ),
  "key-unpadded": text("Base64 without padding.", /=\n/, "\n"),
  "too-long": text(
    "More than 4 KiB.",
    /(not-before )/,
    `${`source /${"a".repeat(98)}\n`.repeat(40)}$1`,
    "LIMIT_EXCEEDED",
  ),
};

const authority: Vectors = {
  missing: vector("grant.md", "There is no grant.", (story) => {
    const chain = story.chain();
    chain.go();
    story.store(chain);
    story.files.delete(story.place(chain, "grant"));
    story.expect("INVALID", ["UNKNOWN_ROOT"], ["UNAUTHENTICATED", 0]);
  }),
  "missing-unreceipted": vector("grant.md", "There is neither a grant nor a receipt.", (story) => {
    const chain = story.chain();
    story.store(chain, { receipt: undefined });
    story.files.delete(story.place(chain, "grant"));
    story.expect(
      "INVALID",
      ["UNKNOWN_ROOT"],
      ["UNAUTHENTICATED", 0],
      ["TAIL_UNCONFIRMED", 0, undefined, { blocks: 1 }],
    );
  }),
  "unknown-root": used(
    "Signed by a root that is not trusted.",
    { root: new NoteSigner("other.example") },
    ["UNKNOWN_ROOT"],
  ),
  "root-of-same-name": used(
    "Signed by another key of the root's name.",
    { root: new NoteSigner("root.example", 1, "thief") },
    ["UNKNOWN_ROOT"],
  ),
  forged: used(
    "A thief's signature under the root's name and key id.",
    {
      grantNote: (note) => {
        const body = `${note.split("\n\n")[0]}\n`;
        const { name, keyId } = testRoot.key;
        const { signature } = new NoteSigner("thief").sign(body);
        return formatNote(body, [{ name, keyId, signature }]);
      },
    },
    ["GRANT_BAD_SIGNATURE"],
  ),
  "subject-changed": used(
    "The subject was changed after signing.",
    { grantNote: (note) => note.replace("subject app", "subject apq") },
    ["GRANT_BAD_SIGNATURE"],
  ),
  "key-changed": vector(
    "grant.md",
    "The key was changed after signing: no block is its.",
    (story) => {
      const { publicKey } = signer("thief");
      const chain = story.chain({
        grantNote: (note) =>
          note.replace(/ed25519 .*/, `ed25519 ${Buffer.from(publicKey).toString("base64")}`),
      });
      chain.go();
      story.store(chain);
      story.expect("INVALID", ["GRANT_BAD_SIGNATURE"], ["UNAUTHENTICATED", 0]);
    },
  ),
  replaced: vector("grant.md", "Another grant by the same root for the same key.", (story) => {
    const chain = story.chain();
    chain.go();
    story.store(chain);
    const other = story.chain({ terms: { maxChains: 7 } });
    story.files.set(story.place(chain, "grant"), other.grant);
    story.expect("INVALID", ["RECEIPT_MISMATCH", 0]);
  }),
  "role-read": used("A grant for reading.", { terms: { role: "read" } }, ["GRANT_WRONG_ROLE"]),
  "other-audience": used("A grant for another vault.", { terms: { audience: "other.example" } }, [
    "GRANT_WRONG_AUDIENCE",
  ]),
  expired: used(
    "The first receipt is later than not-after.",
    { terms: { notAfter: testTime - 1 } },
    ["GRANT_EXPIRED"],
  ),
  "late-first-receipt": vector(
    "grant.md, Judging a chain's grant",
    "The genesis is dated before not-after, the first receipt known is later: its vault took it in.",
    (story) => {
      const chain = story.chain({ terms: { notAfter: testTime } });
      story.store(chain);
      story.expect("VALID_WITH_FINDINGS", ["TIME_SKEW", 0]);
    },
  ),
  "not-yet-valid": used(
    "The first receipt is earlier than not-before.",
    { terms: { notBefore: testTime + 60 } },
    ["GRANT_NOT_YET_VALID"],
  ),
  "last-second": vector("grant.md", "The first receipt is from the very last second.", (story) => {
    const chain = story.chain({ terms: { notAfter: testTime + 1 } });
    story.store(chain);
    story.expect("VALID");
  }),
  "weak-key": vector("grant.md", "A grant for a key of small order.", (story) => {
    const key = new Uint8Array(32);
    key[0] = 1;
    const chain = story.chain({ terms: { key } });
    chain.go();
    story.store(chain);
    story.expect("INVALID", ["BAD_KEY"], ["UNAUTHENTICATED", 0]);
  }),
  reused: vector(
    "verification.md, Chains against each other",
    "A second chain by a grant for one.",
    (story) => {
      const first = story.chain({ grantKey: "shared" });
      const second = story.chain({ grantKey: "shared", label: "again", terms: { subject: "app" } });
      story.store(second, { receipt: second.receipt(1, testTime + 60) });
      story.store(first, { receipt: first.receipt(1, testTime + 30) });
      story.chains[first.name] = "VALID";
      story.expect("INVALID", ["GRANT_REUSED"]);
    },
  ),
};

export const grant: Vectors = { ...forms, ...authority };
