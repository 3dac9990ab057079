import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import { coreCodes, TrisealError } from "../../../src/core/errors.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { authenticate, hashApiKey } from "../../../src/gateway/authenticate.ts";
import { BodyMemory } from "../../../src/gateway/body-memory.ts";
import { codedError, problemOf } from "../../../src/gateway/problem.ts";
import { readBody } from "../../../src/gateway/read-body.ts";
import { API_KEY, startGateway } from "../../contract/gateway-fixture.ts";
import { codes, createParityPath, parityModel } from "../../contract/parity-path.ts";
import { testSigner } from "../../fixtures/signer.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const tenant = { id: "acme", tier: "gold", jurisdiction: null };
const tenants = new Map([[hashApiKey(API_KEY), tenant]]);

describe("an API key", () => {
  it("is known by its hash alone", () => {
    expect(authenticate(`Bearer ${API_KEY}`, tenants)).toEqual({ tenant, keyHash: hashApiKey(API_KEY) });
    expect(authenticate(`bearer ${API_KEY}`, tenants).tenant).toBe(tenant);
    expect(hashApiKey("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  it("that is absent is asked for", () => {
    expect(() => authenticate(undefined, tenants)).toThrow(code("AUTH_REQUIRED"));
  });

  it.each([
    "",
    "Bearer",
    "Bearer ",
    API_KEY,
    `Basic ${API_KEY}`,
    `Bearer ${API_KEY}x`,
    `Bearer  ${API_KEY}`,
    `Bearer ${API_KEY} `,
    "Bearer short",
    `Bearer ${hashApiKey(API_KEY)}`,
    `Bearer ${"x".repeat(300)}`,
  ])("that is not known is refused: `%s`", (header) => {
    expect(() => authenticate(header, tenants)).toThrow(code("AUTH_INVALID"));
  });
});

describe("a problem", () => {
  const error = new TrisealError("MODEL_UNKNOWN", "no such model");

  it("carries the code, what to do, and the protocol's own error", () => {
    const { status, body } = problemOf(error, coreCodes, "oip", "req-1", "rcpt-1");
    expect(status).toBe(404);
    expect(body).toEqual({
      type: "urn:triseal:error:MODEL_UNKNOWN",
      title: "model unknown",
      status: 404,
      detail: "no such model",
      code: "MODEL_UNKNOWN",
      retryable: false,
      action: coreCodes.MODEL_UNKNOWN.action,
      request_id: "req-1",
      receipt_id: "rcpt-1",
      error: "MODEL_UNKNOWN: no such model",
    });
    const aci = problemOf(new TrisealError("RECEIPT_UNKNOWN", "none"), coreCodes, "aci", "req-1", null).body;
    expect(aci).toMatchObject({ error: { message: "none", type: "not_found", code: "RECEIPT_UNKNOWN", param: null } });
    expect(aci).not.toHaveProperty("receipt_id");
  });

  it("of a code that no table has, or that is an object's own word, is an internal one", () => {
    for (const name of ["NO_SUCH_CODE", "toString", "__proto__"]) {
      expect(problemOf(new TrisealError(name as "INTERNAL", "x"), coreCodes, "oip", "r", null)).toMatchObject({ status: 500 });
    }
  });

  it("shows nothing of an unexpected error", () => {
    for (const thrown of [new Error("a secret"), "a secret", null, undefined]) {
      expect(codedError(thrown)).toMatchObject({ code: "INTERNAL", message: "internal error" });
    }
    expect(codedError(error)).toBe(error);
  });
});

describe("a request body", () => {
  const held = () => new BodyMemory({ total: 100_000, perTenant: 100_000 }).open("acme");
  const request = (body: BodyInit | null, headers: Record<string, string> = {}) =>
    new Request("http://x.test/", {
      method: "POST",
      body,
      headers,
      ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
    } as RequestInit);
  const stream = (parts: readonly Uint8Array[], failing = false) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const part of parts) controller.enqueue(part);
        if (failing) controller.error(new Error("the connection is gone"));
        else controller.close();
      },
    });

  it("is read up to the limit and not a byte further", async () => {
    expect(await readBody(request("12345"), 5, held())).toEqual(utf8("12345"));
    expect(await readBody(request(null), 5, held())).toEqual(new Uint8Array());
    expect(await readBody(request(stream([utf8("12"), utf8("345")])), 5, held())).toEqual(utf8("12345"));
    await expect(readBody(request("123456"), 5, held())).rejects.toEqual(code("REQUEST_TOO_LARGE"));
    await expect(readBody(request(stream([utf8("12"), utf8("3456")])), 5, held())).rejects.toEqual(code("REQUEST_TOO_LARGE"));
    await expect(readBody(request("1", { "content-length": "6" }), 5, held())).rejects.toEqual(code("REQUEST_TOO_LARGE"));
  });

  it("that is endless is not read to its end", async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(1000));
      },
    });
    await expect(readBody(request(endless), 10_000, held())).rejects.toEqual(code("REQUEST_TOO_LARGE"));
    expect(pulled).toBeLessThan(20);
  });

  it.each(["gzip", "br", "deflate", "zstd", "gzip, identity"])("in the encoding %s is refused", async (encoding) => {
    await expect(readBody(request("x", { "content-encoding": encoding }), 5, held())).rejects.toEqual(code("REQUEST_MEDIA_TYPE"));
  });

  it("that breaks off is the caller's doing", async () => {
    await expect(readBody(request(stream([utf8("1")], true)), 5, held())).rejects.toEqual(code("CLIENT_ABORTED"));
  });
});

describe("the gateway", () => {
  const path = createParityPath({ legSigner: testSigner("leg", 31), authority: testSigner("authority", 32) });
  const rules = `  - id: vouched\n    when: "true"\n    require: { all: [parity] }\n`;
  const start = (limits = {}) => startGateway({ paths: [path], models: [parityModel], rules, codes, limits });
  const tensor = { name: "x", datatype: "INT32", shape: [2], data: [1, 2] };
  const good = JSON.stringify({ inputs: [tensor] });

  it.each<[string, string, string | Uint8Array, Readonly<Record<string, string>>, number, string]>([
    ["no key", "/v2/models/parity/infer", good, { authorization: "" }, 401, "AUTH_INVALID"],
    ["another media type", "/v2/models/parity/infer", good, { "content-type": "text/plain" }, 415, "REQUEST_MEDIA_TYPE"],
    ["no JSON", "/v2/models/parity/infer", "{", {}, 400, "REQUEST_MALFORMED"],
    ["a body that is too large", "/v2/models/parity/infer", " ".repeat(100_001), {}, 413, "REQUEST_TOO_LARGE"],
    ["an unknown model", "/v2/models/other/infer", good, {}, 404, "MODEL_UNKNOWN"],
    ["an unknown version", "/v2/models/parity/versions/9/infer", good, {}, 404, "MODEL_UNKNOWN"],
    [
      "an unknown tensor",
      "/v2/models/parity/infer",
      JSON.stringify({ inputs: [{ ...tensor, name: "y" }] }),
      {},
      400,
      "REQUEST_TENSOR_INVALID",
    ],
    [
      "a tensor that is too large",
      "/v2/models/parity/infer",
      JSON.stringify({ inputs: [{ ...tensor, shape: [1001] }] }),
      {},
      400,
      "REQUEST_TENSOR_INVALID",
    ],
    [
      "facts of another form",
      "/v2/models/parity/infer",
      JSON.stringify({ inputs: [tensor], parameters: { value_usd: -1 } }),
      {},
      400,
      "REQUEST_MALFORMED",
    ],
    [
      "a wish to be sealed",
      "/v2/models/parity/infer",
      JSON.stringify({ inputs: [tensor], parameters: { seal: "caller" } }),
      {},
      400,
      "REQUEST_NOT_SEALED",
    ],
    ["another route", "/v2/nothing", good, {}, 404, "NOT_FOUND"],
  ])("refuses %s", async (_, address, body, headers, status, name) => {
    const gateway = await start();
    const response = await gateway.post(address, body, headers);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("x-aci-version")).toBe("aci/1");
    expect(response.headers.get("x-request-id")).toMatch(/^req-[0-9a-f]{16}$/);
    expect(await response.json()).toMatchObject({ code: name, status });
    expect(JSON.stringify(gateway.lines)).not.toContain(API_KEY);
  });

  it("receipts a refusal once the request could be read, and nothing before", async () => {
    const gateway = await start();
    const receipted = await gateway.post("/v2/models/other/infer", good);
    expect(receipted.headers.get("x-receipt-id")).toMatch(/^rcpt-/);
    for (const [body, headers] of [
      ["{", {}],
      [good, { authorization: "" }],
      [good, { "content-type": "text/plain" }],
    ] as const) {
      expect((await gateway.post("/v2/models/parity/infer", body, headers)).headers.get("x-receipt-id")).toBeNull();
    }
  });

  it("refuses new requests when it is full, and when it drains", async () => {
    const full = await start({ maxInFlight: 0 });
    expect(await (await full.post("/v2/models/parity/infer", good)).json()).toMatchObject({ code: "OVERLOADED" });
    const draining = await start();
    await draining.gateway.drain();
    expect(await (await draining.post("/v2/models/parity/infer", good)).json()).toMatchObject({ code: "SHUTTING_DOWN" });
    expect((await draining.get("/v2/health/ready")).status).toBe(503);
  });

  it("withholds an answer that could not be logged", async () => {
    const gateway = await start();
    await gateway.log.close();
    const response = await gateway.post("/v2/models/parity/infer", good);
    expect(response.status).toBe(503);
    const body = (await response.json()) as JsonObject;
    expect(body).toMatchObject({ code: "LOG_UNAVAILABLE", retryable: true });
    expect(body).not.toHaveProperty("outputs");
    expect(response.headers.get("x-receipt-id")).toBeNull();
  });

  it("serves its report under a challenge, and refuses one of another form", async () => {
    const gateway = await start();
    const report = (await (await gateway.get(`/v1/aci/attestation?nonce=${"0a".repeat(32)}`)).json()) as JsonObject;
    expect(report).toMatchObject({ api_version: "aci/1", attestation: { tee_type: "triseal-none" } });
    for (const nonce of ["", "00", "0A".repeat(32), "0a".repeat(33)])
      expect((await gateway.get(`/v1/aci/attestation?nonce=${nonce}`)).status).toBe(400);
  });

  it("serves the log as it is, and nothing beside it", async () => {
    const gateway = await start();
    await gateway.post("/v2/models/parity/infer", good);
    expect(await (await gateway.get("/log/checkpoint")).text()).toBe(gateway.log.checkpoint());
    expect((await gateway.get(`/log/tile/0/000.p/${gateway.log.size}`)).status).toBe(200);
    for (const address of ["/log/tile/0/000", "/log/tile/../leaves", "/log/leaves", "/log/tile/0/000.p/99", "/log/records"]) {
      expect((await gateway.get(address)).status).toBe(404);
    }
  });
});
