import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/core/digest.ts";
import { eventOf, parseBundle } from "../../src/receipt/index.ts";
import { type Answer, bundleOf, get, heldBack, infer, type Service, startService, verdictOn } from "./gateway-harness.ts";
import { inferBinary } from "./plain-oip-client.ts";

let service: Service;

beforeAll(async () => {
  service = await startService();
});

afterAll(async () => {
  expect(await service.close()).toBe(0);
});

const pixels = Float32Array.from({ length: 64 }, (_, index) => index % 16);
const tensorBytes = Buffer.from(pixels.buffer);

function json(input: object = {}, more: object = { parameters: { binary_data_output: true } }): Buffer {
  const tensor = { name: "pixels", datatype: "FP32", shape: [1, 64], parameters: { binary_data_size: 256 }, ...input };
  return Buffer.from(JSON.stringify({ inputs: [tensor], ...more }));
}

/** Posts JSON and bytes, with the length of the JSON unless told otherwise. */
function post(
  head: Buffer,
  bytes: Uint8Array = tensorBytes,
  length: string | null = String(head.length),
  type?: string,
): Promise<Answer> {
  const headers = {
    ...(length === null ? {} : { "inference-header-content-length": length }),
    ...(type === undefined ? {} : { "content-type": type }),
  };
  return infer(service, Buffer.concat([head, bytes]), { headers });
}

describe("binary tensors at the gateway", () => {
  it("are answered in kind, and the receipt is about the whole body", async () => {
    const { input, label } = await heldBack("digits-mlp", 3);
    const tensor = { name: "pixels", datatype: "FP32", shape: [1, 64] };
    const { binary } = await inferBinary(service.url, service.apiKey, "digits-mlp", tensor, Float32Array.from(input));
    expect(String(binary.indexOf(Math.max(...binary)))).toBe(label);
    const head = json();
    const answer = await post(head, tensorBytes, String(head.length), "application/octet-stream");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/octet-stream"]);
    expect(answer.bytes.length - Number(answer.headers.get("inference-header-content-length"))).toBe(40);
    const bundle = await bundleOf(service, answer.receiptId);
    const request = new Uint8Array(Buffer.concat([head, tensorBytes]));
    expect(eventOf(parseBundle(bundle).receipt, "request.received")?.body_hash).toBe(digestOf(request));
    expect((await verdictOn(service, bundle, { request, response: answer.bytes })).outcome).toBe("accepted");
    const other = await verdictOn(service, bundle, { request: request.subarray(0, head.length), response: answer.bytes });
    expect(other.code).toBe("EXCHANGE_REQUEST_MISMATCH");
    const stored = await get(service, `/v1/receipts/${answer.receiptId}/response`);
    expect(stored.bytes).toEqual(answer.bytes);
    expect(stored.headers.get("inference-header-content-length")).toBe(answer.headers.get("inference-header-content-length"));
  });

  it("and JSON give one answer, and JSON is what comes back where binary is not asked for", async () => {
    const asJson = await post(json({}, {}));
    expect([asJson.status, asJson.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(asJson.headers.get("inference-header-content-length")).toBe(null);
    const plain = json({ parameters: {}, data: [...pixels] }, {});
    expect((await post(plain, Buffer.of(), null)).json["outputs"]).toEqual(asJson.json["outputs"]);
    expect((await post(plain, Buffer.of())).json["outputs"]).toEqual(asJson.json["outputs"]);
    expect((await post(plain, Buffer.from(" \n"), null)).json["outputs"]).toEqual(asJson.json["outputs"]);
  });

  it("are refused with a header that is anything but the length of the JSON", async () => {
    const head = json();
    const lengths = [null, "", "0", "-1", "1.5", "abc", `0${head.length}`, `+${head.length}`, `${head.length}, ${head.length}`];
    const near = [head.length - 1, head.length + 1, head.length + 256, 9_999_999_999, 2 ** 53].map(String);
    for (const length of [...lengths, ...near]) {
      const answer = await post(head, tensorBytes, length);
      expect([length, answer.status, answer.json["code"]]).toEqual([length, 400, "REQUEST_MALFORMED"]);
      expect(answer.receiptId).toBe(null);
    }
    const plain = json({ parameters: {}, data: [...pixels] }, {});
    expect((await post(plain, Buffer.from(" "))).json["code"]).toBe("REQUEST_MALFORMED");
    const untyped = await post(plain, Buffer.of(), null, "application/octet-stream");
    expect([untyped.status, untyped.json["code"]]).toEqual([415, "REQUEST_MEDIA_TYPE"]);
    const sealed = await post(plain, Buffer.of(), "1", "application/vnd.triseal.sealed");
    expect(sealed.json["code"]).toBe("REQUEST_MALFORMED");
  });

  it("are refused where sizes, bytes and shape do not agree", async () => {
    const sized = (size: unknown) => json({ parameters: { binary_data_size: size } });
    const cases: readonly [string, Buffer, Uint8Array][] = [
      ["REQUEST_MALFORMED", json(), tensorBytes.subarray(1)],
      ["REQUEST_MALFORMED", json(), Buffer.concat([tensorBytes, Buffer.of(0x20)])],
      ["REQUEST_MALFORMED", sized(-1), tensorBytes],
      ["REQUEST_MALFORMED", sized("256"), tensorBytes],
      ["REQUEST_MALFORMED", sized(2 ** 53), tensorBytes],
      ["REQUEST_MALFORMED", sized(null), tensorBytes],
      ["REQUEST_MALFORMED", json({ data: [...pixels] }), tensorBytes],
      ["REQUEST_MALFORMED", json({ parameters: {} }), tensorBytes],
      ["REQUEST_TENSOR_INVALID", sized(252), tensorBytes.subarray(4)],
      ["REQUEST_TENSOR_INVALID", json({ shape: [4_000_000, 64] }), tensorBytes],
      ["REQUEST_TENSOR_INVALID", json({ datatype: "FP64" }), tensorBytes],
      ["REQUEST_NOT_FINITE", json(), Buffer.from(Float32Array.from(pixels, (item) => item / 0).buffer)],
      ["REQUEST_MALFORMED", json({}, { parameters: { binary_data_output: 1 } }), tensorBytes],
    ];
    for (const [code, head, bytes] of cases) {
      const answer = await post(head, bytes);
      expect([head.toString().slice(0, 120), answer.status, answer.json["code"]]).toEqual([expect.any(String), 400, code]);
    }
  });
});
