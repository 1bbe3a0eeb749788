// Whether this machine has what a test needs from outside of npm.
//
// - In CI a missing tool is a failure: what is skipped there is never checked anywhere.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Why a test cannot run here, for its `skip`; false where it can. Throws in CI. */
export function lacking(tools: readonly string[], how: string): string | false {
  const missing = tools.filter((tool) => !isThere(tool));
  const reasons = missing.map((tool) => `${tool} is missing`);
  if (process.getuid?.() !== 0) reasons.push("it needs root");
  if (reasons.length === 0) return false;
  const text = `${reasons.join(", ")}; ${how}`;
  if (process.env["CI"] === "true") throw new Error(text);
  return text;
}

function isThere(tool: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
