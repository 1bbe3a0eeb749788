// The seed of a random test: SEALTAIL_SEED replays one, otherwise each run has its own.

import { randomInt } from "node:crypto";

export const seed: number = Number(process.env["SEALTAIL_SEED"] ?? randomInt(2 ** 31));
