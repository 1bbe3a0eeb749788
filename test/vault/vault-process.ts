// A vault in a process of its own, for tests that kill it: `vault-process.ts DIR`.
//
// - Prints its address as one line, then serves until it is killed; exits 74 after a failed sync.

import { systemClock } from "../../src/host/clock.ts";
import { silentDiag } from "../../src/host/diag.ts";
import { systemFiles } from "../../src/host/files.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { startVault } from "../../src/vault/vault.ts";
import { signers, vaultConfigOf } from "./rig.ts";

const limits = { objects: { bytes: 20_000, ageMicros: 1e15 } };
const vault = await startVault(vaultConfigOf(process.argv[2] ?? ""), {
  ...{ suite, signers, limits, clock: systemClock, files: systemFiles, diag: silentDiag },
  version: "0.0.0",
});
process.stdout.write(`${vault.url}\n`);
process.on("SIGTERM", () => {
  void vault.close(5000);
});
vault.failed.catch(() => process.exit(74));
