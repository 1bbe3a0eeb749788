// The effective configuration as it goes into the chain's `config` record.
//
// - Sizes and durations are bytes and milliseconds; absent values are left out.
// - Anything that could be a secret is replaced by "***".

export type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

export function maskedConfig(config: object): { readonly [key: string]: Json } {
  const masked = JSON.stringify(config, (key, value: unknown) => {
    if (/(?:password|passphrase|secret|token)$/i.test(key)) return "***";
    if (typeof value === "string") return value.replace(/(:\/\/)[^/@\s]*@/, "$1***@");
    if (typeof value === "number" && !(Number.isSafeInteger(value) && value >= 0)) {
      throw new TypeError(`configuration key ${key} holds no whole number`);
    }
    return value ?? undefined;
  });
  return JSON.parse(masked);
}
