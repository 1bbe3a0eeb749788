// The JSON Schemas in config/ as they have to be.

import { agentConfig } from "../../src/agent/config.ts";
import { configJsonSchema } from "../../src/host/config.ts";
import { vaultConfig } from "../../src/vault/config.ts";

export async function schemaFiles(): Promise<{ url: URL; text: string }[]> {
  const schemas = { agent: agentConfig, vault: vaultConfig };
  return Promise.all(
    Object.entries(schemas).map(async ([name, schema]) => ({
      url: new URL(`../../config/${name}.schema.json`, import.meta.url),
      text: `${JSON.stringify(await configJsonSchema(schema), undefined, 2)}\n`,
    })),
  );
}
