// Why a vault is not started: what a start refuses, and `sealtail check` says before it.
//
// - Pure: public halves of keys tell all of it. A key that could not be read is not judged.

import { sharedKey } from "../core/authority.ts";
import { equalBytes } from "../core/bytes.ts";
import { type KeyType, parseVerifierKey, type VerifierKey } from "../core/note.ts";
import type { ConfigRefusal } from "../host/config-error.ts";
import { isOpenToOthers } from "../host/listen-address.ts";
import { nativeSuite } from "../host/native-suite.ts";
import type { VaultConfig } from "./config.ts";

interface OwnKeys {
  readonly receipt: VerifierKey | undefined;
  readonly time: VerifierKey | undefined;
}

/** All that speaks against it. */
export function refusalsOf(config: VaultConfig, { receipt, time }: OwnKeys): ConfigRefusal[] {
  const { name, listen, access, trust, state_dir, store } = config;
  const refusals: ConfigRefusal[] = [];
  if (!access.open && isOpenToOthers(listen)) {
    const message = `vault would listen on ${listen}, want an address of this machine only`;
    refusals.push({ code: "access-closed", path: ["listen"], message });
  }
  // Whoever puts an old store back must not put back what the vault remembers of it.
  if (isWithin(store.path, state_dir) || isWithin(state_dir, store.path)) {
    const message = `state_dir is ${state_dir} and store.path ${store.path}, want them apart`;
    const hint =
      "name two directories, neither in the other; the store may be copied, state may not";
    refusals.push({ code: "config-invalid", path: ["state_dir"], message, hint });
  }
  refusals.push(...unlike("receipt", receipt, name, 1), ...unlike("time", time, `${name}/time`, 4));
  if (receipt && time && equalBytes(receipt.publicKey, time.publicKey)) {
    const message = "receipt and time key are the same key";
    refusals.push({ code: "vault-key-mismatch", path: ["keys", "time"], message });
  }
  const [one, other] = [receipt ?? time, time ?? receipt];
  if (one === undefined || other === undefined) return refusals;
  // Such a vault could grant what it receipts.
  const roots = trust.root_keys.map((text) => parseVerifierKey(nativeSuite, text));
  const shared = sharedKey(roots, [{ receipt: one, time: other }]);
  if (shared !== undefined) {
    const hint = "make a root key of its own with `sealtail key new`, and keep it off this machine";
    const message = `root key ${shared.name} is the vault's own key`;
    const path = ["trust", "root_keys", roots.indexOf(shared)];
    refusals.push({ code: "vault-key-mismatch", path, message, hint });
  }
  return refusals;
}

function isWithin(dir: string, path: string): boolean {
  return path === dir || path.startsWith(dir === "/" ? dir : `${dir}/`);
}

function unlike(
  which: "receipt" | "time",
  key: VerifierKey | undefined,
  name: string,
  type: KeyType,
): ConfigRefusal[] {
  if (key === undefined || (key.name === name && key.type === type)) return [];
  const message = `${which} key is ${key.name} of type ${key.type}, want ${name} of type ${type}`;
  return [{ code: "vault-key-mismatch", path: ["keys", which], message }];
}
