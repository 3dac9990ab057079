/** A proxy in front of a service that does to each answer what a test tells it to. */
import { createServer, type IncomingMessage, type Server } from "node:http";

/** An exchange that passed the relay. */
export interface Passed {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
  /** Whether it carried an API key. */
  readonly keyed: boolean;
}

/** What the relay answers with, in place of what the service said. */
export interface Said {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** A relay that does what `tamper` says. */
export interface Relay {
  readonly url: string;
  readonly passed: Passed[];
  tamper: (said: Said, request: Passed) => void | Promise<void>;
  close(): Promise<void>;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Starts a relay to the service that is at `target()` now. */
export async function startRelay(target: () => string): Promise<Relay> {
  const forward = async (request: IncomingMessage): Promise<Said> => {
    const { method = "", url: path = "" } = request;
    const headers = new Headers();
    for (const name of ["authorization", "content-type"]) {
      const value = request.headers[name];
      if (typeof value === "string") headers.set(name, value);
    }
    const passed: Passed = { method, path, body: await bodyOf(request), keyed: headers.has("authorization") };
    relay.passed.push(passed);
    const init = method === "POST" ? { body: new Uint8Array(passed.body) } : {};
    const answer = await fetch(`${target()}${path}`, { method, headers, ...init });
    const said: Said = {
      status: answer.status,
      headers: Object.fromEntries([...answer.headers].filter(([name]) => /^(?:content-type|x-.*)$/.test(name))),
      body: Buffer.from(await answer.arrayBuffer()),
    };
    await relay.tamper(said, passed);
    return said;
  };
  const server: Server = createServer((request, response) => {
    forward(request).then(
      ({ status, headers, body }) => response.writeHead(status, headers).end(body),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const relay: Relay = {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    passed: [],
    tamper: () => undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return relay;
}
