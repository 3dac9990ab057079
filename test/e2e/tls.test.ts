/** The real gateway over TLS, and the SDK that pins its key. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import { type AddressInfo, connect as connectTcp, createServer as createTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { type InferenceCall, TrisealClient } from "../../src/client/index.ts";
import { createPinnedTransport } from "../../src/client/node/index.ts";
import { parseBundle } from "../../src/receipt/index.ts";
import type { Trust } from "../../src/verify/index.ts";
import { createAuthority, keysOfSeed, newKeys, type TestAuthority, type TestCertificate, writePair } from "../fixtures/tls.ts";
import { clock, heldBack, type Service, startService, verdictOn } from "./gateway-harness.ts";
import { runCli, until } from "./gateway-process.ts";

const code = (expected: string) => expect.objectContaining({ name: "TrisealError", code: expected });

let authority: TestAuthority;
let pair: TestCertificate;
let folder: string;
let service: Service;
let trust: Trust;
let pixels: readonly number[];
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  pair = await authority.issue();
  folder = await mkdtemp(join(tmpdir(), "triseal-tls-"));
  service = await startService({ config: { listen: { tls: await writePair(folder, pair) } } });
  trust = await service.trust();
  ({ input: pixels } = await heldBack("digits-mlp", 5));
});

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
  await rm(folder, { recursive: true, force: true });
});

function transport() {
  const made = createPinnedTransport({ ca: authority.ca });
  closers.push(() => made.close());
  return made;
}

function clientAt(baseUrl: string): TrisealClient {
  const retry = { maxAttempts: 1 };
  return new TrisealClient({ baseUrl, apiKey: service.apiKey, trust, clock, retry, transport: transport() });
}

function callOf(more: Partial<InferenceCall> = {}): InferenceCall {
  return { model: "digits-mlp", inputs: [{ name: "pixels", datatype: "FP32", shape: [1, 64], data: pixels }], ...more };
}

/** The certificate that the gateway shows now, on a connection that stays open. */
async function shownBy(
  url: string,
): Promise<{ readonly socket: TLSSocket; readonly serial: string; readonly spkiSha256: string }> {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port), ca: authority.ca });
  closers.push(() => socket.destroy());
  await once(socket, "secureConnect");
  const certificate = socket.getPeerX509Certificate();
  const spki = certificate?.publicKey.export({ type: "spki", format: "der" }) ?? Buffer.alloc(0);
  return {
    socket,
    serial: certificate?.serialNumber ?? "",
    spkiSha256: createHash("sha256").update(spki).digest("hex"),
  };
}

/** One request on an open connection; resolves with the answer's status line. */
async function ask(socket: TLSSocket): Promise<string> {
  socket.write("GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return chunk.toString().split("\r\n")[0] ?? "";
}

describe("a gateway over TLS", () => {
  it("answers the SDK that pinned its key, sealed and in the clear; the receipt's keyset names the key", async () => {
    expect(service.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const client = clientAt(service.url);
    for (const seal of [true, false]) {
      const { bundle } = await client.infer(callOf({ seal }));
      expect(parseBundle(bundle).keyset.tls_public_keys).toEqual([{ spki_sha256: pair.spkiSha256 }]);
      expect(await verdictOn(service, bundle)).toMatchObject({ outcome: "accepted", code: null });
    }
  });

  it("refuses TLS 1.2, plain HTTP and a caller that does not know its authority", async () => {
    const target = { host: "127.0.0.1", port: Number(new URL(service.url).port) };
    const old = connect({ ...target, ca: authority.ca, maxVersion: "TLSv1.2" });
    closers.push(() => old.destroy());
    await expect(once(old, "secureConnect")).rejects.toMatchObject({ code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" });
    await expect(fetch(service.url.replace("https:", "http:"))).rejects.toThrow("fetch failed");
    await expect(fetch(service.url)).rejects.toThrow("fetch failed");
    await expect(clientAt(service.url.replace("https:", "http:")).infer(callOf())).rejects.toEqual(code("CHANNEL_NOT_BOUND"));
    expect((await transport().contact(`${service.url}/v2/health/live`)).status).toBe(200);
  });

  it("drafts a trust file over TLS for a caller that names the authority, and for no other", async () => {
    await writeFile(join(folder, "ca.pem"), authority.ca);
    const init = ["trust", "init", "--from", service.url];
    const drafted = await runCli([...init, "--ca", join(folder, "ca.pem")]);
    expect([drafted.code, drafted.stdout]).toEqual([
      0,
      expect.stringContaining(trust.services[0]?.gateway.keys[0]?.publicKey ?? "-"),
    ]);
    const stranger = await createAuthority();
    await writeFile(join(folder, "other.pem"), stranger.ca);
    for (const more of [[], ["--ca", join(folder, "other.pem")], ["--ca", join(folder, "missing.pem")]])
      expect(await runCli([...init, ...more])).toMatchObject({ code: 1, stdout: "" });
  });

  it("shows a renewed certificate of its key to new connections, and keeps the open ones", async () => {
    const before = await shownBy(service.url);
    const client = clientAt(service.url);
    await client.infer(callOf());
    const renewed = await authority.issue({ keys: pair.keys, to: 9 });
    await writeFile(join(folder, "tls.crt"), renewed.cert);
    const after = await until(async () => {
      const shown = await shownBy(service.url);
      return shown.serial !== before.serial ? shown : null;
    }, "renewed certificate");
    for (const { socket } of [before, after]) expect(await ask(socket)).toBe("HTTP/1.1 200 OK");
    await expect(client.infer(callOf())).resolves.toMatchObject({ verdict: { outcome: "accepted" } });
    await expect(clientAt(service.url).infer(callOf())).resolves.toMatchObject({ verdict: { outcome: "accepted" } });
  });

  it("comes into force with a new key and the keyset that lists it, and callers follow", async () => {
    const client = clientAt(service.url);
    await client.infer(callOf());
    for (const next of [await authority.issue(), pair]) {
      await writePair(folder, next);
      await until(async () => (await shownBy(service.url)).spkiSha256 === next.spkiSha256, "new key");
      await expect(client.infer(callOf())).resolves.toMatchObject({ verdict: { outcome: "accepted" } });
      await expect(clientAt(service.url).infer(callOf())).resolves.toMatchObject({ verdict: { outcome: "accepted" } });
    }
  });
});

/** What a man in the middle read in the clear. */
interface Eavesdropped {
  readonly url: string;
  readonly requests: { readonly path: string; readonly key: string | null }[];
}

/** Ends TLS under its own key with a certificate that holds, and hands every request on to the gateway. */
async function manInTheMiddle(theirs: TestCertificate, change: (body: string) => string = (body) => body): Promise<Eavesdropped> {
  const requests: Eavesdropped["requests"] = [];
  const through = createPinnedTransport({ ca: authority.ca });
  const server: Server = createServer({ cert: theirs.cert, key: theirs.key }, (request, response) => {
    requests.push({ path: request.url?.split("?")[0] ?? "", key: request.headers.authorization ?? null });
    through
      .contact(`${service.url}${request.url}`)
      .then(async (answer) => response.writeHead(answer.status).end(change(await answer.text())))
      .catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.close();
    server.closeAllConnections();
    await through.close();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

describe("a man in the middle whose certificate holds", () => {
  it("is shown no API key and no request, though it hands the service's own report on", async () => {
    const { url, requests } = await manInTheMiddle(await authority.issue());
    for (const seal of [true, false])
      await expect(clientAt(url).infer(callOf({ seal }))).rejects.toEqual(code("TLS_KEY_MISMATCH"));
    await expect(clientAt(url).bundle("rcpt-1")).rejects.toEqual(code("TLS_KEY_MISMATCH"));
    expect(new Set(requests.map(({ path, key }) => `${path} ${key}`))).toEqual(new Set(["/v1/aci/attestation null"]));
  });

  it("cannot put its own key into the report", async () => {
    const theirs = await authority.issue();
    const { url, requests } = await manInTheMiddle(theirs, (body) => body.replaceAll(pair.spkiSha256, theirs.spkiSha256));
    await expect(clientAt(url).infer(callOf())).rejects.toEqual(code("VERIFICATION_FAILED"));
    expect(new Set(requests.map(({ path, key }) => `${path} ${key}`))).toEqual(new Set(["/v1/aci/attestation null"]));
  });

  it("gets nothing where it takes over after the first answer", async () => {
    const sockets: Socket[] = [];
    let target = Number(new URL(service.url).port);
    // The network: who answers behind one address changes.
    const network = createTcp((socket) => {
      const onward = connectTcp(target, "127.0.0.1");
      sockets.push(socket, onward);
      for (const end of [socket, onward]) end.on("error", () => undefined);
      socket.pipe(onward).pipe(socket);
    });
    network.listen(0, "127.0.0.1");
    await once(network, "listening");
    closers.push(
      () => void network.close(),
      () => sockets.forEach((socket) => void socket.destroy()),
    );
    const client = clientAt(`https://127.0.0.1:${(network.address() as AddressInfo).port}`);
    await expect(client.infer(callOf())).resolves.toMatchObject({ verdict: { outcome: "accepted" } });
    const thief = await manInTheMiddle(await authority.issue());
    target = Number(new URL(thief.url).port);
    for (const socket of sockets.splice(0)) socket.destroy();
    await expect(client.infer(callOf())).rejects.toEqual(code("TLS_KEY_MISMATCH"));
    expect(new Set(thief.requests.map(({ path, key }) => `${path} ${key}`))).toEqual(new Set(["/v1/aci/attestation null"]));
  });
});

describe("a gateway is not started", () => {
  async function refusal(listen: Record<string, unknown>): Promise<{ readonly code: number | null; readonly said: string }> {
    const own = await mkdtemp(join(tmpdir(), "triseal-tls-"));
    closers.push(() => rm(own, { recursive: true, force: true }));
    await writeFile(join(own, "c.yaml"), stringify({ listen }));
    const args = ["serve", "--dev", "--config", join(own, "c.yaml"), "--data", join(own, "data"), "--port", "0", "--json"];
    const { code: exit, stderr, stdout } = await runCli(args);
    expect(stdout).toBe("");
    return { code: exit, said: stderr.trim() };
  }

  it.each<[string, RegExp, (files: { certFile: string; keyFile: string }) => Promise<Record<string, unknown>>]>([
    ["beyond this machine without TLS", /listen\.host: .*configure listen\.tls/, async () => ({ host: "0.0.0.0" })],
    ["beyond this machine in development", /--dev answers on 127/, async (tls) => ({ host: "0.0.0.0", tls })],
    [
      "under an expired certificate",
      /expired at .*: renew it/,
      async (tls) => {
        await writePair(tls.certFile.slice(0, -"/tls.crt".length), await authority.issue({ from: -3, to: -1 }));
        return { tls };
      },
    ],
    [
      "with a key of another certificate",
      /is not the key of the certificate/,
      async (tls) => {
        await writeFile(tls.keyFile, (await authority.issue({ keys: await newKeys() })).key);
        return { tls };
      },
    ],
    [
      "with a key that the group can read",
      /can be read by others: chmod 600/,
      async (tls) => {
        await chmod(tls.keyFile, 0o640);
        return { tls };
      },
    ],
    ["without its certificate", /certFile: cannot read/, async ({ keyFile }) => ({ tls: { certFile: "/nowhere", keyFile } })],
  ])("%s", async (_, about, listenFor) => {
    const own = await mkdtemp(join(tmpdir(), "triseal-tls-"));
    closers.push(() => rm(own, { recursive: true, force: true }));
    const { code: exit, said } = await refusal(await listenFor(await writePair(own, pair)));
    expect(exit).toBe(1);
    expect(said).toMatch(about);
    expect(said).toContain("CONFIG_INVALID");
    expect(said.split("\n").length).toBeLessThan(4);
  });

  it("with a TLS key that signs its receipts", async () => {
    const own = await mkdtemp(join(tmpdir(), "triseal-tls-"));
    closers.push(() => rm(own, { recursive: true, force: true }));
    await writeFile(join(own, "c.yaml"), "{}");
    const data = ["--config", join(own, "c.yaml"), "--data", join(own, "data")];
    expect((await runCli(["keys", "init", "--dev", ...data])).code).toBe(0);
    const name = (await readdir(join(own, "data", "keys"))).find((file) => file.startsWith("dev-gateway-")) ?? "";
    const { seed } = JSON.parse(await readFile(join(own, "data", "keys", name), "utf8")) as { seed: string };
    const tls = await writePair(own, await authority.issue({ keys: await keysOfSeed(seed) }));
    await writeFile(join(own, "c.yaml"), stringify({ listen: { tls } }));
    const { code: exit, stderr } = await runCli(["serve", "--dev", ...data, "--port", "0", "--json"]);
    expect([exit, stderr]).toEqual([1, expect.stringMatching(/CONFIG_INVALID.*signs for the gateway already/s)]);
  });
});
