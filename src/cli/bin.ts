#!/usr/bin/env node
// The start of the command: checks the node that runs it, then hands over to main.ts.
//
// - Nothing else of ours is imported before that check: what comes after may need a newer node.
// - The heap is told to stay small here, because flags on node's own command line would reach
//   neither the installed command nor npx. Measured in docs/performance.md.

import "./node-version.mjs";
import { setFlagsFromString } from "node:v8";

// Almost all that we allocate dies at once; left alone, V8 lets it take up to 64 MB meanwhile.
setFlagsFromString("--semi-space-growth-factor=1");
// Collect when the heap, with the buffers outside, has doubled: V8 collected each 8 MB.
setFlagsFromString("--heap-growing-percent=100");

const { main } = await import("./main.ts");
process.exitCode = await main(process.argv.slice(2));
// After a failed sync nothing may go on, whatever is still under way.
if (process.exitCode === 74) process.exit();
