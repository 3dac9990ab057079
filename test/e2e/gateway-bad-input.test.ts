import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../src/core/bytes.ts";
import {
  type Answer,
  bundleOf,
  digitsBody,
  get,
  infer,
  linesSoFar,
  makeApiKey,
  readAnswer,
  type Service,
  startService,
  verdictOn,
} from "./gateway-harness.ts";
import { until } from "./gateway-process.ts";

const MAX_BODY_BYTES = 65_536;

let service: Service;
let port: number;

beforeAll(async () => {
  service = await startService({ config: { limits: { maxBodyBytes: MAX_BODY_BYTES, maxTensorElements: 6400 } } });
  port = Number(new URL(service.url).port);
});

afterEach(async () => {
  // Whatever came before, the next good request is answered.
  expect((await infer(service, digitsBody())).status).toBe(200);
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

/** Asserts the form that every refusal on `/v2` has. */
function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.json["code"]]).toEqual([status, code]);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(answer.json).toMatchObject({ type: `urn:triseal:error:${code}`, status, title: expect.any(String) });
  expect(answer.json["error"]).toEqual(expect.stringMatching(new RegExp(`^${code}: `)));
  expect(answer.json["detail"]).toEqual(expect.stringMatching(/^[^\n]{3,400}$/));
  expect(answer.json["action"]).toEqual(expect.stringMatching(/^[^\n]{3,200}$/));
  expect(typeof answer.json["retryable"]).toBe("boolean");
  expect(answer.json["request_id"]).toEqual(expect.stringMatching(/^req-[0-9a-f]{16}$/));
  expect(answer.headers.get("x-request-id")).toBe(answer.json["request_id"]);
  expect(answer.text).not.toMatch(/node:internal|\.(?:js|ts):[0-9]+|\n\s+at /);
}

/** Asserts a refusal that has no receipt. */
function expectUnreceipted(answer: Answer, status: number, code: string): void {
  expectProblem(answer, status, code);
  expect(answer.receiptId).toBe(null);
  expect(answer.json).not.toHaveProperty("receipt_id");
}

/** Asserts a refusal whose receipt tells of exactly this request and this answer, and whose bundle verifies. */
async function expectReceipted(answer: Answer, status: number, code: string, sent: unknown): Promise<void> {
  expectProblem(answer, status, code);
  expect(answer.receiptId).toMatch(/^rcpt-[0-9a-f]{32}$/);
  expect(answer.json["receipt_id"]).toBe(answer.receiptId);
  const receipt = await get(service, `/v1/aci/receipts/${answer.receiptId}`);
  const events = receipt.json["event_log"] as { type: string; code?: string }[];
  expect(events.find((event) => event.type === "request.refused")).toMatchObject({ code });
  const request = utf8(typeof sent === "string" ? sent : JSON.stringify(sent));
  const bundle = await bundleOf(service, answer.receiptId);
  const verdict = await verdictOn(service, bundle, { request, response: answer.bytes });
  expect([verdict.outcome, verdict.code]).toEqual(["accepted", null]);
  expect(verdict.claims.map((claim) => claim.about)).toContain("refusal");
  expect(verdict.claims.map((claim) => claim.about)).not.toContain("answer");
}

const data = Array<number>(64).fill(1);
const pixels = { name: "pixels", datatype: "FP32", shape: [1, 64], data };

describe("a body that cannot be parsed", () => {
  const malformed: readonly (readonly [what: string, body: string, code: string])[] = [
    ["an empty body", "", "REQUEST_MALFORMED"],
    ["text", "hello", "REQUEST_MALFORMED"],
    ["JSON that is cut short", '{"inputs":[', "REQUEST_MALFORMED"],
    ["text after the document", `${JSON.stringify(digitsBody())}x`, "REQUEST_MALFORMED"],
    ["a number instead of an object", "7", "REQUEST_MALFORMED"],
    ["no inputs", '{"id":"a"}', "REQUEST_MALFORMED"],
    ["inputs that are no array", '{"inputs":{}}', "REQUEST_MALFORMED"],
    ["a member that OIP does not have", '{"inputs":[],"extra":1}', "REQUEST_MALFORMED"],
    ["a key given twice", '{"inputs":[],"inputs":[]}', "REQUEST_MALFORMED"],
    ["a key given twice deep inside", '{"inputs":[],"parameters":{"a":{"b":1,"b":2}}}', "REQUEST_MALFORMED"],
    ["the key __proto__", '{"inputs":[],"parameters":{"__proto__":{"seal":"caller"}}}', "REQUEST_MALFORMED"],
    ["a lone surrogate", '{"inputs":[],"id":"\\ud800"}', "REQUEST_MALFORMED"],
    ["nesting without end", `{"inputs":${"[".repeat(30_000)}`, "REQUEST_MALFORMED"],
    ["a shape that is not whole", JSON.stringify({ inputs: [{ ...pixels, shape: [0.5] }] }), "REQUEST_MALFORMED"],
    ["a negative shape", JSON.stringify({ inputs: [{ ...pixels, shape: [-1, 64] }] }), "REQUEST_MALFORMED"],
    ["a number beyond a double", '{"inputs":[],"parameters":{"a":1e400}}', "REQUEST_MALFORMED"],
    ["the literal NaN", '{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1],"data":[NaN]}]}', "REQUEST_NOT_FINITE"],
    [
      "the literal -Infinity",
      '{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1],"data":[1, -Infinity]}]}',
      "REQUEST_NOT_FINITE",
    ],
  ];

  for (const [what, body, code] of malformed) {
    it(`is refused without a receipt: ${what}`, async () => {
      expectUnreceipted(await infer(service, body), 400, code);
    });
  }

  it("is refused without a receipt: bytes that are not UTF-8", async () => {
    expectUnreceipted(await infer(service, Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d)), 400, "REQUEST_MALFORMED");
  });

  it("is refused without a receipt: facts of the wrong form", async () => {
    const wrong = [
      { value_usd: -1 },
      { value_usd: "1" },
      { seal: "gateway" },
      { seal: true },
      { classification: 3 },
      { kind: null },
    ];
    for (const parameters of [...wrong, { assurance: "x".repeat(65) }, { classification: "" }]) {
      const answer = await infer(service, digitsBody(data, { parameters }));
      expectUnreceipted(answer, 400, "REQUEST_MALFORMED");
    }
  });
});

describe("a request that can be parsed and not served", () => {
  const refused: readonly (readonly [what: string, inputs: readonly object[], code: string])[] = [
    ["no tensor", [], "REQUEST_TENSOR_INVALID"],
    ["a tensor of another name", [{ ...pixels, name: "image" }], "REQUEST_TENSOR_INVALID"],
    ["an extra tensor", [pixels, { ...pixels, name: "more" }], "REQUEST_TENSOR_INVALID"],
    ["a tensor given twice", [pixels, pixels], "REQUEST_TENSOR_INVALID"],
    ["another datatype", [{ ...pixels, datatype: "FP64" }], "REQUEST_TENSOR_INVALID"],
    ["a datatype that does not exist", [{ ...pixels, datatype: "FLOAT" }], "REQUEST_TENSOR_INVALID"],
    ["another shape", [{ ...pixels, shape: [64, 1] }], "REQUEST_TENSOR_INVALID"],
    ["a missing dimension", [{ ...pixels, shape: [64] }], "REQUEST_TENSOR_INVALID"],
    ["an empty batch", [{ ...pixels, shape: [0, 64], data: [] }], "REQUEST_TENSOR_INVALID"],
    ["too few elements", [{ ...pixels, data: data.slice(1) }], "REQUEST_TENSOR_INVALID"],
    ["too many elements", [{ ...pixels, data: [...data, 1] }], "REQUEST_TENSOR_INVALID"],
    ["a shape beyond the limit", [{ ...pixels, shape: [2_000_000_000, 64] }], "REQUEST_TENSOR_INVALID"],
    ["a string among numbers", [{ ...pixels, data: [...data.slice(1), "1"] }], "REQUEST_TENSOR_INVALID"],
    ["null among numbers", [{ ...pixels, data: [...data.slice(1), null] }], "REQUEST_TENSOR_INVALID"],
    ["data that is no array", [{ ...pixels, data: 1 }], "REQUEST_TENSOR_INVALID"],
    ["a number beyond FP32", [{ ...pixels, data: [...data.slice(1), 1e39] }], "REQUEST_NOT_FINITE"],
  ];

  for (const [what, inputs, code] of refused) {
    it(`is refused with a receipt: ${what}`, async () => {
      const body = { inputs };
      await expectReceipted(await infer(service, body), 400, code, body);
    });
  }

  it("is refused with a receipt: an output that the model does not have, or has once", async () => {
    for (const outputs of [[{ name: "logits" }], [{ name: "probabilities" }, { name: "probabilities" }]]) {
      const body = digitsBody(data, { outputs });
      await expectReceipted(await infer(service, body), 400, "REQUEST_TENSOR_INVALID", body);
    }
  });

  it("is refused with a receipt: a model or version that does not exist", async () => {
    for (const model of ["nothing", "digits-mlp/versions/9", `${"x".repeat(300)}`, "..%2f..%2fetc"]) {
      await expectReceipted(await infer(service, digitsBody(), { model }), 404, "MODEL_UNKNOWN", digitsBody());
    }
  });

  it("is refused without a receipt where the model's name is none", async () => {
    for (const model of ["%0A", "%00", "a%20b", encodeURIComponent("ü".repeat(4))]) {
      expectUnreceipted(await infer(service, digitsBody(), { model }), 400, "REQUEST_MALFORMED");
    }
  });

  it('is refused with a receipt: `seal: "caller"` on a body that nobody sealed', async () => {
    const body = digitsBody(data, { parameters: { seal: "caller" } });
    await expectReceipted(await infer(service, body), 400, "REQUEST_NOT_SEALED", body);
  });
});

describe("a sealed body that is none", () => {
  const sealedType = { "content-type": "application/vnd.triseal.sealed+json" };

  it("is refused without a receipt where it cannot be parsed or names another model", async () => {
    const envelope = {
      v: 1,
      model: "digits-mlp",
      keysetDigest: `sha256:${"0".repeat(64)}`,
      keyId: "seal-1",
      facts: {},
      exp: 1,
      enc: "AAAA",
      ct: "AAAA",
    };
    const malformed = [
      "",
      "{}",
      JSON.stringify(digitsBody()),
      JSON.stringify({ ...envelope, v: 2 }),
      JSON.stringify({ ...envelope, enc: "A" }),
    ];
    for (const body of malformed) {
      expectUnreceipted(await infer(service, body, { headers: sealedType }), 400, "SEALED_MALFORMED");
    }
    const badFacts = await infer(service, JSON.stringify({ ...envelope, facts: { more: 1 } }), { headers: sealedType });
    expectUnreceipted(badFacts, 400, "SEALED_MALFORMED");
    const otherModel = await infer(service, JSON.stringify({ ...envelope, model: "breast-cancer-mlp" }), { headers: sealedType });
    expectUnreceipted(otherModel, 400, "REQUEST_MALFORMED");
  });

  it("is refused with a receipt where it is sealed to nobody", async () => {
    const envelope = {
      v: 1,
      model: "digits-mlp",
      keysetDigest: `sha256:${"0".repeat(64)}`,
      keyId: "seal-1",
      facts: {},
      exp: 1,
      enc: "AAAA",
      ct: "AAAA",
    };
    const body = JSON.stringify(envelope);
    await expectReceipted(await infer(service, body, { headers: sealedType }), 409, "WORKER_KEY_STALE", body);
  });
});

describe("a body that is not taken", () => {
  it("is refused by its media type", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "application/jsonx"]) {
      const answer = await infer(service, digitsBody(), { headers: { "content-type": type } });
      expectUnreceipted(answer, 415, "REQUEST_MEDIA_TYPE");
    }
    const named = await infer(service, digitsBody(), { headers: { "content-type": "Application/JSON; charset=utf-8" } });
    expect(named.status).toBe(200);
  });

  it("is refused compressed, whatever the coding", async () => {
    const compressed = new Uint8Array(gzipSync(JSON.stringify(digitsBody())));
    for (const coding of ["gzip", "br", "deflate", "identity, gzip"]) {
      const answer = await infer(service, compressed, { headers: { "content-encoding": coding } });
      expectUnreceipted(answer, 415, "REQUEST_MEDIA_TYPE");
    }
    expect((await infer(service, digitsBody(), { headers: { "content-encoding": "identity" } })).status).toBe(200);
  });

  it("is refused above the limit, with a length and without, and taken at the limit", async () => {
    const atLimit = JSON.stringify(digitsBody()).padEnd(MAX_BODY_BYTES, " ");
    expect((await infer(service, atLimit)).status).toBe(200);
    expectUnreceipted(await infer(service, `${atLimit} `), 413, "REQUEST_TOO_LARGE");
    expectUnreceipted(await chunked([atLimit, " "]), 413, "REQUEST_TOO_LARGE");
    expect((await chunked([atLimit])).status).toBe(200);
  });

  it("is refused by its stated length before a byte of it came", async () => {
    const head = inferHead({ "content-length": "900719925474099", "content-type": "application/json" });
    const said = await rawExchange(head);
    expect(said).toMatch(/^HTTP\/1\.1 413 /);
    expect(said).toContain('"code":"REQUEST_TOO_LARGE"');
  });

  it("is refused when it never ends, as soon as it is too large", async () => {
    const socket = connect(port, "127.0.0.1");
    let said = "";
    socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
    socket.on("error", () => undefined);
    socket.write(inferHead({ "transfer-encoding": "chunked", "content-type": "application/json" }));
    const chunk = `4000\r\n${" ".repeat(0x4000)}\r\n`;
    for (let sent = 0; sent < 8; sent++) socket.write(chunk);
    await until(() => said.includes("REQUEST_TOO_LARGE"), "answer");
    expect(said).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });
});

describe("a caller without a good key", () => {
  it("gets no answer and no receipt, and is not asked for a body first", async () => {
    expectUnreceipted(await withoutKey({}), 401, "AUTH_REQUIRED");
    const wrong = ["Bearer", "Bearer x", "Bearer wrong-key-of-some-length", `Basic ${service.apiKey}`, service.apiKey];
    for (const authorization of [
      ...wrong,
      `Bearer ${service.apiKey} `.repeat(2),
      `Bearer ${service.apiKey}0`,
      `Bearer ${"k".repeat(5000)}`,
    ]) {
      expectUnreceipted(await withoutKey({ authorization }), 401, "AUTH_INVALID");
    }
    const unknown = await makeApiKey("stranger");
    expectUnreceipted(await withoutKey({ authorization: `Bearer ${unknown.key}` }), 401, "AUTH_INVALID");
  });

  it("learns nothing of whether a model exists", async () => {
    for (const model of ["digits-mlp", "nothing"]) {
      const answer = await withoutKey({}, model);
      expectUnreceipted(answer, 401, "AUTH_REQUIRED");
    }
  });
});

describe("a caller that goes away or dawdles", () => {
  it("is taken as gone, with or without a whole body, and the next one is served", async () => {
    const before = await linesSoFar(service);
    for (const part of ["", '{"inputs":[']) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(inferHead({ "content-length": "1000", "content-type": "application/json" }) + part);
      await once(socket, "connect");
      socket.destroy();
    }
    expect((await infer(service, digitsBody())).status).toBe(200);
    const said = service.program.logged().slice(before);
    expect(said.filter((line) => line["level"] === "error")).toEqual([]);
  });

  it("is served when it sends slowly, and holds up nobody meanwhile", async () => {
    const body = JSON.stringify(digitsBody());
    const socket = connect(port, "127.0.0.1");
    let said = "";
    socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
    socket.write(inferHead({ "content-length": String(body.length), "content-type": "application/json", connection: "close" }));
    for (let at = 0; at < body.length; at += 40) {
      socket.write(body.slice(at, at + 40));
      expect((await get(service, "/v2/health/live", null)).status).toBe(200);
    }
    await once(socket, "close");
    expect(said).toMatch(/^HTTP\/1\.1 200 /);
    expect(said).toContain('"model_name":"digits-mlp"');
  });
});

describe("bytes that are no HTTP", () => {
  const garbage: readonly (readonly [what: string, bytes: string])[] = [
    ["random text", "hello there\r\n\r\n"],
    ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
    ["a version that does not exist", "GET / HTTP/9.9\r\nHost: x\r\n\r\n"],
    ["two lengths", "POST /v2/models/digits-mlp/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    [
      "a length beside chunks",
      "POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a negative length", "POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"],
    ["a header without end", `GET /v2 HTTP/1.1\r\nHost: x\r\nX-Much: ${"x".repeat(100_000)}\r\n\r\n`],
    ["a header with a control character", "GET /v2 HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n"],
    ["no host", "GET /v2 HTTP/1.1\r\n\r\n"],
  ];

  for (const [what, bytes] of garbage) {
    it(`are answered with 400 or a closed connection: ${what}`, async () => {
      expect(await rawExchange(bytes)).toMatch(/^(?:HTTP\/1\.1 4\d\d |$)/);
    });
  }

  it("in a chunked body end the request and nothing else", async () => {
    const head = inferHead({ "transfer-encoding": "chunked", "content-type": "application/json" });
    expect(await rawExchange(`${head}zz\r\nno chunk\r\n`)).toMatch(/^(?:HTTP\/1\.1 4\d\d |$)/);
  });
});

describe("an odd address", () => {
  const odd = [
    "//v2",
    "/v2/",
    "/%00",
    "/v2/models/%zz",
    "/v2/models/%ff",
    "/v2/models//ready",
    `/${"a".repeat(8000)}`,
    "/v2/../v1",
    "/*",
    "/log/tile/../../keys",
  ];

  for (const path of odd) {
    it(`is answered with a coded refusal: ${path.slice(0, 40)}`, async () => {
      const said = await rawExchange(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
      expect(said).toMatch(/^HTTP\/1\.1 404 /);
      expect(said).toMatch(/"code":"(?:NOT_FOUND|MODEL_UNKNOWN)"/);
    });
  }

  it("is answered with a coded refusal where only the method is wrong", async () => {
    const methods = [
      ["GET", "/v2/models/digits-mlp/infer"],
      ["PUT", "/v2/models/digits-mlp/infer"],
      ["POST", "/v2"],
      ["DELETE", "/v1/aci/attestation"],
    ];
    for (const [method = "", path = ""] of methods) {
      const answer = await readAnswer(await fetch(`${service.url}${path}`, { method }));
      expect([method, answer.status, answer.json["code"]]).toEqual([method, 405, "REQUEST_METHOD"]);
      expect(answer.headers.get("allow")).toMatch(/GET|POST/);
    }
  });
});

async function withoutKey(headers: Record<string, string>, model = "digits-mlp"): Promise<Answer> {
  const init = {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(digitsBody()),
  };
  return await readAnswer(await fetch(`${service.url}/v2/models/${model}/infer`, init));
}

function inferHead(headers: Record<string, string>): string {
  const all = { host: "127.0.0.1", authorization: `Bearer ${service.apiKey}`, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /v2/models/digits-mlp/infer HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** Sends `bytes` and returns all that comes back until a whole answer is there or the connection ends. */
async function rawExchange(bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let said = "";
  let ended = false;
  socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
  socket.on("close", () => (ended = true));
  socket.on("error", () => undefined);
  socket.write(Buffer.from(bytes, "latin1"));
  await until(() => ended || /\r\n\r\n\S/.test(said) || /content-length: 0\r\n/i.test(said), "answer");
  socket.destroy();
  return said;
}

/** A request whose body comes in chunks, without a stated length. */
async function chunked(parts: readonly string[]): Promise<Answer> {
  const request = httpRequest({
    port,
    host: "127.0.0.1",
    method: "POST",
    path: "/v2/models/digits-mlp/infer",
    headers: { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json", "transfer-encoding": "chunked" },
  });
  request.on("error", () => undefined);
  const answered = once(request, "response");
  for (const part of parts) request.write(part);
  request.end();
  const [response] = (await answered) as [import("node:http").IncomingMessage];
  const bytes: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) bytes.push(chunk);
  const headers = new Headers(Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]));
  return await readAnswer(new Response(new Uint8Array(Buffer.concat(bytes)), { status: response.statusCode ?? 0, headers }));
}
