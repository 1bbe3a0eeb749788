// Prometheus' own checker, where it is installed; CI must have it.

import { existsSync } from "node:fs";

export const promtool = "/usr/bin/promtool";

const there = existsSync(promtool);
if (!there && process.env["CI"] === "true") throw new Error(`needs ${promtool}`);
export const skip: string | false = there ? false : `needs ${promtool}`;
