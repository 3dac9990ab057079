import { describe, expect, it } from "vitest";
import { utf8 } from "../../../src/core/bytes.ts";
import type { JsonObject, JsonValue } from "../../../src/core/json.ts";
import {
  callerFacts,
  encodeInferenceResponse,
  factsDigest,
  hasUnguessableId,
  parseInferenceRequest,
  parseInferenceResponse,
  parseInputs,
  requestedOutputs,
} from "../../../src/core/oip.ts";
import {
  DATATYPES,
  type Datatype,
  decodeTensorName,
  decodeTensorSpec,
  elementCount,
  parseTensor,
} from "../../../src/core/tensor.ts";

const code = (name: string) => expect.objectContaining({ code: name });
const one = (datatype: Datatype, data: JsonValue) =>
  parseTensor({ name: "x", datatype, shape: [1] }, { datatype, shape: [1], content: { json: data } });

/** For every datatype: elements that it holds, elements that it does not. */
const RANGES: Readonly<Record<Datatype, { readonly holds: readonly JsonValue[]; readonly not: readonly JsonValue[] }>> = {
  BOOL: { holds: [true, false], not: [0, 1, "true", null] },
  UINT8: { holds: [0, 255], not: [-1, 256, 0.5, "0", true, null] },
  UINT16: { holds: [0, 65535], not: [-1, 65536, 1.5, "1"] },
  UINT32: { holds: [0, 4294967295], not: [-1, 4294967296, 0.1, "1"] },
  UINT64: { holds: [0, Number.MAX_SAFE_INTEGER], not: [-1, 2 ** 53, 0.5, "1", 1e300] },
  INT8: { holds: [-128, 127], not: [-129, 128, 0.5, "1"] },
  INT16: { holds: [-32768, 32767], not: [-32769, 32768, 0.5, "1"] },
  INT32: { holds: [-2147483648, 2147483647], not: [-2147483649, 2147483648, 0.5, "1"] },
  INT64: { holds: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], not: [2 ** 53, -(2 ** 53), 0.5, "1"] },
  FP16: { holds: [], not: [0, "1", true, null] },
  FP32: { holds: [0, -1.5, 3.4028234663852886e38, 1e-60], not: ["1", true, null] },
  FP64: { holds: [0, -1.5, 1.7976931348623157e308], not: ["1", false, null] },
  BYTES: { holds: ["", "text", "😀"], not: [1, true, null] },
};

describe("a tensor", () => {
  it.each(DATATYPES)("of %s holds its range and nothing else", (datatype) => {
    for (const item of RANGES[datatype].holds) {
      const wide = datatype === "INT64" || datatype === "UINT64";
      const held = datatype === "BOOL" ? Number(item) : datatype === "FP32" ? Math.fround(Number(item)) : item;
      expect([...one(datatype, [item]).data]).toEqual([wide ? BigInt(Number(item)) : held]);
    }
    for (const item of RANGES[datatype].not) expect(() => one(datatype, [item])).toThrow(code("REQUEST_TENSOR_INVALID"));
    expect(() => one(datatype, [{}])).toThrow(code("REQUEST_TENSOR_INVALID"));
  });

  it("of FP32 refuses a number that overflows to infinity", () => {
    for (const item of [3.5e38, -3.5e38, 1e300, 3.4028235677973366e38])
      expect(() => one("FP32", [item])).toThrow(code("REQUEST_NOT_FINITE"));
    expect(one("FP64", [3.5e38]).data).toEqual(Float64Array.of(3.5e38));
  });

  const spec = { name: "x", datatype: "INT32", shape: [-1, 2] } as const;
  const parse = (shape: readonly number[], data: JsonValue, datatype = "INT32") =>
    parseTensor(spec, { datatype, shape, content: { json: data } });

  it.each<[string, readonly number[], JsonValue]>([
    ["flat", [2, 2], [1, 2, 3, 4]],
    [
      "nested",
      [2, 2],
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ["half nested", [2, 2], [[1], [2, 3], 4]],
  ])("takes %s data in row-major order", (_, shape, data) => {
    expect(parse(shape, data)).toEqual({ name: "x", datatype: "INT32", shape, data: Int32Array.of(1, 2, 3, 4) });
  });

  it.each<[string, readonly number[], JsonValue, string?]>([
    ["too few elements", [2, 2], [1, 2, 3]],
    ["too many elements", [2, 2], [1, 2, 3, 4, 5]],
    [
      "too many nested elements",
      [1, 2],
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ["another length", [2, 3], [1, 2, 3, 4, 5, 6]],
    ["another rank", [4], [1, 2, 3, 4]],
    ["an empty open axis", [0, 2], []],
    ["data that is no array", [1, 2], 1],
    ["data that is an object", [1, 2], {}],
    ["another datatype", [1, 2], [1, 2], "INT64"],
    ["more elements than are allowed", [2 ** 30, 2], []],
    ["more elements than can be counted", [2 ** 31 - 1, 2], []],
  ])("with %s is refused", (_, shape, data, datatype) => {
    expect(() => parse(shape, data, datatype)).toThrow(code("REQUEST_TENSOR_INVALID"));
  });

  it("is bounded as the caller of the parser says", () => {
    const request = { datatype: "INT32", shape: [2, 2], content: { json: [1, 2, 3, 4] } };
    expect(() => parseTensor(spec, request, 4)).not.toThrow();
    expect(() => parseTensor(spec, request, 3)).toThrow(code("REQUEST_TENSOR_INVALID"));
  });

  it("counts its elements", () => {
    expect([[], [0], [3], [2, 3, 4], [5, 0]].map(elementCount)).toEqual([1, 0, 3, 24, 0]);
  });

  it("has a name and a declaration of one form", () => {
    for (const name of ["x", "a b", "", "é", "x\n", "n".repeat(129)]) {
      const accepted = name === "x";
      if (accepted) expect(decodeTensorName(name, "n")).toBe(name);
      else expect(() => decodeTensorName(name, "n")).toThrow(code("FORMAT_INVALID"));
    }
    const declared = { name: "x", datatype: "FP32", shape: [-1, 3] };
    expect(decodeTensorSpec(declared, "t")).toEqual(declared);
    for (const change of [{ datatype: "BF16" }, { shape: [-2] }, { shape: [1.5] }, { shape: Array(9).fill(1) }, { extra: 1 }]) {
      expect(() => decodeTensorSpec({ ...declared, ...change }, "t")).toThrow(code("FORMAT_INVALID"));
    }
  });
});

const input = { name: "x", datatype: "INT32", shape: [1], data: [1] };
const request = (change: JsonObject = {}) => utf8(JSON.stringify({ inputs: [input], ...change }));
const specs = [
  { name: "x", datatype: "INT32", shape: [1] },
  { name: "y", datatype: "INT32", shape: [1] },
] as const;

describe("an inference request", () => {
  it("is read with its parameters, and its tensors come in the model's order", () => {
    const parsed = parseInferenceRequest(
      request({
        id: "a",
        parameters: { classification: "personal", top: 3 },
        inputs: [{ ...input, name: "y", data: [2] }, input],
        outputs: [{ name: "y" }],
      }),
    );
    expect(parseInputs(parsed, specs).map(({ name, data }) => [name, ...data])).toEqual([
      ["x", 1],
      ["y", 2],
    ]);
    expect(requestedOutputs(parsed, specs)).toEqual([{ name: "y", binary: false }]);
    expect(callerFacts(parsed.parameters)).toEqual({ classification: "personal" });
    expect(requestedOutputs(parseInferenceRequest(request()), specs)).toEqual([
      { name: "x", binary: false },
      { name: "y", binary: false },
    ]);
  });

  it.each<[string, Uint8Array]>([
    ["no JSON", utf8("{")],
    ["no object", utf8("[]")],
    ["no inputs", utf8("{}")],
    ["an unknown member", request({ more: 1 })],
    ["an unknown member of an input", request({ inputs: [{ ...input, more: 1 }] })],
    ["an input without data", request({ inputs: [{ name: "x", datatype: "INT32", shape: [1] }] })],
    ["a negative length", request({ inputs: [{ ...input, shape: [-1] }] })],
    ["an id that is a number", request({ id: 1 })],
    ["an id with a control character", request({ id: "a\n" })],
    ["parameters that are a list", request({ parameters: [] })],
    ["a duplicate key", utf8('{"inputs":[],"inputs":[]}')],
    ["too many inputs", request({ inputs: Array.from({ length: 65 }, (_, index) => ({ ...input, name: `x${index}` })) })],
  ])("with %s is refused", (_, body) => {
    expect(() => parseInferenceRequest(body)).toThrow(code("REQUEST_MALFORMED"));
  });

  it.each(["NaN", "Infinity", "-Infinity", "- Infinity"])("that spells %s is told so", (word) => {
    const body = utf8(`{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1, ${word}]}]}`);
    expect(() => parseInferenceRequest(body)).toThrow(code(word.includes(" ") ? "REQUEST_MALFORMED" : "REQUEST_NOT_FINITE"));
  });

  it("that names another set of tensors than the model is refused", () => {
    for (const inputs of [
      [],
      [input],
      [input, input],
      [input, { ...input, name: "z" }],
      [input, { ...input, name: "y" }, { ...input, name: "z" }],
    ]) {
      expect(() => parseInputs(parseInferenceRequest(request({ inputs })), specs)).toThrow(code("REQUEST_TENSOR_INVALID"));
    }
    for (const outputs of [[{ name: "z" }], [{ name: "x" }, { name: "x" }]]) {
      expect(() => requestedOutputs(parseInferenceRequest(request({ outputs })), specs)).toThrow(code("REQUEST_TENSOR_INVALID"));
    }
  });

  it("has an id that can be guessed unless it is long enough", () => {
    for (const id of ["0".repeat(32), "A".repeat(22), "a-_Z0123456789abcdefgh"]) expect(hasUnguessableId(id)).toBe(true);
    for (const id of [undefined, null, "", "a".repeat(21), `${"a".repeat(22)}!`, `${"a".repeat(21)} `])
      expect(hasUnguessableId(id)).toBe(false);
  });
});

describe("the caller's facts", () => {
  it("are taken from the parameters, and the rest is the model's", () => {
    expect(callerFacts(undefined)).toEqual({});
    expect(callerFacts({ value_usd: 0, kind: "k", assurance: "a", seal: "caller", other: [1] })).toEqual({
      value_usd: 0,
      kind: "k",
      assurance: "a",
      seal: "caller",
    });
  });

  it.each<JsonObject>([
    { value_usd: -1 },
    { value_usd: "1" },
    { classification: 5 },
    { classification: "" },
    { kind: "a\nb" },
    { seal: "gateway" },
    { seal: true },
    { assurance: null },
    { kind: "k".repeat(65) },
  ])("are refused as %j", (parameters) => {
    expect(() => callerFacts(parameters)).toThrow(code("REQUEST_MALFORMED"));
  });

  it("have a digest that their order does not change, and their values do", () => {
    expect(factsDigest({ kind: "k", seal: "caller" })).toBe(factsDigest({ seal: "caller", kind: "k" }));
    expect(factsDigest({ kind: "k" })).not.toBe(factsDigest({ kind: "l" }));
    expect(factsDigest({})).toBe("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
  });
});

describe("an inference response", () => {
  const outputs = [
    { name: "a", datatype: "INT64", shape: [2], data: BigInt64Array.of(1n, -2n) },
    { name: "b", datatype: "FP32", shape: [1], data: Float32Array.of(0.5) },
    { name: "c", datatype: "BYTES", shape: [1], data: ['"x"'] },
    { name: "d", datatype: "BOOL", shape: [0], data: new Uint8Array() },
  ] as const;

  it("is read back as it was written", () => {
    for (const id of [null, "an id"]) {
      const response = { modelName: "m", modelVersion: "1", id, outputs };
      expect(parseInferenceResponse(encodeInferenceResponse(response))).toEqual(response);
    }
  });

  it("is not written where an output is not finite", () => {
    for (const item of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const response = {
        modelName: "m",
        modelVersion: "1",
        id: null,
        outputs: [{ name: "b", datatype: "FP32", shape: [1], data: Float32Array.of(item) }],
      } as const;
      expect(() => encodeInferenceResponse(response)).toThrow(code("REQUEST_NOT_FINITE"));
    }
  });

  it.each<[string, string, JsonObject]>([
    ["an unknown member", "FORMAT_INVALID", { more: 1 }],
    ["an unknown datatype", "FORMAT_INVALID", { outputs: [{ name: "a", datatype: "BF16", shape: [1], data: [1] }] }],
    ["data that do not fit", "REQUEST_TENSOR_INVALID", { outputs: [{ name: "a", datatype: "INT8", shape: [1], data: [500] }] }],
    [
      "another number of elements",
      "REQUEST_TENSOR_INVALID",
      { outputs: [{ name: "a", datatype: "INT8", shape: [2], data: [5] }] },
    ],
  ])("with %s is refused", (_, name, change) => {
    expect(() => parseInferenceResponse(utf8(JSON.stringify({ model_name: "m", outputs: [], ...change })))).toThrow(code(name));
  });
});
