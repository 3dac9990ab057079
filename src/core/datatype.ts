/** Datatypes of tensors, and how their elements are held in memory. */

/** Datatypes that Triseal carries (OIP v2, tensor data types). FP16 travels as binary only: it has no JSON form. BF16 is refused. */
export const DATATYPES = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
  "BYTES",
] as const;

/** One of `DATATYPES`. */
export type Datatype = (typeof DATATYPES)[number];

/**
 * Flat, row-major elements of a tensor. BOOL is a Uint8Array of 0 and 1, FP16 a Uint16Array of the raw bits (not every
 * platform has a Float16Array), BYTES are strings.
 */
export type TensorData =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array
  | readonly string[];
