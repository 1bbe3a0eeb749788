// A gate between a real agent and a real vault: honest, it passes everything on; otherwise it does
// what networks, proxies and other people's servers do.

import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export type Manner = (request: IncomingMessage, response: ServerResponse) => void;

export class Gate implements AsyncDisposable {
  readonly #server = http.createServer();
  readonly #sockets = new Set<Socket>();
  readonly #vault: string;
  #port = 0;
  requests = 0;
  /** Undefined: honest. */
  manner: Manner | undefined;

  private constructor(vault: string) {
    this.#vault = vault;
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.requests += 1;
      request.on("error", () => undefined);
      response.on("error", () => undefined);
      (this.manner ?? this.#pass)(request, response);
    });
  }

  static async before(vault: string): Promise<Gate> {
    const gate = new Gate(vault);
    await gate.open();
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async open(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(this.#port, "127.0.0.1", resolve);
    await promise;
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Nobody listens any more, and what was open is cut. */
  async shut(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.cut();
    await promise;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  readonly #pass: Manner = (request, response) => {
    const { method, url, headers } = request;
    const onward = http.request(`${this.#vault}${url}`, { method, headers, agent: false });
    onward.on("error", () => response.destroy());
    onward.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.on("error", () => response.destroy()).pipe(response);
    });
    request.pipe(onward);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.shut();
  }
}

/** Reads the request whole, then does `what`. */
export function reads(what: Manner): Manner {
  return (request, response) => void request.resume().on("end", () => what(request, response));
}
