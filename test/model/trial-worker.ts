// One thread that lives through `count` worlds from seed `from` on, and tells the failure, if any.

import { parentPort, workerData } from "node:worker_threads";
import { firstFailure } from "./trial.ts";

const { from, count } = workerData as { from: number; count: number };
parentPort?.postMessage((await firstFailure(from, count)) ?? null);
