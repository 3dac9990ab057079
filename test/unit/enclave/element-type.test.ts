import { describe, expect, it } from "vitest";
import { packTensor, unpackTensor } from "../../../enclave/worker/element-type.ts";
import { DATATYPES, type Datatype, type Tensor, type TensorData } from "../../../src/core/tensor.ts";

const SAMPLES: Record<Datatype, TensorData> = {
  BOOL: [true, false],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
  UINT64: [0n, 2n ** 64n - 1n],
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
  FP32: [0.5, -2],
  FP64: [0.1, -2],
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
