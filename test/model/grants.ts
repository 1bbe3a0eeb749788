// Who issues grants in a world: lays them where the agent looks, takes them away, uses them again.
//
// - A grant is laid as a person would: the key first, then the grant, each in one step.
// - Whether what lies there begins a chain that covers every file is known here, so that whoever
//   ends all trouble knows when another grant is needed.

import { formatGrant, type GrantTerms } from "../../src/core/grant.ts";
import { formatNote } from "../../src/core/note.ts";
import { createKey } from "../../src/host/keys.ts";
import type { Random } from "../../src/host/random.ts";
import { testRoot } from "../fakes/chain-builder.ts";
import { FakeFiles } from "../fakes/files.ts";
import { NoteSigner } from "../fakes/signers.ts";

export const grantFile = "/keys/grant";
export const grantKey = "/keys/grant.key";

interface Issued {
  readonly note: string;
  readonly key: Uint8Array;
  readonly sources: readonly string[];
}

type Terms = Partial<Omit<GrantTerms, "id" | "key">>;

const stranger = new NoteSigner("stranger.example");

/** Globs that a grant may carry; the last ones leave files out. */
const scopes: readonly (readonly string[])[] = [
  [],
  ["/logs/**"],
  ["/logs/*.log", "/logs/sub/*.log"],
  ["/logs/*.log"],
  ["/logs/a*", "/logs/sub/*"],
  ["/logs/b.log"],
];

export class Grants {
  /** What was laid last covers every file and is good for a new chain. */
  good = false;
  readonly #disk: FakeFiles;
  readonly #random: Random;
  readonly #audience: string;
  readonly #issued: Issued[] = [];

  constructor(disk: FakeFiles, random: Random, audience: string) {
    this.#disk = disk;
    this.#random = random;
    this.#audience = audience;
  }

  /** Lays a grant that covers every file. */
  async layGood(): Promise<void> {
    this.#lay(await this.#issue({}));
    this.good = true;
    this.#disk.syncAll();
  }

  /** Lays a good grant for all or some of the files. */
  async layScoped(chance: () => number): Promise<string> {
    const sources = scopes[Math.floor(chance() * scopes.length)] as readonly string[];
    const maxChains = chance() < 0.5 ? 1 : 1000;
    this.#lay(await this.#issue({ sources, maxChains }));
    this.good = false;
    return sources.join(" ");
  }

  /** Lays a grant that cannot be used, or not for long. */
  async layBad(chance: () => number, nowSeconds: number): Promise<string> {
    const soon = nowSeconds + Math.floor((chance() - 0.3) * 60);
    const [name, terms] = [
      ["expires", { notAfter: soon }],
      ["begins later", { notBefore: soon }],
      ["for reading", { role: "read" }],
      ["for another subject", { subject: "other" }],
      ["for another vault", { audience: "other.example" }],
      ["of a stranger", {}],
    ][Math.floor(chance() * 6)] as [string, Terms];
    this.#lay(await this.#issue(terms, name === "of a stranger" ? stranger : testRoot));
    this.good = false;
    return name;
  }

  /** Lays one that was laid before: it may be used up. */
  layAgain(chance: () => number): void {
    const before = this.#issued[Math.floor(chance() * this.#issued.length)];
    if (before === undefined) return;
    this.#lay(before);
    this.good = false;
  }

  /** The grant, its key or both are taken away, or the grant is half copied. */
  takeAway(chance: () => number): void {
    this.good = false;
    const fate = Math.floor(chance() * 4);
    const node = this.#disk.node(grantFile);
    if (fate === 3) node?.bytes.change(Math.floor(node.bytes.size * chance()), undefined);
    if (fate !== 1 && fate !== 3) this.#remove(grantFile);
    if (fate === 1 || fate === 2) this.#remove(grantKey);
  }

  /** The globs of the grant that a file holds whole, in whatever form. */
  sourcesIn(bytes: Uint8Array): readonly string[] | undefined {
    return this.#issued.find(({ note }) => Buffer.from(bytes).includes(note))?.sources;
  }

  #remove(path: string): void {
    if (this.#disk.node(path) !== undefined) this.#disk.remove(path);
  }

  #lay({ note, key }: Issued): void {
    this.#put(grantKey, key);
    this.#put(grantFile, Buffer.from(note));
  }

  #put(path: string, bytes: Uint8Array): void {
    const aside = `${path}.new`;
    this.#disk.put(aside, bytes);
    const node = this.#disk.node(aside);
    if (node !== undefined) node.mode = 0o600;
    this.#disk.move(aside, path);
  }

  async #issue(terms: Terms, signer = testRoot): Promise<Issued> {
    const desk = new FakeFiles(9n);
    await desk.mkdir("/desk", 0o700);
    const path = "/desk/key";
    const random = this.#random;
    const { key } = await createKey({ files: desk, random, path, name: "app", type: 1 });
    const all: GrantTerms = {
      ...{ id: random.bytes(16), role: "write", subject: "app", audience: this.#audience },
      ...{ sources: [], notBefore: 0, notAfter: 4_000_000_000, maxChains: 1000 },
      ...{ maxSilenceMs: 60_000, ...terms, key: key.publicKey },
    };
    const text = formatGrant(all);
    const note = formatNote(text, [signer.sign(text)]);
    const issued = { note, key: desk.bytes(path), sources: all.sources };
    this.#issued.push(issued);
    return issued;
  }
}
