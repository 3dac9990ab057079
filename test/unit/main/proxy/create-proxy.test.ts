import { describe, expect, it } from "vitest";
import type { InferenceCall, VerifiedAnswer } from "../../../../src/client/index.ts";
import { concatBytes, utf8 } from "../../../../src/core/bytes.ts";
import { TrisealError } from "../../../../src/core/errors.ts";
import type { JsonObject } from "../../../../src/core/json.ts";
import type { Tensor } from "../../../../src/core/tensor.ts";
import { proxyError } from "../../../../src/main/proxy/codes.ts";
import { createProxy, type ProxyOptions, type Upstream } from "../../../../src/main/proxy/create-proxy.ts";

const RECEIPT = `rcpt-${"ab".repeat(16)}`;
const MODEL = {
  name: "m",
  versions: ["1"],
  platform: "onnx",
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [
    { name: "y", datatype: "FP32", shape: [-1, 2] },
    { name: "z", datatype: "INT64", shape: [-1] },
  ],
} as const;
const Y: Tensor = { name: "y", datatype: "FP32", shape: [1, 2], data: Float32Array.of(0.25, Number.NaN) };
const Z: Tensor = { name: "z", datatype: "INT64", shape: [1], data: BigInt64Array.of(7n) };
const BODY = { id: "mine", inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, 2] }] };

function answerOf(call: InferenceCall, y: Tensor): VerifiedAnswer {
  const wanted = call.outputs ?? ["y", "z"];
  return {
    response: { modelName: "m", modelVersion: "1", id: "theirs", outputs: [y, Z].filter(({ name }) => wanted.includes(name)) },
    receiptId: RECEIPT,
    bundle: utf8("bundle"),
    exchanged: { request: utf8("q"), response: utf8("a") },
    commitment: null,
    pending: [],
  } as unknown as VerifiedAnswer;
}

interface Stage {
  readonly upstream?: Partial<Upstream>;
  readonly options?: Partial<ProxyOptions>;
  readonly y?: Tensor;
}

/** A proxy in front of a gateway that answers, and what reached that gateway. */
function setUp({ upstream = {}, options = {}, y = { ...Y, data: Float32Array.of(0.25, 0.75) } }: Stage = {}) {
  const calls: InferenceCall[] = [];
  const lines: JsonObject[] = [];
  const proxy = createProxy({
    upstream: {
      assertReady: async () => undefined,
      models: async () => ["m"],
      model: async (name) => {
        if (name !== "m") throw new TrisealError("MODEL_UNKNOWN", "no such model or version");
        return MODEL;
      },
      assertModelReady: async () => undefined,
      infer: async (call) => {
        calls.push(call);
        return answerOf(call, y);
      },
      ...upstream,
    },
    limits: { maxBodyBytes: 4096, maxInFlight: 2 },
    keepBundle: null,
    anyHost: false,
    log: (line) => void lines.push(line),
    ...options,
  });
  const ask = async (path: string, init: RequestInit = {}) => {
    const headers = { host: "localhost:8000", ...(init.headers as Record<string, string> | undefined) };
    const response = await proxy.fetch(new Request(`http://localhost:8000${path}`, { ...init, headers }));
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes, json: () => JSON.parse(new TextDecoder().decode(bytes)) };
  };
  const infer = (body: unknown, headers: Record<string, string> = {}, path = "/v2/models/m/infer") =>
    ask(path, {
      method: "POST",
      body: body instanceof Uint8Array ? Uint8Array.from(body) : JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
    });
  const codeOf = async (answer: ReturnType<typeof infer>) => [(await answer).status, (await answer).json().code];
  return { proxy, calls, lines, ask, infer, codeOf };
}

/** A request of binary tensors, as clients of that extension send it. */
function binaryBody(head: JsonObject, data: Float32Array) {
  const inputs = [{ name: "x", datatype: "FP32", shape: [1, 2], parameters: { binary_data_size: data.byteLength } }];
  const json = utf8(JSON.stringify({ ...head, inputs }));
  const body = concatBytes(json, new Uint8Array(data.buffer));
  return {
    body,
    headers: { "content-type": "application/octet-stream", "inference-header-content-length": String(json.length) },
  };
}

describe("a request that is refused before anything is sealed", () => {
  it.each<[string, number, string, (set: ReturnType<typeof setUp>) => ReturnType<ReturnType<typeof setUp>["infer"]>]>([
    ["of a page in a browser", 403, "CALLER_REFUSED", ({ infer }) => infer(BODY, { origin: "https://page.example" })],
    ["of another site", 403, "CALLER_REFUSED", ({ infer }) => infer(BODY, { "sec-fetch-site": "cross-site" })],
    ["to another name of this machine", 403, "CALLER_REFUSED", ({ infer }) => infer(BODY, { host: "rebound.example:8000" })],
    ["to a name that begins like one", 403, "CALLER_REFUSED", ({ infer }) => infer(BODY, { host: "127.0.0.1.page.example" })],
    ["for no model", 404, "MODEL_UNKNOWN", ({ infer }) => infer(BODY, {}, "/v2/models/none/infer")],
    ["for no version", 404, "MODEL_UNKNOWN", ({ infer }) => infer(BODY, {}, "/v2/models/m/versions/2/infer")],
    ["under a name with spaces", 404, "MODEL_UNKNOWN", ({ infer }) => infer(BODY, {}, "/v2/models/a%20b/infer")],
    ["that is too long", 413, "REQUEST_TOO_LARGE", ({ infer }) => infer(new Uint8Array(4097))],
    ["that is no JSON", 400, "REQUEST_MALFORMED", ({ infer }) => infer(utf8("{"))],
    ["that spells NaN", 400, "REQUEST_NOT_FINITE", ({ infer }) => infer(utf8('{"inputs":[{"data":[NaN]}]}'))],
    ["that is compressed", 415, "REQUEST_MEDIA_TYPE", ({ infer }) => infer(BODY, { "content-encoding": "gzip" })],
    ["of another type", 415, "REQUEST_MEDIA_TYPE", ({ infer }) => infer(BODY, { "content-type": "text/plain" })],
    ["for no output", 400, "REQUEST_TENSOR_INVALID", ({ infer }) => infer({ ...BODY, outputs: [{ name: "w" }] })],
    [
      "whose binary tensor is short",
      400,
      "REQUEST_TENSOR_INVALID",
      ({ infer }) => {
        const { body, headers } = binaryBody({}, Float32Array.of(1));
        return infer(body, headers);
      },
    ],
    [
      "whose JSON length is another",
      400,
      "REQUEST_MALFORMED",
      ({ infer }) => infer(binaryBody({}, Float32Array.of(1, 2)).body, { "inference-header-content-length": "7" }),
    ],
  ])("%s", async (_, status, code, send) => {
    const set = setUp();
    expect(await set.codeOf(send(set))).toEqual([status, code]);
    expect(set.calls).toEqual([]);
    expect(set.lines.at(-1)).toMatchObject({ event: "refused", code });
  });

  it("while as many are answered as may be, and while it drains", async () => {
    const held: (() => void)[] = [];
    const wait = new Promise<void>((resolve) => held.push(resolve));
    const set = setUp({ upstream: { infer: (call) => wait.then(() => answerOf(call, Z)) } });
    const first = [set.infer(BODY), set.infer(BODY)];
    await Promise.resolve();
    expect(await set.codeOf(set.infer(BODY))).toEqual([503, "OVERLOADED"]);
    const drained = set.proxy.drain();
    expect(await set.codeOf(set.infer(BODY))).toEqual([503, "SHUTTING_DOWN"]);
    expect((await set.ask("/v2/health/ready")).status).toBe(503);
    for (const release of held) release();
    expect(await Promise.all(first.map(async (answer) => (await answer).status))).toEqual([200, 200]);
    await drained;
  });
});

describe("what the SDK refuses", () => {
  it.each([
    ["VERIFICATION_FAILED", 502],
    ["TLS_KEY_MISMATCH", 502],
    ["AUTH_INVALID", 502],
    ["TRUST_FILE_INVALID", 502],
    ["FORMAT_INVALID", 502],
    ["RECEIPT_UNKNOWN", 502],
    ["SERVICE_UNREACHABLE", 503],
    ["DEADLINE_EXCEEDED", 504],
    ["POLICY_DENIED", 403],
  ] as const)("%s is answered with %i, its code and the receipt that was named", async (code, status) => {
    const infer = async () => {
      throw new TrisealError(code, "because", { details: { receiptId: RECEIPT } });
    };
    const { infer: send } = setUp({ upstream: { infer } });
    const answer = await send(BODY);
    expect([answer.status, answer.json().code, answer.headers.get("x-receipt-id")]).toEqual([status, code, RECEIPT]);
    expect(answer.json().error).toBe(`${code}: because`);
  });

  it("an answer is withheld whose bundle cannot be kept, and a receipt of another form is no header", async () => {
    const keepBundle = async () => {
      throw proxyError("BUNDLE_NOT_KEPT", "disk full", { details: { receiptId: "../x" } });
    };
    const answer = await setUp({ options: { keepBundle } }).infer(BODY);
    expect([answer.status, answer.json().code, answer.headers.get("x-receipt-id")]).toEqual([502, "BUNDLE_NOT_KEPT", null]);
    expect(answer.json()).not.toHaveProperty("outputs");
  });

  it("what nobody foresaw is `INTERNAL`, without its message", async () => {
    const infer = async () => {
      throw new Error("secret");
    };
    const answer = await setUp({ upstream: { infer } }).infer(BODY);
    expect([answer.status, answer.json().code]).toEqual([500, "INTERNAL"]);
    expect(JSON.stringify(answer.json())).not.toContain("secret");
  });

  it("another version's answer", async () => {
    const infer = async (call: InferenceCall) => {
      const answer = answerOf(call, Z);
      return { ...answer, response: { ...answer.response, modelVersion: "2" } };
    };
    const { codeOf, infer: send } = setUp({ upstream: { infer } });
    expect(await codeOf(send(BODY, {}, "/v2/models/m/versions/1/infer"))).toEqual([502, "VERIFICATION_FAILED"]);
  });
});

describe("a request that passes", () => {
  it("is sealed with what the caller stated, under another id, and answered under its own", async () => {
    const { infer, calls } = setUp();
    const stated = { classification: "internal", value_usd: 3 };
    const answer = await infer({ ...BODY, parameters: stated, outputs: [{ name: "y" }] }, { "idempotency-key": "k1" });
    expect(answer.json()).toEqual({
      model_name: "m",
      model_version: "1",
      id: "mine",
      outputs: [{ name: "y", datatype: "FP32", shape: [1, 2], data: [0.25, 0.75] }],
    });
    expect(answer.headers.get("x-receipt-id")).toBe(RECEIPT);
    expect(calls[0]).toMatchObject({ model: "m", inputs: BODY.inputs, parameters: stated, outputs: ["y"], idempotencyKey: "k1" });
    expect(calls[0]).toMatchObject({ seal: true, allowPending: false });
    expect(calls[0]).not.toHaveProperty("id");
  });

  it("comes and goes as binary, output by output, NaN included", async () => {
    const { infer, calls } = setUp({ y: Y });
    const outputs = [{ name: "y", parameters: { binary_data: true } }, { name: "z" }];
    const { body, headers } = binaryBody({ outputs }, Float32Array.of(1.5, -2));
    const answer = await infer(body, headers);
    expect(calls[0]?.inputs[0]?.data).toEqual(Float32Array.of(1.5, -2));
    expect(calls[0]).toMatchObject({ binary: true, parameters: { binary_data_output: true } });
    const length = Number(answer.headers.get("inference-header-content-length"));
    const head = JSON.parse(new TextDecoder().decode(answer.bytes.subarray(0, length)));
    expect(head.outputs).toEqual([
      { name: "y", datatype: "FP32", shape: [1, 2], parameters: { binary_data_size: 8 } },
      { name: "z", datatype: "INT64", shape: [1], data: [7] },
    ]);
    expect(new Float32Array(answer.bytes.slice(length).buffer)).toEqual(Y.data);
    expect(answer.headers.get("content-type")).toBe("application/octet-stream");
  });

  it("whose output has no JSON form is refused, as a gateway would", async () => {
    const { codeOf, infer } = setUp({ y: Y });
    expect(await codeOf(infer(BODY))).toEqual([400, "REQUEST_NOT_FINITE"]);
  });

  it("is taken from anywhere by name, but from no browser, where the proxy is exposed", async () => {
    const { infer, codeOf } = setUp({ options: { anyHost: true } });
    expect((await infer(BODY, { host: "proxy.internal:8000" })).status).toBe(200);
    expect(await codeOf(infer(BODY, { host: "proxy.internal", origin: "null" }))).toEqual([403, "CALLER_REFUSED"]);
  });
});

describe("what is asked before an inference", () => {
  it("is answered as the protocol has it", async () => {
    const { ask } = setUp();
    expect((await ask("/v2")).json()).toMatchObject({ name: "triseal-proxy", extensions: ["binary_tensor_data"] });
    expect((await ask("/v2/health/live")).json()).toEqual({ live: true });
    expect((await ask("/v2/health/ready")).json()).toEqual({ ready: true });
    expect((await ask("/v2/models")).json()).toEqual({ models: ["m"] });
    expect((await ask("/v2/models/m")).json()).toEqual(MODEL);
    expect((await ask("/v2/models/m/versions/1/ready")).json()).toEqual({ name: "m", ready: true });
  });

  it("says why it is not ready, and knows no other address", async () => {
    const refused = async () => {
      throw new TrisealError("VERIFICATION_FAILED", "no");
    };
    const { ask } = setUp({ upstream: { assertReady: refused, assertModelReady: refused, models: refused } });
    for (const path of ["/v2/health/ready", "/v2/models/m/ready"])
      expect([(await ask(path)).status, (await ask(path)).json()]).toMatchObject([
        503,
        { ready: false, reason: "VERIFICATION_FAILED" },
      ]);
    expect((await ask("/v2/models")).json().code).toBe("VERIFICATION_FAILED");
    for (const path of ["/v2/models/none", "/v2/models/m/versions/2", "/v2/models/none/ready"])
      expect((await ask(path)).json().code).toBe("MODEL_UNKNOWN");
    for (const path of ["/v1/receipts", "/", "/v2/repository/index"]) expect((await ask(path)).json().code).toBe("NOT_FOUND");
  });
});
