/**
 * The operator's way to a running gateway: a Unix socket in the data folder, which the folder's owner alone can open. Whoever can
 * is who could read the keys beside it; there is no further secret.
 */
import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { coreCodes, type ErrorTable, TrisealError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { OperatorLog } from "../gateway/options.ts";
import { codedError } from "../gateway/problem.ts";
import { makeDurableDirectory, nodeFiles } from "../log/store/files.ts";
import {
  MAX_OPERATOR_BYTES,
  type OperatorAnswer,
  type OperatorPath,
  type OperatorRequest,
  operatorRequests,
} from "./operator-message.ts";

/** What a gateway does for its operator, by path. */
export type OperatorActions = { readonly [P in OperatorPath]: (request: OperatorRequest<P>) => Promise<OperatorAnswer> };

/** Longest path of a Unix socket that all platforms take, in bytes, without the final zero. */
const MAX_SOCKET_PATH = 103;

/** A message has this long to arrive: its sender stands on the same machine. */
const MESSAGE_TIMEOUT_MS = 5000;

/** At shutdown, an action that takes longer is answered no more. */
const CLOSE_AFTER_MS = 2000;

/** Place of the socket of a data folder; null where that path is too long for a socket. */
export function operatorSocket(dataDir: string): string | null {
  const path = join(dataDir, "operator", "socket");
  return Buffer.byteLength(path) > MAX_SOCKET_PATH ? null : path;
}

/** The channel as a Hono application. Actions run one at a time, in the order in which they came. */
export function createOperatorApp(actions: OperatorActions, log: OperatorLog): Hono {
  const app = new Hono();
  let last: Promise<unknown> = Promise.resolve();
  const run = async <P extends OperatorPath>(path: P, body: Uint8Array): Promise<OperatorAnswer> => {
    const decode = operatorRequests[path] as (value: ReturnType<typeof parseJson>, place: string) => OperatorRequest<P>;
    const request = decode(parseJson(body), "request");
    const done = last.then(() => actions[path](request));
    last = done.catch(() => undefined);
    const answer = await done;
    log({ level: "info", event: "operator", path, keys: answer.events.map(({ type, keyId }) => `${type} ${keyId}`) });
    return answer;
  };
  const tooLarge = () => {
    throw new TrisealError("REQUEST_TOO_LARGE", `a message has at most ${MAX_OPERATOR_BYTES} bytes`);
  };
  app.use(bodyLimit({ maxSize: MAX_OPERATOR_BYTES, onError: tooLarge }));
  app.onError((error, c) => {
    const { code, message } = codedError(error);
    log({ level: "warn", event: "operator refused", path: c.req.path.slice(0, 64), code });
    const row = (coreCodes as ErrorTable)[code];
    return new Response(JSON.stringify({ v: 1, code, message: message.slice(0, 1024) }), { status: row?.status ?? 500 });
  });
  app.notFound(() => {
    throw new TrisealError("NOT_FOUND", `the operator's socket takes POST to ${Object.keys(operatorRequests).join(", ")}`);
  });
  for (const path of Object.keys(operatorRequests) as OperatorPath[])
    app.post(path, async (c) => c.json(await run(path, new Uint8Array(await c.req.arrayBuffer()))));
  return app;
}

/**
 * Opens the channel of a data folder; the caller holds the folder's lock, so that a socket that is there was left behind.
 * Returns what closes it; the action under way gets two seconds. Null where the folder's path is too long for a socket.
 */
export async function openOperatorChannel(dataDir: string, app: Hono): Promise<(() => Promise<void>) | null> {
  const path = operatorSocket(dataDir);
  if (path === null) return null;
  const folder = join(dataDir, "operator");
  await makeDurableDirectory(nodeFiles, folder);
  // Before the socket is there: from its first moment on nobody else may reach it.
  await chmod(folder, 0o700);
  await rm(path, { force: true });
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  server.requestTimeout = MESSAGE_TIMEOUT_MS;
  server.headersTimeout = MESSAGE_TIMEOUT_MS;
  server.maxConnections = 16;
  server.listen(path);
  await once(server, "listening");
  await chmod(path, 0o600);
  return async () => {
    const closed = once(server, "close");
    server.close();
    server.closeIdleConnections();
    // A change of keys takes milliseconds. A restart of workers must not hold up the end of all of them.
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_AFTER_MS);
    await closed;
    clearTimeout(timer);
  };
}
