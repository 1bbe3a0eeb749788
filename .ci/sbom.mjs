// Adds the node that runs it to npm's CycloneDX bill of materials: `node sbom.mjs npm.cdx.json`.

import { readFileSync } from "node:fs";
import process from "node:process";

const bill = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const { node, openssl, v8 } = process.versions;
const version = (name, value) => ({ name: `sealtail:node:${name}`, value });
bill.components.push({
  "bom-ref": `node-runtime@${node}`,
  type: "platform",
  name: "node",
  version: node,
  purl: `pkg:generic/node@${node}`,
  cpe: `cpe:2.3:a:nodejs:node.js:${node}:*:*:*:-:*:*:*`,
  properties: [version("openssl", openssl), version("v8", v8)],
});
process.stdout.write(`${JSON.stringify(bill, undefined, 2)}\n`);
