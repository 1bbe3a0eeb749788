// A real HTTP server in front of a model vault, which can misbehave in every way networks know.

import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { base64 } from "../../src/core/bytes.ts";
import { systemClock } from "../../src/host/clock.ts";
import { systemFiles } from "../../src/host/files.ts";
import { VaultSink, type VaultSinkOptions } from "../../src/ship/vault-sink.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { splitBlocks } from "./chain.ts";
import { VaultModel } from "./vault-model.ts";

export type Misbehaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  server: HostileServer,
) => void | Promise<void>;

export class HostileServer implements AsyncDisposable {
  readonly vault: VaultModel = new VaultModel();
  readonly server: http.Server | https.Server;
  readonly sockets: Set<Socket> = new Set();
  connections = 0;
  requests = 0;
  readonly paths: string[] = [];
  readonly headers: http.IncomingHttpHeaders[] = [];
  /** One for each coming request; then as `manner` says. */
  script: Misbehaviour[] = [];
  manner: Misbehaviour = honest;

  private constructor(server: http.Server | https.Server) {
    this.server = server;
    server.on("connection", (socket: Socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
      socket.on("error", () => undefined);
    });
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      this.requests += 1;
      this.paths.push(request.url ?? "");
      this.headers.push(request.headers);
      request.on("error", () => undefined);
      const next = this.script.shift() ?? this.manner;
      Promise.resolve(next(request, response, this)).catch(() => response.destroy());
    });
  }

  static async start(tls?: https.ServerOptions, host = "127.0.0.1"): Promise<HostileServer> {
    const server = tls === undefined ? http.createServer() : https.createServer(tls);
    const hostile = new HostileServer(server);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return hostile;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.server instanceof https.Server ? "https" : "http"}://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  return new Uint8Array(Buffer.concat(await request.toArray()));
}

/** What a vault does. */
export const honest: Misbehaviour = async (request, response, { vault }) => {
  const blocks = splitBlocks(await bodyOf(request));
  const chainId = (request.url ?? "").split("/").at(-2) ?? "";
  const abort = new AbortController();
  const answer = await vault.post({ chainId, blocks }, abort.signal);
  if (answer.outcome === "receipt") {
    response.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).end(answer.note);
  } else if (answer.outcome === "wrong-head") {
    const { size, root } = answer;
    const members = { code: "wrong-head", size, root: root && base64(root) };
    problem(response, 409, members);
  } else problem(response, 409, { code: "fork" });
};

export function problem(response: ServerResponse, status: number, members: object): void {
  const body = JSON.stringify({ type: "about:blank", status, ...members });
  response.writeHead(status, { "content-type": "application/problem+json" }).end(body);
}

/** Reads the request, then says `status`. */
export function says(status: number, headers: http.OutgoingHttpHeaders = {}): Misbehaviour {
  return async (request, response) => {
    await bodyOf(request);
    response.writeHead(status, headers).end();
  };
}

export function sinkTo(
  url: string,
  options: Partial<VaultSinkOptions> = {},
): VaultSink & { diag: RecordingDiag } {
  const diag = new RecordingDiag();
  const sink = new VaultSink({
    url,
    env: {},
    userAgent: "sealtail-test",
    files: systemFiles,
    clock: systemClock,
    diag,
    ...options,
  });
  return Object.assign(sink, { diag });
}
