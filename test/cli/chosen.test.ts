// What a CHAIN that is a subject, or left out, names: never less than the place may hold of it,
// whether that is read as a directory, as a bundle or from a vault.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ChainBuilder, type ChainSetup, testTime } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { storeChain } from "../fakes/chain-store.ts";
import { NoteSigner } from "../fakes/signers.ts";
import { Rig } from "../vault/rig.ts";
import { CommandDir, keyWords, type Ran } from "./command.ts";

const at = ["--at", "2026-01-01T00:00:30Z"];

function chainOf(label: string, setup: ChainSetup = {}, named?: object): ChainBuilder {
  const chain = new ChainBuilder(label, { terms: { subject: "pay" }, ...setup });
  chain.begin(named === undefined ? [] : [say({ type: "predecessor", ...named })]);
  const { id, record } = chain.source("/a");
  chain.seal([say(record), lines(id, `${label}\n`)]);
  return chain;
}

/** One store, to be read in all three ways. */
class Place implements AsyncDisposable {
  readonly dir: CommandDir = new CommandDir();
  readonly #rig: Rig;

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dir[Symbol.dispose]();
    await this.#rig[Symbol.asyncDispose]();
  }

  get store(): string {
    return this.dir.path("store");
  }

  /** Lays these chains down, harms them, and returns the words for SOURCE. */
  lay(chains: readonly ChainBuilder[], harm: (store: string) => void): string[] {
    this.dir.keys();
    rmSync(this.store, { recursive: true, force: true });
    rmSync(this.dir.path("b.tar"), { force: true });
    for (const chain of chains) {
      for (const [name, bytes] of storeChain(new Map(), chain)) {
        this.dir.write(`store/${name}`, bytes);
      }
    }
    harm(this.store);
    rmSync(this.#rig.store, { recursive: true, force: true });
    cpSync(this.store, this.#rig.store, { recursive: true, verbatimSymlinks: true });
    const tar = ["--format=ustar", "-C", this.store, "-cf", this.dir.path("b.tar"), "chains"];
    assert.equal(spawnSync("tar", tar).status, 0);
    return ["store", "b.tar", this.#rig.vault.url];
  }
}

async function placed(): Promise<Place> {
  return new Place(await Rig.start());
}

type Harm = (folder: string) => void;

const bent = (from: string, to: string): Harm => {
  return (folder) => {
    const text = readFileSync(join(folder, "grant"), "utf8");
    writeFileSync(join(folder, "grant"), text.replace(from, to));
  };
};

const harms: Record<string, Harm> = {
  "a folder that is a link": (folder) => {
    const away = join(folder, "../../away");
    rmSync(away, { recursive: true, force: true });
    renameSync(folder, away);
    symlinkSync("../away", folder);
  },
  "a folder in capital letters": (folder) =>
    renameSync(
      folder,
      folder.replace(/[0-9a-f]{64}$/, (name) => name.toUpperCase()),
    ),
  "no grant": (folder) => rmSync(join(folder, "grant")),
  "a folder in the grant's place": (folder) => {
    rmSync(join(folder, "grant"));
    mkdirSync(join(folder, "grant"));
  },
  "a grant whose subject was bent": bent("subject pay", "subject pax"),
  "a grant of another version": bent("sealtail/1", "sealtail/2"),
};

const names = (ran: Ran, id: string): boolean =>
  (ran.out + ran.err).toLowerCase().includes(id) || ran.err.includes("can't be read");

describe("a subject", () => {
  const [first, second] = [chainOf("one"), chainOf("two")];

  for (const [what, harm] of Object.entries(harms)) {
    test(`leaves no chain with ${what} out in silence, in any way of reading`, async () => {
      await using place = await placed();
      const { dir } = place;
      const ways = place.lay([first, second], (store) => harm(join(store, "chains", second.name)));
      for (const way of ways) {
        const judged = await dir.quick(["verify", way, "pay", ...keyWords, ...at]);
        // A bundle that holds a link, or a chain in capital letters, is refused as a whole.
        const refused = judged.code === 6 && judged.err.includes("bundle-invalid");
        assert.equal(judged.code, 6, `${way}: ${judged.out}${judged.err}`);
        if (refused) continue;
        assert.match(judged.out, new RegExp(`not checked.*${second.name}`, "i"), way);
        for (const more of [[], ["--raw"]]) {
          const printed = await dir.quick(["lines", way, "pay", ...more, ...keyWords]);
          assert.deepEqual([printed.code, printed.out.includes("one")], [1, true], way);
          assert.match(printed.err, /lines-left-out/);
          assert.ok(names(printed, second.name), printed.err);
        }
        const proved = await dir.quick(["prove", way, "pay", "4", ...keyWords]);
        assert.deepEqual([proved.code, proved.out], [2, ""], way);
        assert.match(proved.err, /chain-ambiguous/);
        assert.ok(names(proved, second.name), proved.err);
        const exported = await dir.quick(["export", way, "pay", "-o", "x.tar"]);
        if (what !== "a grant whose subject was bent") {
          assert.deepEqual([exported.code, existsSync(dir.path("x.tar"))], [1, false], way);
        }
        assert.ok(names(exported, second.name), exported.err);
        rmSync(dir.path("x.tar"), { force: true });
      }
    });
  }

  test("is judged by its own chains where a given root signed the others' grants", async () => {
    await using place = await placed();
    const other = chainOf("other", { terms: { subject: "else" } });
    for (const way of place.lay([first, other], () => {})) {
      const judged = await place.dir.quick(["verify", way, "pay", ...keyWords, ...at]);
      assert.equal(judged.code, 0, judged.out);
      const printed = await place.dir.quick(["lines", way, "pay", ...keyWords]);
      assert.equal(printed.code, 0, printed.err);
      const exported = await place.dir.quick(["export", way, "pay", "-o", "x.tar"]);
      assert.equal(exported.code, 0, exported.err);
      assert.ok(exported.err.includes(other.name), exported.err);
      rmSync(place.dir.path("x.tar"));
    }
  });

  test("may have chains under a grant that no given root signed", async () => {
    await using place = await placed();
    const root = new NoteSigner("stranger-root", 1);
    const other = chainOf("other", { root, terms: { subject: "else" } });
    for (const way of place.lay([first, other], () => {})) {
      const judged = await place.dir.quick(["verify", way, "pay", ...keyWords, ...at]);
      assert.equal(judged.code, 6, judged.out);
      assert.match(judged.out, new RegExp(`not checked.*${other.name}`));
      const printed = await place.dir.quick(["lines", way, "pay"]);
      assert.equal(printed.code, 0, printed.err);
    }
  });

  test("has no chain that never began", async () => {
    await using place = await placed();
    const ways = place.lay([first, second], (store) => {
      for (const name of ["grant", "receipt"]) rmSync(join(store, "chains", second.name, name));
      writeFileSync(join(store, "chains", second.name, "0000000000000000.blocks"), "");
    });
    for (const way of ways) {
      const judged = await place.dir.quick(["verify", way, "pay", ...keyWords, ...at]);
      assert.equal(judged.code, 0, judged.out);
      const printed = await place.dir.quick(["lines", way, "pay", ...keyWords]);
      assert.equal(printed.code, 0, printed.err);
    }
  });
});

describe("without CHAIN, or by its number", () => {
  const [first, second] = [chainOf("one"), chainOf("two")];

  for (const what of ["a folder that is a link", "a folder in capital letters"]) {
    test(`a chain is not called the only one beside ${what}`, async () => {
      await using place = await placed();
      const ways = place.lay([first, second], (store) =>
        harms[what]?.(join(store, "chains", second.name)),
      );
      for (const way of ways.filter((each) => each !== "b.tar")) {
        const printed = await place.dir.quick(["lines", way, ...keyWords]);
        assert.deepEqual([printed.code, printed.out.includes("one")], [1, true], way);
        assert.ok(names(printed, second.name), printed.err);
        const exported = await place.dir.quick(["export", way, "-o", "x.tar"]);
        assert.deepEqual([exported.code, existsSync(place.dir.path("x.tar"))], [1, false], way);
      }
    });
  }

  test("a chain is not judged without what has its number in capital letters", async () => {
    await using place = await placed();
    const ways = place.lay([first], (store) =>
      mkdirSync(join(store, "chains", first.name.toUpperCase())),
    );
    for (const way of ways) {
      for (const word of [first.name, first.name.slice(0, 8)]) {
        const judged = await place.dir.quick(["verify", way, word, ...keyWords, ...at]);
        assert.equal(judged.code, 6, `${way}: ${judged.out}`);
        const printed = await place.dir.quick(["lines", way, word, ...keyWords]);
        assert.equal(printed.code, 1, way);
      }
    }
  });
});

describe("a chain that another one goes on for", () => {
  const old = chainOf("old");
  const root = Buffer.from(old.roots[2] as Uint8Array).toString("hex");
  const next = chainOf(
    "next",
    {},
    { chain: old.name, size: 2, root, reason: "keys-lost", positions: [] },
  );
  const other = chainOf("other", { terms: { subject: "else" } });
  const gone: Record<string, Harm> = {
    "is deleted": (folder) => rmSync(folder, { recursive: true }),
    "is emptied": (folder) => {
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
    },
  };
  for (const [what, harm] of Object.entries(gone)) {
    test(`is missing where it ${what}, however few chains are asked for`, async () => {
      await using place = await placed();
      const ways = place.lay([old, next, other], (store) => harm(join(store, "chains", old.name)));
      for (const way of ways) {
        for (const word of [["pay"], [next.name], []]) {
          const judged = await place.dir.quick(["verify", way, ...word, ...keyWords, ...at]);
          assert.equal(judged.code, 4, `${way} ${word}: ${judged.out}`);
          assert.match(judged.out, new RegExp(`CHAIN_MISSING.*${next.name}`));
        }
      }
    });
  }

  test("is not missing where it is there and was not asked for", async () => {
    await using place = await placed();
    for (const way of place.lay([old, next, other], () => {})) {
      const judged = await place.dir.quick(["verify", way, next.name, ...keyWords, ...at]);
      assert.equal(judged.code, 3, judged.out);
      assert.match(judged.out, new RegExp(`chain ${old.name}, which chain ${next.name} goes on`));
    }
  });
});

describe("the uses of a grant", () => {
  const uses = (max: number, label: string, seconds: number): ChainBuilder =>
    chainOf(label, {
      ...{ grantKey: "shared", time: (testTime + seconds) * 1_000_000 },
      terms: { subject: "pay", maxChains: max },
    });
  const [first, second] = [uses(1, "one", 0), uses(1, "two", 10)];
  // It recorded its first receipt: else nobody could tell that it did not begin before the first.
  second.seal([say({ type: "receipt", note: second.receipt(2, testTime + 12) })]);
  const lone = chainOf("lone");

  test("are counted over all chains of the place, however few are asked for", async () => {
    await using place = await placed();
    const { dir } = place;
    for (const way of place.lay([first, second, lone], () => {})) {
      for (const words of [[], ["pay"], [second.name]]) {
        const judged = await dir.quick(["verify", way, ...words, ...keyWords, ...at]);
        assert.equal(judged.code, 5, judged.out);
        assert.match(judged.out, /GRANT_REUSED/);
      }
      for (const other of [first, lone]) {
        const judged = await dir.quick(["verify", way, other.name, ...keyWords, ...at]);
        assert.equal(judged.code, 0, judged.out);
        assert.doesNotMatch(judged.out, /how often/);
      }
    }
  });

  for (const [what, harm] of Object.entries(harms)) {
    test(`are not counted in silence beside ${what}`, async () => {
      await using place = await placed();
      const { dir } = place;
      const ways = place.lay([first, second], (store) => harm(join(store, "chains", first.name)));
      for (const way of ways) {
        const judged = await dir.quick(["verify", way, second.name, ...keyWords, ...at]);
        assert.equal(judged.code, 6, `${way}: ${judged.out}`);
        if (judged.err.includes("bundle-invalid")) continue;
        assert.match(judged.out, new RegExp(`not checked.*${first.name}`, "i"));
        const printed = await dir.quick(["lines", way, second.name, ...keyWords]);
        assert.deepEqual([printed.code, printed.out.includes("two")], [1, true]);
        const proved = await dir.quick(["prove", way, second.name, "4", ...keyWords]);
        assert.equal(proved.code, 0, proved.err);
        for (const ran of [printed, proved]) assert.ok(names(ran, first.name), ran.err);
      }
    });
  }

  const blocks = (harm: (path: string) => void): Harm => {
    return (folder) => {
      const names = readdirSync(folder).filter((name) => name.endsWith(".blocks"));
      for (const name of names) harm(join(folder, name));
    };
  };
  const hidden: Record<string, Harm> = {
    "blocks are gone": blocks((path) => rmSync(path)),
    "first block is cut": blocks((path) => truncateSync(path, 10)),
    "blocks can't be read": blocks((path) => {
      rmSync(path);
      mkdirSync(path);
    }),
    "receipt is gone": (folder) => rmSync(join(folder, "receipt")),
    "receipt is garbage": (folder) => writeFileSync(join(folder, "receipt"), "x"),
    "grant is another chain's": (folder) =>
      writeFileSync(join(folder, "grant"), chainOf("other").grant),
  };
  for (const [what, harm] of Object.entries(hidden)) {
    test(`are not told in silence by the chain that is left, where the first one's ${what}`, async () => {
      await using place = await placed();
      const { dir } = place;
      const ways = place.lay([first, second], (store) => harm(join(store, "chains", first.name)));
      for (const way of ways) {
        const judged = await dir.quick(["verify", way, second.name, ...keyWords, ...at]);
        assert.equal(judged.code, 6, `${way}: ${judged.out}`);
        assert.match(judged.out, new RegExp(`not checked.*${first.name}`));
        const printed = await dir.quick(["lines", way, second.name, ...keyWords]);
        const proved = await dir.quick(["prove", way, second.name, "4", ...keyWords]);
        assert.equal(printed.code, 1, printed.err);
        for (const ran of [printed, proved]) assert.ok(names(ran, first.name), ran.err);
      }
    });
  }

  test("are known where the grant has room for all that can't be told", async () => {
    await using place = await placed();
    const [one, two] = [uses(2, "one", 0), uses(2, "two", 10)];
    const ways = place.lay([one, two], (store) => rmSync(join(store, "chains", one.name, "grant")));
    for (const way of ways) {
      const judged = await place.dir.quick(["verify", way, two.name, ...keyWords, ...at]);
      assert.equal(judged.code, 0, judged.out);
    }
  });

  test("are not those of a chain that the key of another grant began", async () => {
    await using place = await placed();
    const other = chainOf("other", { root: new NoteSigner("stranger-root", 1) });
    for (const way of place.lay([lone, other], () => {})) {
      const judged = await place.dir.quick(["verify", way, lone.name, ...keyWords, ...at]);
      assert.equal(judged.code, 0, judged.out);
    }
  });
});
