/** Open Inference Protocol datatypes in the terms of onnxruntime, and back. */
import { type Datatype, elementCount, type Tensor, type TensorData, type TensorSpec } from "../../src/core/tensor.ts";

/** Elements as onnxruntime holds them. */
export type ElementArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | string[];

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
  readonly data: ElementArray;
}

function numbers(data: TensorData): readonly number[] {
  return (data as readonly (number | boolean | bigint | string)[]).map(Number);
}

function bigints(data: TensorData): readonly bigint[] {
  return (data as readonly (number | boolean | bigint | string)[]).map(BigInt);
}

const PACK: Record<Datatype, (data: TensorData) => ElementArray> = {
  BOOL: (data) => Uint8Array.from(numbers(data)),
  UINT8: (data) => Uint8Array.from(numbers(data)),
  UINT16: (data) => Uint16Array.from(numbers(data)),
  UINT32: (data) => Uint32Array.from(numbers(data)),
  UINT64: (data) => BigUint64Array.from(bigints(data)),
  INT8: (data) => Int8Array.from(numbers(data)),
  INT16: (data) => Int16Array.from(numbers(data)),
  INT32: (data) => Int32Array.from(numbers(data)),
  INT64: (data) => BigInt64Array.from(bigints(data)),
  FP32: (data) => Float32Array.from(data as readonly number[]),
  FP64: (data) => Float64Array.from(data as readonly number[]),
  BYTES: (data) => (data as readonly string[]).map(String),
};

/** A checked request tensor as onnxruntime takes it. */
export function packTensor(tensor: Tensor): RawTensor {
  return {
    name: tensor.name,
    type: ELEMENT_TYPES[tensor.datatype],
    dims: tensor.shape,
    data: PACK[tensor.datatype](tensor.data),
  };
}

/** What onnxruntime returned as the declared output, or null where type, shape or element count are not as declared. */
export function unpackTensor(raw: RawTensor, spec: TensorSpec): Tensor | null {
  const fits =
    raw.type === ELEMENT_TYPES[spec.datatype] &&
    raw.dims.length === spec.shape.length &&
    spec.shape.every((length, axis) => length === -1 || raw.dims[axis] === length) &&
    raw.data.length === elementCount(raw.dims);
  if (!fits) return null;
  const elements = Array.from(raw.data as ArrayLike<number | bigint | string>);
  const data = spec.datatype === "BOOL" ? elements.map((item) => item !== 0) : elements;
  return { name: spec.name, datatype: spec.datatype, shape: raw.dims, data: data as TensorData };
}
