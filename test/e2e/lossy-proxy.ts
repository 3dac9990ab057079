/** A proxy that loses what it is told to lose: the request before the service had it, or the answer after. */
import { createServer, type IncomingMessage } from "node:http";

/** One inference request that reached the proxy. */
export interface Passed {
  readonly body: Uint8Array;
  readonly key: string | null;
  /** What the service answered, or null where the request was not handed on or no answer came. */
  answer: {
    readonly status: number;
    readonly code: string | null;
    readonly receiptId: string | null;
    readonly replayed: boolean;
  } | null;
}

/** Runs before a request is handed on, or after its answer came; true cuts the caller's connection there. */
export type Loss = (passed: Passed) => boolean | Promise<boolean>;

/** A proxy in front of a service. */
export interface LossyProxy {
  readonly url: string;
  /** Inference requests so far. */
  readonly passed: Passed[];
  before: Loss;
  after: Loss;
  close(): Promise<void>;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function headersOf(request: IncomingMessage): Headers {
  const headers = new Headers();
  for (const name of ["authorization", "content-type", "idempotency-key"]) {
    const value = request.headers[name];
    if (typeof value === "string") headers.set(name, value);
  }
  return headers;
}

function codeOf(body: Buffer): string | null {
  const text = body.toString();
  return text.startsWith("{") ? ((JSON.parse(text) as { code?: string }).code ?? null) : null;
}

/** Starts a proxy in front of the service that is at `target()` now. */
export async function startLossyProxy(target: () => string): Promise<LossyProxy> {
  const handle = async (request: IncomingMessage): Promise<{ status: number; headers: Headers; body: Buffer } | null> => {
    const body = new Uint8Array(await bodyOf(request));
    const isInfer = request.method === "POST";
    const passed: Passed = { body, key: headersOf(request).get("idempotency-key"), answer: null };
    if (isInfer) proxy.passed.push(passed);
    if (isInfer && (await proxy.before(passed))) return null;
    const init = { method: request.method ?? "GET", headers: headersOf(request), ...(isInfer ? { body } : {}) };
    const response = await fetch(`${target()}${request.url}`, init);
    const said = { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
    const replayed = said.headers.get("idempotency-replayed") === "true";
    passed.answer = { status: said.status, code: codeOf(said.body), receiptId: said.headers.get("x-receipt-id"), replayed };
    return isInfer && (await proxy.after(passed)) ? null : said;
  };
  const server = createServer((request, response) => {
    handle(request).then(
      (said) => {
        if (said === null) return response.destroy();
        const kept = [...said.headers].filter(([name]) => /^(?:content-type|idempotency-.*|x-.*)$/.test(name));
        return response.writeHead(said.status, Object.fromEntries(kept)).end(said.body);
      },
      // The service is down: so is the connection.
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const proxy: LossyProxy = {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    passed: [],
    before: () => false,
    after: () => false,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}
