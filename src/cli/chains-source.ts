// SOURCE on the command line: a vault's address, a store directory or a bundle file; and CHAIN,
// which names one chain in it.

import type { ChainSource, VerifiableSource } from "../core/chain-source.ts";
import { SealtailError } from "../core/errors.ts";
import { printable } from "../core/printable.ts";
import { systemFiles } from "../host/files.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { openBundle } from "../store/bundle.ts";
import { readDirStore } from "../store/dir.ts";
import { chainsFolder } from "../store/layout.ts";
import { type Chosen, chosenOf } from "../verify/chosen.ts";
import { dataDir, pathOf } from "./paths.ts";
import type { TrustedKeys } from "./trusted-keys.ts";
import { type Ui, usage } from "./ui.ts";

/** A chain as every SOURCE gives it: to be verified, read and exported. */
export type OpenedChain = ChainSource;

export interface OpenedSource extends VerifiableSource {
  /** A vault that runs now, so that the age of what it holds means something. */
  readonly live: boolean;
  readonly close: () => Promise<void>;
}

export interface SourceOptions {
  readonly data?: string;
  readonly ca?: string;
}

/** The words left when --data stands for SOURCE: then the first one is CHAIN. */
export function sourceWords(
  ui: Ui,
  options: SourceOptions,
  words: readonly (string | undefined)[],
): { source: string; rest: (string | undefined)[] } {
  if (options.data !== undefined) {
    if (words.at(-1) !== undefined) {
      throw usage("argument-invalid", "there is a word too many: --data stands for SOURCE");
    }
    return { source: dataDir(pathOf(ui, options.data)).store, rest: words.slice(0, -1) };
  }
  const [source, ...rest] = words;
  if (source === undefined) {
    const hint = "give a vault's address, a store directory or a bundle file, or --data DIR";
    throw usage("argument-missing", "there is no SOURCE", hint);
  }
  return { source, rest };
}

/** Opens SOURCE. Throws source-unusable, file-missing or what the place itself says. */
export async function openSource(
  ui: Ui,
  source: string,
  options: SourceOptions = {},
): Promise<OpenedSource> {
  if (/^https?:\/\//i.test(source)) {
    const ca = options.ca === undefined ? undefined : pathOf(ui, options.ca);
    // Only here: the HTTP client is much to load for whoever reads a directory.
    const { remoteSource } = await import("./remote-source.ts");
    return await remoteSource(source, ca);
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) {
    const message = "couldn't open the source: this version reads vaults, directories and bundles";
    throw new SealtailError("source-unusable", message, { place: printable(source) });
  }
  const path = pathOf(ui, source);
  const info = await systemFiles.stat(path);
  if (info === undefined) {
    throw new SealtailError("file-missing", "couldn't find the source", { place: path });
  }
  if (info.kind === "file") {
    const bundle = await openBundle(systemFiles, path);
    return { ...opened(bundle), close: () => bundle.close() };
  }
  if ((await systemFiles.stat(`${path}/${chainsFolder}`))?.kind === "dir") {
    return { ...opened(readDirStore(systemFiles, path)), close: async () => {} };
  }
  const nested = (await systemFiles.stat(`${path}/store/${chainsFolder}`))?.kind === "dir";
  const made = (await systemFiles.stat(`${path}/keys/root.pub`)) !== undefined;
  const hint = nested ? `give ${path}/store${made ? `, or --data ${path}` : ""}` : undefined;
  throw new SealtailError("source-unusable", "the directory is no store: it has no chains", {
    place: path,
    ...(hint === undefined ? {} : { hint }),
  });
}

type Readable = ReturnType<typeof readDirStore>;

function opened(store: Readable): Omit<OpenedSource, "close"> {
  return {
    name: store.name,
    live: false,
    contents: () => store.contents(),
  };
}

/**
 * The chains that `word` names: one by its id or a unique prefix of at least 6 digits, or all of a
 * subject; the only chain, if there is no word. Never none. Whoever reads them says what may belong
 * to them, too (`doubts`), or refuses. Throws chain-ambiguous.
 */
export async function chooseChains(
  source: OpenedSource,
  word: string | undefined,
  { roots, vaults }: Pick<TrustedKeys, "roots" | "vaults"> = { roots: [], vaults: [] },
): Promise<Chosen> {
  const by = { suite: nativeSuite, roots, vaults };
  const chosen = await chosenOf(await source.contents(), word, by);
  const [first, second] = chosen.chains;
  if (first === undefined) throw unknownChain(word, chosen.doubts);
  if (word === undefined && second !== undefined) throw severalChains(chosen.chains);
  if (word !== undefined && chosen.as === "both") throw idAndSubject(first.id, word);
  if (word !== undefined && chosen.as === "id") theOne(chosen.chains, word);
  return chosen;
}

/** The same, where it must be one. Throws chain-ambiguous, also where it may not be the only one. */
export async function chooseChain(
  source: OpenedSource,
  word: string,
  keys?: Pick<TrustedKeys, "roots" | "vaults">,
): Promise<OpenedChain> {
  const { chains, doubts } = await chooseChains(source, word, keys);
  const only = theOne(chains, word);
  if (doubts.length === 0 || only.id === word.replace(/^id:/, "")) return only;
  const message = `chain ${only.id} may not be the only one called ${printable(word)}`;
  const hint = `give more digits of its id; ${printable(String(doubts[0]))}`;
  throw new SealtailError("chain-ambiguous", message, { hint });
}

/** The only one of these chains, which `word` names. Throws chain-ambiguous. */
export function theOne(chains: readonly OpenedChain[], word: string): OpenedChain {
  const [only, ...others] = chains;
  if (only !== undefined && others.length === 0) return only;
  const message = `this asks for one chain, and ${chains.length} are called ${printable(word)}`;
  const hint = `give one of ${shownIds(chains)}`;
  throw new SealtailError("chain-ambiguous", message, { hint });
}

function idAndSubject(id: string, word: string): SealtailError {
  const message = `${word} is a subject, and the beginning of a chain's id, too`;
  const hint = `give subject:${word} for the subject, or ${id.slice(0, 16)} for that chain`;
  return new SealtailError("chain-ambiguous", message, { hint });
}

function severalChains(chains: readonly OpenedChain[]): SealtailError {
  const message = `there is no CHAIN, and ${chains.length} to choose from`;
  return usage("argument-missing", message, `give one of ${shownIds(chains)}`);
}

function unknownChain(word: string | undefined, [doubt]: readonly string[]): SealtailError {
  if (word === undefined) return new SealtailError("chain-unknown", "there is no chain here");
  const but = doubt === undefined ? "" : `, but ${printable(doubt)}`;
  const short = /^(id:)?[0-9a-f]{1,5}$/.test(word);
  const detail = short ? { hint: "a prefix of an id needs at least 6 digits" } : {};
  return new SealtailError("chain-unknown", `there is no chain ${printable(word)}${but}`, detail);
}

function shownIds(chains: readonly OpenedChain[]): string {
  const ids = chains.slice(0, 8).map(({ id }) => id.slice(0, 16));
  return ids.join(", ") + (chains.length > 8 ? " …" : "");
}
