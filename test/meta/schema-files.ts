// The JSON Schemas in config/ as they have to be.

import { agentConfig } from "../../src/agent/config.ts";
import { configJsonSchema } from "../../src/host/config.ts";
import { vaultConfig } from "../../src/vault/config.ts";

export function schemaFiles(): { url: URL; text: string }[] {
  const schemas = { agent: configJsonSchema(agentConfig), vault: configJsonSchema(vaultConfig) };
  return Object.entries(schemas).map(([name, schema]) => ({
    url: new URL(`../../config/${name}.schema.json`, import.meta.url),
    text: `${JSON.stringify(schema, undefined, 2)}\n`,
  }));
}
