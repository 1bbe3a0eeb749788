// Pure. Names of what lies in a store, for directories, bundles and buckets alike.
//
// - Numbers in names are 16 lower-case hex digits, so that names sort as the numbers do.
// - A name that is none of these means nothing here: it is passed over, never guessed at. But one
//   that is an object's in other letters is named: something may have renamed evidence.
//
// Spec: docs/spec/store.md.

import { headLength } from "../core/block.ts";
import { limits } from "../core/header.ts";

/** Blocks of one `headers/` object, and the multiple that no `.blocks` object crosses. */
export const blocksPerRange = 1024;

/** No object is longer: a file that is, may take for ever to read, and need not be on a disk at all. */
export const objectBytesMax: number = blocksPerRange * (headLength + limits.storedLength);

export const chainsFolder = "chains";
export const acknowledgementsFolder = "acknowledgements";

export const chainFolders = ["", "headers", "forks"] as const;
export type ChainFolder = (typeof chainFolders)[number];

const suffix = ".blocks";

export function isChainId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** Folder of a chain, or of a folder in it. */
export function chainPath(chain: string, folder: ChainFolder = ""): string {
  const base = `${chainsFolder}/${chain}`;
  return folder === "" ? base : `${base}/${folder}`;
}

export function grantPath(chain: string): string {
  return `${chainPath(chain)}/grant`;
}

export function receiptPath(chain: string): string {
  return `${chainPath(chain)}/receipt`;
}

export function blocksPath(chain: string, firstBlock: number): string {
  return `${chainPath(chain)}/${hex16(firstBlock)}${suffix}`;
}

export function headersPath(chain: string, firstBlock: number): string {
  return `${chainPath(chain, "headers")}/${hex16(firstBlock)}`;
}

/** `hash` is the block hash, in hex, of the head that was refused. */
export function forkPath(chain: string, block: number, hash: string): string {
  return `${chainPath(chain, "forks")}/${forkName({ block, hash })}`;
}

export function forkName({ block, hash }: { block: number; hash: string }): string {
  return `${hex16(block)}-${hash}`;
}

/** `id` is H(note) in hex, `time` the statement's, in Unix seconds. */
export function acknowledgementPath(time: number, id: string): string {
  return `${acknowledgementsFolder}/${hex16(time)}-${id}`;
}

export function isAcknowledgementName(name: string): boolean {
  return /^[0-9a-f]{16}-[0-9a-f]{64}$/.test(name);
}

/** First block of a `.blocks` object by its name in the chain's folder. */
export function blocksNumber(name: string): number | undefined {
  return name.endsWith(suffix) ? fromHex16(name.slice(0, -suffix.length)) : undefined;
}

/** First block of a headers object by its name in the folder `headers`. */
export function headersNumber(name: string): number | undefined {
  const number = fromHex16(name);
  return number === undefined || number % blocksPerRange !== 0 ? undefined : number;
}

/** Block number and refused block hash of a fork proof by its name in the folder `forks`. */
export function forkOf(name: string): { block: number; hash: string } | undefined {
  const [, digits = "", hash = ""] = /^([0-9a-f]{16})-([0-9a-f]{64})$/.exec(name) ?? [];
  const block = fromHex16(digits);
  return block === undefined ? undefined : { block, hash };
}

/** The block number in a name in a chain's folder; undefined for what names no block. */
export function numberIn(folder: ChainFolder, name: string): number | undefined {
  if (folder === "") return blocksNumber(name);
  return folder === "headers" ? headersNumber(name) : forkOf(name)?.block;
}

/** A whole path split into chain, folder and name; undefined for what is no object of a store. */
export function placeOf(
  path: string,
): { chain: string; folder: ChainFolder; name: string } | undefined {
  const [top, chain = "", ...rest] = path.split("/");
  if (top !== chainsFolder || !isChainId(chain)) return undefined;
  const [first = "", second] = rest;
  if (rest.length === 1) {
    const known = first === "grant" || first === "receipt" || blocksNumber(first) !== undefined;
    return known ? { chain, folder: "", name: first } : undefined;
  }
  if (rest.length !== 2 || second === undefined) return undefined;
  if (first !== "headers" && first !== "forks") return undefined;
  const known = numberIn(first, second) !== undefined;
  return known ? { chain, folder: first, name: second } : undefined;
}

const anyText = new TextDecoder("utf-8", { ignoreBOM: true });

/** A name, or its bytes, as text. What is not UTF-8 becomes U+FFFD, which no name of ours holds. */
export function nameText(name: string | Uint8Array): string {
  return typeof name === "string" ? name : anyText.decode(name);
}

/** Something that lies in a folder of the store. */
export interface FolderItem {
  /** As nameText() shows it: what is not UTF-8 in it is no name of ours. */
  readonly name: string;
  readonly kind: "file" | "dir" | "link" | "other";
}

/** Why what a folder's link leads to can't be read. */
export function unreadLink(folder: string): string {
  return `${folder} is ${kindText.link}`;
}

/** Why what lies in the place itself and seems to be the folder `chains` can't be read as it. */
export function unreadTop({ name, kind }: FolderItem): string | undefined {
  if (name === chainsFolder) return kind === "dir" ? undefined : `${name} is ${kindText[kind]}`;
  return name.toLowerCase() === chainsFolder ? `${name} is not in lower case` : undefined;
}

/** Why what lies in the folder `chains` and seems to be a chain can't be read as one. */
export function unreadChain({ name, kind }: FolderItem): string | undefined {
  const path = `${chainsFolder}/${name}`;
  if (isChainId(name)) return kind === "dir" ? undefined : `${path} is ${kindText[kind]}`;
  return isChainId(name.toLowerCase()) ? `${path} is not in lower case` : undefined;
}

/** Why what lies in a chain's folder and seems to be an object can't be read as one. */
export function unreadObject(
  chain: string,
  folder: ChainFolder,
  { name, kind }: FolderItem,
): string | undefined {
  const path = `${chainPath(chain, folder)}/${name}`;
  const want = wantedKind(chain, folder, name);
  if (want !== undefined) return kind === want ? undefined : `${path} is ${kindText[kind]}`;
  // Whoever died while it wrote a proof leaves one with this ending.
  const isProof = folder !== "forks" || forkOf(name.replace(/\.tmp$/, "")) !== undefined;
  if (!isProof) return `${path} is not named as a fork's proof is`;
  const nearly = wantedKind(chain, folder, name.toLowerCase()) !== undefined;
  return nearly ? `${path} is not in lower case` : undefined;
}

function wantedKind(chain: string, folder: ChainFolder, name: string): "file" | "dir" | undefined {
  if (folder === "" && (name === "headers" || name === "forks")) return "dir";
  return placeOf(`${chainPath(chain, folder)}/${name}`) === undefined ? undefined : "file";
}

const kindText = {
  ...{ file: "a file, not a folder", dir: "a folder, not a file" },
  ...{ link: "a link, which is not followed", other: "neither file nor folder" },
} as const;

/** First block of the range of 1,024 that `block` lies in. */
export function rangeOf(block: number): number {
  return block - (block % blocksPerRange);
}

function hex16(number: number): string {
  return number.toString(16).padStart(16, "0");
}

function fromHex16(text: string): number | undefined {
  if (!/^[0-9a-f]{16}$/.test(text)) return undefined;
  const number = Number.parseInt(text, 16);
  return Number.isSafeInteger(number) ? number : undefined;
}
