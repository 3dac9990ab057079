/** The socket of a gateway: loopback only, with bounds on connections and on how long a request may take to arrive. */
import { once } from "node:events";
import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import type { TrisealConfig } from "./config.ts";

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
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

async function closeServer(server: Server, drain: () => Promise<void>): Promise<void> {
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

/** Serves `fetch` at the configured address. Rejects where the port cannot be had. */
export async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  config: TrisealConfig,
): Promise<Listener> {
  const server = createAdaptorServer({ fetch }) as Server;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = Math.max(REQUEST_TIMEOUT_MS, config.limits.requestTimeoutMs);
  server.maxConnections = config.limits.maxConnections;
  const { host, port } = config.listen;
  server.listen(port, host);
  // `once` rejects where the server emits `error` instead, for example because the port is taken.
  await once(server, "listening");
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return { url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`, close: (drain) => closeServer(server, drain) };
}
