// An address to listen on, as people write it: "127.0.0.1:9464", "[::1]:8443", "localhost:0".
//
// - Pure.

export interface ListenAddress {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export const listenWant = "host:port, such as 127.0.0.1:9464 or [::1]:9464";

/** Undefined for anything but host:port with a port up to 65535. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach it. Names other than localhost are taken to be reachable. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}

/** Whether other machines could reach what listens there. */
export function isOpenToOthers(listen: string): boolean {
  return !isLoopback(parseListenAddress(listen)?.host ?? "");
}
