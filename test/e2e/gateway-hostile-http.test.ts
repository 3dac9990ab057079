import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import { keysetOf } from "../campaign/http-target.ts";
import {
  bundleOf,
  digitsBody,
  get,
  infer,
  linesSoFar,
  type Service,
  startService,
  verdictOn,
  workerOf,
} from "./gateway-harness.ts";
import { residentMiB, textOf, until } from "./gateway-process.ts";
import { codeOf, openRaw, type RawConnection, sendRaw } from "./raw-socket.ts";
import { sealTo } from "./worker-harness.ts";

let service: Service;

beforeAll(async () => {
  service = await startService({ config: { limits: { maxBodyBytes: 65_536 } } });
});

afterEach(async () => {
  expect((await infer(service, digitsBody())).status).toBe(200);
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

const INFER = "POST /v2/models/digits-mlp/infer";
const BODY = JSON.stringify(digitsBody());

/** Lines of an inference request; a name may stand several times. */
function request(lines: readonly string[], body = BODY, version = "HTTP/1.1", address = INFER): string {
  const head = [`${address} ${version}`, "Host: 127.0.0.1", ...lines];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

const auth = () => `Authorization: Bearer ${service.apiKey}`;
const JSON_TYPE = "Content-Type: application/json";
const LENGTH = `Content-Length: ${BODY.length}`;

async function outcome(bytes: string): Promise<readonly [status: number, code: unknown]> {
  const response = await sendRaw(service, bytes);
  return [response.status, response.status < 400 ? null : codeOf(response)];
}

describe("headers that try something", () => {
  const refused: readonly (readonly [what: string, lines: () => readonly string[], status: number, code: string])[] = [
    ["two different lengths", () => [auth(), JSON_TYPE, LENGTH, "Content-Length: 1"], 400, "HTTP_MALFORMED"],
    ["the same length twice", () => [auth(), JSON_TYPE, LENGTH, LENGTH], 400, "HTTP_MALFORMED"],
    ["a length beside chunks", () => [auth(), JSON_TYPE, LENGTH, "Transfer-Encoding: chunked"], 400, "HTTP_MALFORMED"],
    ["chunks beside a length", () => [auth(), JSON_TYPE, "Transfer-Encoding: chunked", LENGTH], 400, "HTTP_MALFORMED"],
    ["chunks that are not last", () => [auth(), JSON_TYPE, "Transfer-Encoding: chunked, gzip"], 400, "HTTP_MALFORMED"],
    ["a length with a sign", () => [auth(), JSON_TYPE, "Content-Length: +10"], 400, "HTTP_MALFORMED"],
    ["a length in hexadecimal", () => [auth(), JSON_TYPE, "Content-Length: 0x10"], 400, "HTTP_MALFORMED"],
    ["a length beyond every number", () => [auth(), JSON_TYPE, `Content-Length: ${"9".repeat(40)}`], 400, "HTTP_MALFORMED"],
    ["a folded line", () => [auth(), JSON_TYPE, LENGTH, "X-A: a", " b"], 400, "HTTP_MALFORMED"],
    ["a space before the colon", () => [auth(), JSON_TYPE, `Content-Length : ${BODY.length}`], 400, "HTTP_MALFORMED"],
    ["a null byte", () => [auth(), JSON_TYPE, LENGTH, "X-A: a\0b"], 400, "HTTP_MALFORMED"],
    ["a line without a colon", () => [auth(), JSON_TYPE, LENGTH, "hello"], 400, "HTTP_MALFORMED"],
    ["a huge header", () => [auth(), JSON_TYPE, LENGTH, `X-A: ${"a".repeat(20_000)}`], 431, "REQUEST_HEADERS_TOO_LARGE"],
    [
      "headers that are too many",
      () => [auth(), JSON_TYPE, LENGTH, ...Array.from({ length: 3000 }, (_, at) => `X-${at}: a`)],
      431,
      "REQUEST_HEADERS_TOO_LARGE",
    ],
    ["an expectation that nobody meets", () => [auth(), JSON_TYPE, LENGTH, "Expect: a miracle"], 400, "HTTP_MALFORMED"],
    ["a key twice", () => [auth(), auth(), JSON_TYPE, LENGTH], 401, "AUTH_INVALID"],
    [
      "another key behind the key",
      () => [auth(), "Authorization: Bearer other-key-of-some-length", JSON_TYPE, LENGTH],
      401,
      "AUTH_INVALID",
    ],
    [
      "another key before the key",
      () => ["Authorization: Bearer other-key-of-some-length", auth(), JSON_TYPE, LENGTH],
      401,
      "AUTH_INVALID",
    ],
    ["two media types", () => [auth(), JSON_TYPE, "Content-Type: text/plain", LENGTH], 415, "REQUEST_MEDIA_TYPE"],
    ["a media type of forms", () => [auth(), "Content-Type: multipart/form-data; boundary=x", LENGTH], 415, "REQUEST_MEDIA_TYPE"],
    [
      "two idempotency keys",
      () => [auth(), JSON_TYPE, LENGTH, "Idempotency-Key: a", "Idempotency-Key: b"],
      400,
      "IDEMPOTENCY_KEY_INVALID",
    ],
    [
      "a coding twice",
      () => [auth(), JSON_TYPE, LENGTH, "Content-Encoding: identity", "Content-Encoding: gzip"],
      415,
      "REQUEST_MEDIA_TYPE",
    ],
  ];

  for (const [what, lines, status, code] of refused) {
    it(`are refused with a code: ${what}`, async () => {
      expect(await outcome(request(lines()))).toEqual([status, code]);
    });
  }

  it("are refused without a host, or with one that is none", async () => {
    expect(await outcome(`GET /v2 HTTP/1.1\r\n${auth()}\r\n\r\n`)).toEqual([400, "HTTP_MALFORMED"]);
    for (const host of ["a b", "[", "x/../y", "127.0.0.1:99999"]) {
      expect(await outcome(`GET /v2 HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toEqual([400, "HTTP_MALFORMED"]);
    }
    for (const host of [".3", "1.2.3.4.5", "0x1.999999999999"]) {
      const lines = [`Host: ${host}`, auth(), JSON_TYPE, LENGTH];
      expect(await outcome(`${INFER} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${BODY}`)).toEqual([400, "HTTP_MALFORMED"]);
    }
  });

  it("change nothing where the protocol allows them", async () => {
    const good = (more: readonly string[], body = BODY, version = "HTTP/1.1") =>
      outcome(request([auth(), JSON_TYPE, ...more], body, version));
    const chunks = `5;a="b;c"\r\n${BODY.slice(0, 5)}\r\n${(BODY.length - 5).toString(16)}\r\n${BODY.slice(5)}\r\n0\r\nX-Trailer: 1\r\n\r\n`;
    expect(await good(["Transfer-Encoding: chunked"], chunks)).toEqual([200, null]);
    expect(await good([LENGTH, "Expect: 100-continue"])).toEqual([200, null]);
    expect(await good([LENGTH, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"])).toEqual([200, null]);
    expect(await good([LENGTH], BODY, "HTTP/1.0")).toEqual([200, null]);
  });

  it("do not smuggle a second request: what stands behind a refused one is not answered", async () => {
    const hidden = "GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    const connection = await openRaw(
      service,
      request([auth(), JSON_TYPE, "Content-Length: 0", "Transfer-Encoding: chunked"], `0\r\n\r\n${hidden}`),
    );
    await until(() => connection.isClosed(), "end of the connection");
    expect((await connection.responses()).map(({ status }) => status)).toEqual([400]);
  });
});

describe("addresses that try something", () => {
  it("reach no other route by dots, slashes or escapes", async () => {
    const addresses = [
      "/v2/models/..%2f..%2fv1%2faci%2fsessions",
      "/v2//models/digits-mlp",
      "//v2/models/digits-mlp",
      "/v2/models/digits-mlp/%2e%2e/%2e%2e/x",
      "/v1/receipts/..%2f..%2fkeys/bundle",
      "/log/tile/..%2f..%2fleaves",
      "/log/tile/0/%2e%2e/%2e%2e/leaves",
      "/v2/models/digits-mlp%00",
      "/%2e%2e/%2e%2e/etc/passwd",
    ];
    for (const address of addresses) {
      const response = await sendRaw(service, `GET ${address} HTTP/1.1\r\nHost: 127.0.0.1\r\n${auth()}\r\n\r\n`);
      expect([address, response.status]).toEqual([address, 404]);
      expect(["NOT_FOUND", "MODEL_UNKNOWN", "RECEIPT_UNKNOWN"]).toContain(codeOf(response));
    }
  });

  it("are refused where they are no address, and taken in absolute form", async () => {
    for (const target of ["*", "v2", "http://[/v2", "ftp://x/v2", "/v2\\..\\v1", "http://a b/v2"]) {
      const [status, code] = await outcome(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      expect([target, status, code]).toEqual([target, 400, "HTTP_MALFORMED"]);
    }
    expect((await sendRaw(service, "GET http://127.0.0.1/v2 HTTP/1.1\r\nHost: other\r\n\r\n")).status).toBe(200);
  });
});

describe("several requests on one connection", () => {
  it("are answered one after the other, in their order", async () => {
    const health = "GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    const bad = request([auth(), JSON_TYPE, "Content-Length: 1"], "{");
    const connection = await openRaw(service, request([auth(), JSON_TYPE, LENGTH]) + health + bad + health);
    expect((await connection.responses(4)).map(({ status }) => status)).toEqual([200, 200, 400, 200]);
    connection.socket.destroy();
  });

  it("end with a coded refusal where the next one is none, and the answers before it stand", async () => {
    const connection = await openRaw(service, request([auth(), JSON_TYPE, LENGTH]));
    await connection.responses(1);
    connection.socket.write("no request\r\n\r\n");
    const [, second] = await connection.responses(2);
    expect([second?.status, second === undefined ? null : codeOf(second)]).toEqual([400, "HTTP_MALFORMED"]);
  });
});

describe("a caller that is gone", () => {
  it("leaves a receipt of what was decided, and none of what did not arrive", async () => {
    const before = await linesSoFar(service);
    const worker = workerOf(service);
    process.kill(worker, "SIGSTOP");
    try {
      const whole = await openRaw(service, request([auth(), JSON_TYPE, LENGTH]));
      const part = await openRaw(service, request([auth(), JSON_TYPE, "Content-Length: 5000"]));
      await get(service, "/v2/health/live", null);
      whole.socket.destroy();
      part.socket.destroy();
      const line = await until(
        () =>
          service.program
            .logged()
            .slice(before)
            .find((entry) => entry["event"] === "infer" && entry["code"] === "CLIENT_ABORTED") ?? null,
        "receipt of the aborted request",
      );
      const bundle = await bundleOf(service, textOf(line, "receipt_id"));
      expect((await verdictOn(service, bundle)).outcome).toBe("accepted");
    } finally {
      process.kill(worker, "SIGCONT");
    }
    expect(
      service.program
        .logged()
        .slice(before)
        .filter((entry) => entry["event"] === "infer"),
    ).toHaveLength(1);
  });
});

describe("connections that do nothing", () => {
  it("leave the service answering, up to the bound and beyond it", async () => {
    const small = await startService({ config: { limits: { maxConnections: 1200 } } });
    const idle: RawConnection[] = [];
    try {
      for (let count = 0; count < 1100; count++) idle.push(await openRaw(small));
      expect((await infer(small, digitsBody())).status).toBe(200);
      for (let count = 0; count < 300; count++) idle.push(await openRaw(small));
      // Beyond the bound they are closed at once; those that were there stay.
      await until(() => idle.filter((connection) => connection.isClosed()).length >= 150, "refused connections");
      for (const connection of idle.splice(0, 700)) connection.socket.destroy();
      await until(async () => (await get(small, "/v2/health/live", null).catch(() => null))?.status === 200, "answer");
      expect((await infer(small, digitsBody())).status).toBe(200);
    } finally {
      for (const connection of idle) connection.socket.destroy();
      expect(await small.close()).toBe(0);
    }
  });
});

describe("memory", () => {
  it("does not grow with requests that are refused", async () => {
    const bad = ["{", JSON.stringify({ inputs: [] }), "x".repeat(60_000), `{"inputs":${"[".repeat(1000)}`];
    const flood = async (count: number) => {
      for (let sent = 0; sent < count; sent += 20)
        await Promise.all(Array.from({ length: 20 }, (_, at) => infer(service, bad[(sent + at) % bad.length] ?? "")));
    };
    await flood(400);
    const before = residentMiB(service.program.pid);
    await flood(2000);
    expect(residentMiB(service.program.pid) - before).toBeLessThan(150);
  }, 240_000);

  it("holds an answer that nobody reads only until its time is up", async () => {
    const rows = 40_000;
    const limits = {
      maxBodyBytes: 8 * 1024 * 1024,
      sendTimeoutMs: 8000,
      maxHeldBytes: 10 * 1024 * 1024,
      maxHeldBytesPerTenant: 24 * 1024 * 1024,
    };
    const slow = await startService({ config: { limits } });
    try {
      const body = JSON.stringify(digitsBody(Array<number>(64 * rows).fill(1)));
      const lines = [`Authorization: Bearer ${slow.apiKey}`, JSON_TYPE, `Content-Length: ${body.length}`];
      const deaf = async () => {
        const connection = await openRaw(slow, request(lines, body));
        connection.socket.pause();
        return connection;
      };
      const first = await deaf();
      const answered = () => slow.program.logged().filter((line) => line["event"] === "infer" && line["status"] === 200).length;
      await until(() => answered() === 1, "answer", 60_000);
      // The answer waits: there is no room for another request of that size until the connection is cut.
      const full = await infer(slow, body);
      expect([full.status, full.json["code"], full.headers.get("retry-after")]).toEqual([503, "OVERLOADED", "1"]);
      expect((await infer(slow, digitsBody())).status).toBe(200);
      await until(async () => (await infer(slow, body)).status === 200, "room again", 60_000);
      first.socket.destroy();
    } finally {
      expect(await slow.close()).toBe(0);
    }
  }, 120_000);
});

describe("a sealed request", () => {
  const TYPE = { "content-type": "application/vnd.triseal.sealed+json" };
  const sealedBody = async (facts: { classification?: string } = {}) =>
    (await sealTo(await keysetOf(service), "digits-mlp", utf8(BODY), { facts })).body;

  /** Asserts a refusal by the worker with a receipt whose bundle verifies for exactly these bytes. */
  async function expectRefused(sent: Uint8Array, status: number, code: string): Promise<void> {
    const answer = await infer(service, sent, { headers: TYPE });
    expect([answer.status, answer.json["code"]]).toEqual([status, code]);
    const verdict = await verdictOn(service, await bundleOf(service, answer.receiptId), {
      request: sent,
      response: answer.bytes,
    });
    expect([verdict.outcome, verdict.code]).toEqual(["accepted", null]);
  }

  it("is answered once, and its replay is refused with a receipt", async () => {
    const sent = await sealedBody();
    expect((await infer(service, sent, { headers: TYPE })).status).toBe(200);
    await expectRefused(sent, 409, "SEALED_REPLAYED");
  });

  it("is refused with a receipt where the facts outside are not those inside", async () => {
    await expectRefused(await sealedBody({ classification: "public" }), 400, "SEALED_FACTS_MISMATCH");
  });

  it("is refused with a receipt where it was changed on the way, or is for a worker that is gone", async () => {
    const envelope = JSON.parse(new TextDecoder().decode(await sealedBody())) as { exp: number };
    await expectRefused(utf8(JSON.stringify({ ...envelope, exp: envelope.exp + 1 })), 400, "SEALED_UNOPENABLE");
    const gone = { ...envelope, keysetDigest: `sha256:${"1".repeat(64)}` };
    await expectRefused(utf8(JSON.stringify(gone)), 409, "WORKER_KEY_STALE");
  });
});
