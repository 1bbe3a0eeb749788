// Pure. Finds the proxy for an address in an environment that is handed over.
//
// - What listens on this machine is reached without a proxy.
// - A proxy's address may hold a password: it is never shown.

import { SealtailError } from "../core/errors.ts";
import { isLoopback } from "./listen-address.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ProxySettings {
  readonly proxy: string;
  readonly noProxy: string;
}

/**
 * The proxy for `url` as curl would choose it: https_proxy or http_proxy, in either case, for the
 * scheme of `url`. Throws config-invalid when its address is not an http or https address.
 */
export function proxyFor(url: URL, env: Environment): ProxySettings | undefined {
  if (isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) return undefined;
  const name = url.protocol === "https:" ? "https_proxy" : "http_proxy";
  const value = (env[name] ?? env[name.toUpperCase()] ?? "").trim();
  if (value === "") return undefined;
  const proxy = value.includes("://") ? value : `http://${value}`;
  if (!URL.canParse(proxy) || !/^https?:$/.test(new URL(proxy).protocol)) {
    const hint = `correct ${name} or ${name.toUpperCase()} in the environment`;
    const message = "the proxy's address is not an http or https address";
    throw new SealtailError("config-invalid", message, { place: name, hint });
  }
  return { proxy, noProxy: env.no_proxy ?? env.NO_PROXY ?? "" };
}
