// Keeps a listener's connections within a budget: whoever is new gets in, and somebody else goes.
//
// - First go strangers that wait, then strangers that are being answered, then acquaintances that
//   wait; of each kind whoever has been so for longest. An acquaintance at work never goes.
// - One address loses its own strangers before it takes more than its share. Acquaintances do not
//   count: a fleet behind one address keeps its connections.

import type { Socket } from "node:net";

export interface ConnectionLimits {
  readonly connectionsMax: number;
  /** Percent of all connections that strangers of one address may hold. */
  readonly addressShare: number;
}

/** Why a connection was closed: it waited, it was being answered, or nobody could go for it. */
export type ClosedWhy = "idle" | "busy" | "refused";

export interface Connection {
  readonly address: string;
  readonly socket: Socket;
  /** Requests that came and are not answered yet. */
  requests: number;
  known: boolean;
  /** Settles when the newest request so far is answered. */
  last: Promise<void> | undefined;
}

export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #onClosed: (why: ClosedWhy) => void;
  readonly #all = new Map<string, Connection>();
  readonly #strangers = new Map<string, number>();
  /** Whoever came to wait, or to work, first. */
  readonly #idle = new Set<Connection>();
  readonly #busy = new Set<Connection>();
  readonly #knownIdle = new Set<Connection>();

  constructor(limits: ConnectionLimits, onClosed: (why: ClosedWhy) => void = () => {}) {
    this.#limits = limits;
    this.#onClosed = onClosed;
  }

  get count(): number {
    return this.#all.size;
  }

  /** Takes a new connection in, or closes it. */
  add(socket: Socket): void {
    // Whoever hung up before we looked has no address any more, and nothing to say.
    if (socket.remoteAddress === undefined || socket.remotePort === undefined) {
      socket.destroy();
      return;
    }
    const name = nameOf(socket);
    const address = addressOf(socket);
    const { connectionsMax, addressShare } = this.#limits;
    const share = Math.max(1, Math.floor((connectionsMax * addressShare) / 100));
    const crowded = (this.#strangers.get(address) ?? 0) >= share;
    if (crowded && !this.#dismiss(address)) return this.#refuse(socket);
    if (this.#all.size >= connectionsMax && !this.#dismiss()) return this.#refuse(socket);
    const connection: Connection = {
      ...{ address, socket, requests: 0, known: false, last: undefined },
    };
    // One of the same name is gone, and nobody has told us yet.
    const before = this.#all.get(name);
    if (before !== undefined) this.#remove(name, before);
    this.#all.set(name, connection);
    this.#countStranger(address, 1);
    this.#idle.add(connection);
    socket.once("close", () => this.#remove(name, connection));
  }

  /** Undefined for one that was closed meanwhile. */
  of(socket: Socket): Connection | undefined {
    return this.#all.get(nameOf(socket));
  }

  begin(connection: Connection): void {
    connection.requests += 1;
    this.#place(connection);
  }

  end(connection: Connection): void {
    connection.requests -= 1;
    this.#place(connection);
  }

  /** Whoever is at the other end has shown that they are wanted here. */
  know(socket: Socket): void {
    const connection = this.of(socket);
    if (connection === undefined || connection.known) return;
    connection.known = true;
    this.#countStranger(connection.address, -1);
    this.#place(connection);
  }

  /** Puts it where it belongs, as the newest there. */
  #place(connection: Connection): void {
    for (const set of [this.#idle, this.#busy, this.#knownIdle]) set.delete(connection);
    if (this.#all.get(nameOf(connection.socket)) !== connection) return;
    const { known, requests } = connection;
    if (requests === 0) (known ? this.#knownIdle : this.#idle).add(connection);
    else if (!known) this.#busy.add(connection);
  }

  /** Closes somebody; of `address` only strangers. False where nobody can go. */
  #dismiss(address?: string): boolean {
    const isMeant = (each: Connection): boolean =>
      address === undefined || each.address === address;
    const idle = this.#idle.values().find(isMeant);
    const found =
      idle ??
      this.#busy.values().find(isMeant) ??
      (address === undefined ? this.#knownIdle.values().next().value : undefined);
    if (found === undefined) return false;
    this.#onClosed(found.requests === 0 ? "idle" : "busy");
    this.#remove(nameOf(found.socket), found);
    found.socket.destroy();
    return true;
  }

  #refuse(socket: Socket): void {
    this.#onClosed("refused");
    socket.destroy();
  }

  #remove(name: string, connection: Connection): void {
    if (this.#all.get(name) !== connection) return;
    this.#all.delete(name);
    if (!connection.known) this.#countStranger(connection.address, -1);
    for (const set of [this.#idle, this.#busy, this.#knownIdle]) set.delete(connection);
  }

  #countStranger(address: string, by: 1 | -1): void {
    const count = (this.#strangers.get(address) ?? 0) + by;
    if (count === 0) this.#strangers.delete(address);
    else this.#strangers.set(address, count);
  }
}

/** The peer's address; IPv4 as people write it. */
export function addressOf({ remoteAddress }: Socket): string {
  return (remoteAddress ?? "").replace(/^::ffff:/, "");
}

const names = new WeakMap<Socket, string>();

/** The same for a TLS socket and the one below it. Kept: a closed socket forgets its peer. */
function nameOf(socket: Socket): string {
  const known = names.get(socket);
  if (known !== undefined) return known;
  const name = `${addressOf(socket)} ${socket.remotePort ?? 0}`;
  names.set(socket, name);
  return name;
}
