import { createServer as createPlain, type Server as PlainServer } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createPinnedTransport, type NodeTransportOptions } from "../../../src/client/node/index.ts";
import { createAuthority, type TestAuthority, type TestCertificate } from "../../fixtures/tls.ts";

const code = (name: string) => expect.objectContaining({ name: "TrisealError", code: name });
const SECRET = { method: "POST", headers: { authorization: "Bearer secret" }, body: "secret" };

let authority: TestAuthority;
let service: TestCertificate;
/** Closed at the end. */
const servers: (Server | PlainServer)[] = [];

/** A server that counts what reaches it past the handshake: requests, and bytes of them. */
async function serve(pair: TestCertificate, maxVersion: "TLSv1.2" | "TLSv1.3" = "TLSv1.3") {
  const heard = { requests: 0, bytes: 0, url: "" };
  const server = createServer({ cert: pair.cert, key: pair.key, minVersion: "TLSv1.2", maxVersion }, (request, response) => {
    heard.requests++;
    request.resume().on("end", () => response.end("answer"));
  });
  server.on("secureConnection", (socket) => socket.on("data", (chunk: Buffer) => (heard.bytes += chunk.length)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  heard.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return heard;
}

function transport(options: NodeTransportOptions = { ca: authority.ca }) {
  const made = createPinnedTransport(options);
  onTestFinished(() => made.close());
  return made;
}

beforeAll(async () => {
  authority = await createAuthority();
  service = await authority.issue();
});

afterAll(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

describe("a pinned transport", () => {
  it("answers where the peer holds the pinned key, and holds the connection", async () => {
    const heard = await serve(service);
    const fetch = transport().pin(["0".repeat(64), service.spkiSha256]);
    for (const _ of [1, 2]) await expect((await fetch(heard.url, SECRET)).text()).resolves.toBe("answer");
    expect(heard.requests).toBe(2);
  });

  it("answers over a renewed certificate of the pinned key", async () => {
    const heard = await serve(await authority.issue({ keys: service.keys, to: 9 }));
    await expect(transport().pin([service.spkiSha256])(heard.url, SECRET)).resolves.toMatchObject({ status: 200 });
  });

  it("sends no byte to a peer with another key, though its certificate holds", async () => {
    const heard = await serve(await authority.issue());
    const { contact, pin } = transport();
    await expect(contact(heard.url)).resolves.toMatchObject({ status: 200 });
    const before = { ...heard };
    for (const keys of [[service.spkiSha256], []])
      await expect(pin(keys)(heard.url, SECRET)).rejects.toEqual(code("TLS_KEY_MISMATCH"));
    expect(heard).toEqual(before);
  });

  it("sends no byte over plain HTTP", async () => {
    let connections = 0;
    const server = createPlain((_, response) => response.end()).on("connection", () => connections++);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { contact, pin } = transport();
    for (const fetch of [contact, pin([service.spkiSha256])])
      await expect(fetch(url, SECRET)).rejects.toEqual(code("CHANNEL_NOT_BOUND"));
    expect(connections).toBe(0);
  });

  it.each([
    ["an authority that is not trusted", async () => [await serve(service), transport({})] as const],
    [
      "an expired certificate of the pinned key",
      async () => [await serve(await authority.issue({ keys: service.keys, from: -3, to: -1 })), transport()] as const,
    ],
    ["TLS 1.2", async () => [await serve(service, "TLSv1.2"), transport()] as const],
  ])("sends no byte under %s", async (_, setUp) => {
    const [heard, { contact, pin }] = await setUp();
    for (const fetch of [contact, pin([service.spkiSha256])])
      await expect(fetch(heard.url, SECRET)).rejects.toThrow("fetch failed");
    expect([heard.requests, heard.bytes]).toEqual([0, 0]);
  });

  it("shares no connection between first contact and pinned requests", async () => {
    const heard = await serve(await authority.issue());
    const { contact, pin } = transport();
    const answer = await contact(heard.url);
    await answer.text();
    await expect(pin([service.spkiSha256])(heard.url, SECRET)).rejects.toEqual(code("TLS_KEY_MISMATCH"));
    expect(heard.requests).toBe(1);
  });
});
