import { describe, expect, it } from "vitest";
import { packTensor, unpackTensor } from "../../../enclave/worker/element-type.ts";
import { DATATYPES, type Datatype, type Tensor, type TensorData } from "../../../src/core/tensor.ts";

const SAMPLES: Record<Datatype, TensorData> = {
  BOOL: Uint8Array.of(1, 0),
  UINT8: Uint8Array.of(0, 255),
  UINT16: Uint16Array.of(0, 65_535),
  UINT32: Uint32Array.of(0, 4_294_967_295),
  UINT64: BigUint64Array.of(0n, 2n ** 64n - 1n),
  INT8: Int8Array.of(-128, 127),
  INT16: Int16Array.of(-32_768, 32_767),
  INT32: Int32Array.of(-2_147_483_648, 2_147_483_647),
  INT64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  FP16: Uint16Array.of(0x3c00, 0x7e00),
  FP32: Float32Array.of(0.5, -2),
  FP64: Float64Array.of(0.1, -2),
  BYTES: ["a", ""],
};

function tensor(datatype: Datatype): Tensor {
  return { name: "t", datatype, shape: [2], data: SAMPLES[datatype] };
}

describe("element types", () => {
  it.each(DATATYPES)("carries %s to the runtime and back", (datatype) => {
    const raw = packTensor(tensor(datatype));
    expect(unpackTensor(raw, { name: "t", datatype, shape: [-1] })).toEqual(tensor(datatype));
  });

  it("takes no output of another type, shape or element count than declared", () => {
    const raw = packTensor(tensor("FP32"));
    expect(unpackTensor(raw, { name: "t", datatype: "FP64", shape: [2] })).toBe(null);
    expect(unpackTensor(raw, { name: "t", datatype: "FP32", shape: [3] })).toBe(null);
    expect(unpackTensor(raw, { name: "t", datatype: "FP32", shape: [-1, -1] })).toBe(null);
    expect(unpackTensor({ ...raw, dims: [3] }, { name: "t", datatype: "FP32", shape: [-1] })).toBe(null);
  });
});
