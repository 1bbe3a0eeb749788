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
// The heap with the buffers outside may double before it is collected, where V8 lets it grow by
// 8 MB; five times for a tool that ends soon.
const stays = ["agent", "vault", "up"].includes(process.argv[2] ?? "");
setFlagsFromString(`--heap-growing-percent=${stays ? 100 : 400}`);
// The HTTP client parses answers with WebAssembly, a few hundred bytes a request: making that code
// fast takes 10 to 20 MB once, for nothing.
setFlagsFromString("--wasm-tiering-budget=1000000000");

const { main } = await import("./main.ts");
process.exitCode = await main(process.argv.slice(2));
// After a failed sync nothing may go on, whatever is still under way.
if (process.exitCode === 74) process.exit();
