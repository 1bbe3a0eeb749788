// Judges a snapshot record: what it lists must be what the chain says holds just before it.
//
// - Where the walk does not know (something before was lost), the snapshot restores it instead.
//
// Spec: docs/spec/record.md, "snapshot".

import { equalBytes, fromHex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import type { Header } from "../core/header.ts";
import { encodeJson, type JsonObject } from "../core/json.ts";
import type { SourceTable } from "../core/sources.ts";
import { Frontier } from "../core/tree.ts";
import type { Thread } from "./thread.ts";

export interface KnownState {
  readonly sources: SourceTable;
  readonly thread: Thread;
  readonly configHash: Uint8Array | undefined;
}

/** Compares a well-formed snapshot with what is known, or takes over what is not. */
export function judgeSnapshot(
  suite: Suite,
  known: KnownState,
  header: Header,
  snapshot: JsonObject,
): Fault | undefined {
  return (
    judgeTree(suite, known.thread, header, snapshot["tree"] as readonly string[]) ??
    judgeConfig(suite, known.configHash, snapshot["config"] as JsonObject) ??
    known.sources.takeSnapshot(snapshot)
  );
}

function judgeTree(
  suite: Suite,
  thread: Thread,
  header: Header,
  tree: readonly string[],
): Fault | undefined {
  const wrong = new Fault("SNAPSHOT_MISMATCH", "snapshot's tree does not fold to chain_root");
  let frontier: Frontier;
  try {
    frontier = Frontier.from(
      suite,
      header.blockNo,
      tree.map((text) => fromHex(text, 32)),
    );
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return wrong;
  }
  if (!equalBytes(frontier.root(), header.chainRoot)) return wrong;
  thread.frontier ??= frontier;
  return undefined;
}

function judgeConfig(
  suite: Suite,
  known: Uint8Array | undefined,
  config: JsonObject,
): Fault | undefined {
  if (known === undefined || equalBytes(suite.sha256(encodeJson(config)), known)) return undefined;
  return new Fault("SNAPSHOT_MISMATCH", "snapshot's config is not the newest config record");
}
