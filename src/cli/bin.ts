#!/usr/bin/env node
// The start of the command: checks the node that runs it, then hands over to main.ts.
//
// - Nothing else is imported before that check: what comes after may need a newer node.

import "./node-version.mjs";

const { main } = await import("./main.ts");
process.exitCode = await main(process.argv.slice(2));
