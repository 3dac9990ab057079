/** The socket of a gateway: plain on the loopback address, else TLS, with bounds on connections and on how long a request or an answer may take. */
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Duplex } from "node:stream";
import { getRequestListener, type HttpBindings, RequestError } from "@hono/node-server";
import { coreCodes, TrisealError } from "../core/errors.ts";
import { PROBLEM_TYPE, problemOf } from "../gateway/problem.ts";
import { newRequestId } from "../gateway/request-state.ts";
import type { TrisealConfig } from "./config.ts";
import { TLS_VERSION, type TlsSource } from "./tls-source.ts";

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** How often connections are looked through for those whose time is up. */
const CHECK_MS = 5000;
/** At shutdown, connections that are still open so long after the last inference was answered are cut. */
const CLOSE_AFTER_MS = 5000;
/** How often idle connections are closed meanwhile. */
const SWEEP_MS = 25;

/** A listening server. */
export interface Listener {
  readonly url: string;
  /** Takes no new connections, waits for `drain`, and resolves when the last connection is closed. */
  readonly close: (drain: () => Promise<void>) => Promise<void>;
}

/** Answers a request; `env` is its connection: what it comes by, and what the answer leaves by. */
export type Fetch = (
  request: Request,
  env: { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse },
) => Response | Promise<Response>;

async function closeServer(server: Server | TlsServer, drain: () => Promise<void>): Promise<void> {
  const closed = once(server, "close");
  server.close();
  // Kept-alive connections become idle one by one, each when its answer is written.
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  await drain();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_AFTER_MS);
  await closed;
  clearInterval(sweep);
  clearTimeout(timer);
}

/** What is wrong with a request that Node's parser refused, by the parser's own code. */
function parserRefusal(code: unknown): TrisealError {
  if (code === "HPE_HEADER_OVERFLOW") return new TrisealError("REQUEST_HEADERS_TOO_LARGE", "the request's headers are too long");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new TrisealError("REQUEST_TIMEOUT", "the request did not arrive in time");
  return new TrisealError("HTTP_MALFORMED", "the request is not well-formed HTTP/1.1");
}

function refusal(error: TrisealError): { readonly status: number; readonly body: string } {
  const { status, body } = problemOf(error, coreCodes, "aci", newRequestId(), null);
  return { status, body: JSON.stringify(body) };
}

/** Connections with the answers that are under way on them: a refusal must not be written into the middle of an answer. */
class OpenAnswers {
  private readonly answers = new WeakMap<Duplex, Set<ServerResponse>>();

  add({ socket }: IncomingMessage, response: ServerResponse): void {
    const open = this.answers.get(socket) ?? new Set();
    this.answers.set(socket, open.add(response));
    response.once("close", () => open.delete(response));
  }

  started(socket: Duplex): boolean {
    return [...(this.answers.get(socket) ?? [])].some((response) => response.headersSent);
  }
}

/** Bytes that are no request get a coded refusal, and the connection ends: nothing after them can be understood. */
function refuseMalformed(server: Server | TlsServer, open: OpenAnswers): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // A TLS handshake that failed comes here, too: only the parser's and the timer's refusals can be answered.
    if (!/^(?:HPE|ERR_HTTP)_/.test(error.code ?? "") || !socket.writable || open.started(socket)) {
      socket.destroy();
      return;
    }
    const { status, body } = refusal(parserRefusal(error.code));
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      "connection: close",
    ];
    socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
  });
  server.on("checkExpectation", (_request: IncomingMessage, response: ServerResponse) => {
    const { status, body } = refusal(new TrisealError("HTTP_MALFORMED", "only `Expect: 100-continue` can be met"));
    response.writeHead(status, { "content-type": PROBLEM_TYPE, connection: "close" }).end(body);
  });
}

/** Cuts a connection whose caller does not read its answer within `sendTimeoutMs`: the answer waits in memory meanwhile. */
function boundSending(response: ServerResponse, sendTimeoutMs: number): void {
  response.once("prefinish", () => {
    if (response.writableFinished) return;
    const timer = setTimeout(() => response.destroy(), sendTimeoutMs);
    response.once("close", () => clearTimeout(timer));
  });
}

/** A missing host is refused by the gateway, with a code: Node's own refusal has no body. */
const HTTP_OPTIONS = { connectionsCheckingInterval: CHECK_MS, requireHostHeader: false } as const;

/** A server that answers later connections with each pair that comes into force; open connections stay as they are. */
function createTls(source: TlsSource, handle: RequestListener): TlsServer {
  const optionsOf = ({ cert, key }: TlsSource["pair"]) => ({ cert, key, minVersion: TLS_VERSION }) as const;
  const options = { ...HTTP_OPTIONS, ...optionsOf(source.pair), handshakeTimeout: HEADERS_TIMEOUT_MS };
  const server = createTlsServer(options, handle);
  source.subscribe((pair) => server.setSecureContext(optionsOf(pair)));
  return server;
}

/** Where to listen, and within which bounds: as the configuration has them. */
export interface ListenOptions {
  readonly listen: Pick<TrisealConfig["listen"], "host" | "port">;
  readonly limits: Pick<TrisealConfig["limits"], "sendTimeoutMs" | "requestTimeoutMs" | "maxConnections">;
}

/** Serves `fetch` at the configured address, over TLS with `tls`. Rejects where the port cannot be had. */
export async function listen(fetch: Fetch, config: ListenOptions, tls: TlsSource | null): Promise<Listener> {
  const answered = (request: Request, env: HttpBindings) => {
    // The listener lets hosts such as `.3` pass, which make no URL: whoever reads the body would fail on it.
    if (!URL.canParse(request.url)) throw new RequestError("Invalid URL");
    return fetch(request, env);
  };
  const answer = getRequestListener((request, env) => answered(request, env as HttpBindings), {
    errorHandler: (error) => {
      const { status, body } = refusal(
        error instanceof RequestError
          ? new TrisealError("HTTP_MALFORMED", "address and host make no URL")
          : new TrisealError("INTERNAL", "internal error"),
      );
      return new Response(body, { status, headers: { "content-type": PROBLEM_TYPE } });
    },
  });
  const open = new OpenAnswers();
  const handle: RequestListener = (request, response) => {
    open.add(request, response);
    boundSending(response, config.limits.sendTimeoutMs);
    void answer(request, response);
  };
  const server = tls === null ? createServer(HTTP_OPTIONS, handle) : createTls(tls, handle);
  refuseMalformed(server, open);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = Math.max(REQUEST_TIMEOUT_MS, config.limits.requestTimeoutMs);
  server.maxConnections = config.limits.maxConnections;
  const { host, port } = config.listen;
  server.listen(port, host);
  // `once` rejects where the server emits `error` instead, for example because the port is taken.
  await once(server, "listening");
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  const scheme = tls === null ? "http" : "https";
  return { url: `${scheme}://${host.includes(":") ? `[${host}]` : host}:${bound}`, close: (drain) => closeServer(server, drain) };
}
