/** Open Inference Protocol datatypes in the terms of onnxruntime, and back. Both hold elements in the same arrays: none is converted. */
import { type Datatype, elementCount, type Tensor, type TensorData, type TensorSpec } from "../../src/core/tensor.ts";

/** Element type names of onnxruntime for the datatypes that Triseal carries. */
export const ELEMENT_TYPES = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "float16",
  FP32: "float32",
  FP64: "float64",
  BYTES: "string",
} as const satisfies Record<Datatype, string>;

/** An element type name of onnxruntime. */
export type ElementType = (typeof ELEMENT_TYPES)[Datatype];

/** A tensor on its way to or from a model thread: plain data that can be posted. */
export interface RawTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** A checked request tensor as onnxruntime takes it. */
export function packTensor(tensor: Tensor): RawTensor {
  const { name, datatype, shape, data } = tensor;
  return { name, type: ELEMENT_TYPES[datatype], dims: shape, data };
}

/** What onnxruntime returned as the declared output, or null where type, shape or element count are not as declared. */
export function unpackTensor(raw: RawTensor, spec: TensorSpec): Tensor | null {
  const fits =
    raw.type === ELEMENT_TYPES[spec.datatype] &&
    raw.dims.length === spec.shape.length &&
    spec.shape.every((length, axis) => length === -1 || raw.dims[axis] === length) &&
    raw.data.length === elementCount(raw.dims);
  if (!fits) return null;
  return { name: spec.name, datatype: spec.datatype, shape: raw.dims, data: raw.data };
}

/** The memory of tensors that is handed over to another thread and not copied. Nobody here may use it afterwards. */
export function memoryOf(tensors: readonly RawTensor[]): ArrayBuffer[] {
  const buffers = tensors.flatMap(({ data }) =>
    ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer ? [data.buffer] : [],
  );
  return [...new Set(buffers)];
}
