import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, equalBytes, utf8 } from "../../../src/core/bytes.ts";
import { isTrisealError } from "../../../src/core/errors.ts";
import { parseJson } from "../../../src/core/json.ts";
import { encodeInferenceRequest, type InferenceRequest, parseInferenceRequest } from "../../../src/core/oip.ts";
import { jsonLength } from "../../../src/core/oip-body.ts";
import { DATATYPES, type Datatype, elementCount, parseTensor, type Tensor, type TensorData } from "../../../src/core/tensor.ts";
import { ELEMENT_ARRAYS, parseElements, tensorBytes } from "../../../src/core/tensor-bytes.ts";

const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({ datatype: fc.constantFrom(...DATATYPES), shape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }) })
  .chain(({ datatype, shape }) => elements(datatype, elementCount(shape)).map((data) => ({ name: "t", datatype, shape, data })));

/** Any bits at all, NaN with payload included; BOOL has two values. */
function elements(datatype: Datatype, count: number): fc.Arbitrary<TensorData> {
  if (datatype === "BYTES") return fc.array(fc.string({ unit: "binary" }), { minLength: count, maxLength: count });
  const ElementArray = ELEMENT_ARRAYS[datatype];
  const length = count * ElementArray.BYTES_PER_ELEMENT;
  return fc
    .uint8Array({ minLength: length, maxLength: length, max: datatype === "BOOL" ? 1 : 255 })
    .map((bytes) => new ElementArray(Uint8Array.from(bytes).buffer));
}

const requests = fc.array(anyTensor, { maxLength: 4 }).map((tensors) =>
  encodeInferenceRequest({
    id: 'an "id" with { braces } and \\',
    parameters: { "}": "{" },
    inputs: tensors.map((tensor, index) => ({ tensor: { ...tensor, name: `t${index}` }, binary: true })),
  }),
);

/** The parsed tensors of a request under their own declarations. */
function tensorsOf(request: InferenceRequest): readonly Tensor[] {
  return request.inputs.map((input) => {
    const datatype = DATATYPES.find((known) => known === input.datatype) ?? "FP32";
    return parseTensor({ name: input.name, datatype, shape: input.shape }, input);
  });
}

/** What a body says, written again behind its own JSON; null where it is refused. @throws anything but a coded refusal. */
function rewritten(body: Uint8Array): Uint8Array | null {
  try {
    const request = parseInferenceRequest(body);
    const binary = request.inputs.flatMap((input, index) => {
      const tensor = tensorsOf(request)[index];
      return "binary" in input.content && tensor !== undefined ? [tensorBytes(tensor)] : [];
    });
    return concatBytes(body.subarray(0, jsonLength(body)), ...binary);
  } catch (error) {
    if (isTrisealError(error) && /^REQUEST_(?:MALFORMED|TENSOR_INVALID|NOT_FINITE)$/.test(error.code)) return null;
    throw error;
  }
}

/** The body less white space at its end, which only a body without binary tensors may have. */
function withoutEnd(body: Uint8Array): Uint8Array {
  let end = body.length;
  while (end > 0 && [0x20, 0x09, 0x0a, 0x0d].includes(body[end - 1] ?? 0)) end--;
  return body.subarray(0, end);
}

function sameOrRefused(body: Uint8Array): boolean {
  const again = rewritten(body);
  return again === null || equalBytes(again, body) || equalBytes(again, withoutEnd(body));
}

describe("a body with binary tensors", () => {
  it("holds every tensor bit for bit, and is written again as the same bytes", () => {
    fc.assert(
      fc.property(fc.array(anyTensor, { maxLength: 4 }), (tensors) => {
        const named = tensors.map((tensor, index) => ({ ...tensor, name: `t${index}` }));
        const encode = (all: readonly Tensor[]) =>
          encodeInferenceRequest({ id: "i", inputs: all.map((tensor) => ({ tensor, binary: true })) });
        const body = encode(named);
        const read = tensorsOf(parseInferenceRequest(body));
        expect(read.map(({ shape, datatype }) => [shape, datatype])).toEqual(
          named.map(({ shape, datatype }) => [shape, datatype]),
        );
        expect(encode(read)).toEqual(body);
      }),
    );
  });

  it("is what it was or refused with a code, whatever is done to its bytes", () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(requests, fc.nat(), fc.nat(3), fc.uint8Array({ maxLength: 8 }), byte, (body, at, drop, insert, flip) => {
        const place = at % (body.length + 1);
        const spliced = concatBytes(body.subarray(0, place), insert, body.subarray(Math.min(body.length, place + drop)));
        const flipped = body.map((value, index) => (index === place ? value ^ flip : value));
        expect(sameOrRefused(spliced)).toBe(true);
        expect(sameOrRefused(flipped)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it("is refused with a code, or is what it says, for bytes of any kind", () => {
    const json = fc.json().map(utf8);
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), json), fc.uint8Array({ maxLength: 16 }), (head, tail) => {
        expect(sameOrRefused(concatBytes(head, tail))).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it("has one length of JSON at most: at no other place does a strict JSON object end with its brace", () => {
    const objects = fc.oneof(
      requests,
      fc
        .tuple(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), fc.uint8Array({ maxLength: 12 }))
        .map(([value, rest]) => {
          return concatBytes(utf8(JSON.stringify(value)), rest, utf8(JSON.stringify(value)), rest);
        }),
    );
    const isObject = (bytes: Uint8Array): boolean => {
      try {
        return bytes.at(-1) === 0x7d && typeof parseJson(bytes) === "object";
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(objects, (body) => {
        const ends = Array.from({ length: body.length + 1 }, (_, end) => end).filter((end) => isObject(body.subarray(0, end)));
        expect(ends.length).toBeLessThanOrEqual(1);
        for (const end of ends) expect(jsonLength(body)).toBe(end);
      }),
      { numRuns: 60 },
    );
  });

  it("makes the parser allocate by what came and not by what it says", () => {
    const before = process.memoryUsage();
    for (const size of [2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      const input = { name: "t", datatype: "FP32", shape: [4, 1024, 1024], parameters: { binary_data_size: size } };
      expect(rewritten(utf8(JSON.stringify({ inputs: [input] })))).toBe(null);
    }
    const refused = expect.objectContaining({ code: "REQUEST_TENSOR_INVALID" });
    for (const datatype of DATATYPES) {
      for (const bytes of [Uint8Array.of(), Uint8Array.of(0xff, 0xff, 0xff, 0xff), new Uint8Array(7)]) {
        expect(() => parseElements("t", datatype, 2 ** 40, bytes)).toThrow(refused);
      }
    }
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 24);
  });
});

describe("elements of BYTES and BOOL", () => {
  const refused = expect.objectContaining({ code: "REQUEST_TENSOR_INVALID" });

  it("are UTF-8 with a length each, as many as the shape says, and nothing after them", () => {
    const two = Uint8Array.of(1, 0, 0, 0, 0x61, 0, 0, 0, 0);
    expect(parseElements("t", "BYTES", 2, two)).toEqual(["a", ""]);
    for (const count of [0, 1, 3]) expect(() => parseElements("t", "BYTES", count, two)).toThrow(refused);
    for (let end = 1; end < two.length; end++) {
      if (end !== 5) expect(() => parseElements("t", "BYTES", 2, two.subarray(0, end))).toThrow(refused);
    }
    expect(() => parseElements("t", "BYTES", 1, Uint8Array.of(2, 0, 0, 0, 0xc3, 0x28))).toThrow(refused);
    expect(() => parseElements("t", "BYTES", 1, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x61))).toThrow(refused);
  });

  it("are 0 or 1", () => {
    expect(parseElements("t", "BOOL", 2, Uint8Array.of(0, 1))).toEqual(Uint8Array.of(0, 1));
    for (const byte of [2, 128, 255]) expect(() => parseElements("t", "BOOL", 1, Uint8Array.of(byte))).toThrow(refused);
  });
});
