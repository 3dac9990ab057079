/**
 * Elements of tensors as bytes, in the form of the OIP binary tensor data extension: row-major, little-endian, without
 * padding; BOOL is one byte 0 or 1, an element of BYTES is its length in four bytes and then its bytes.
 */
import { concatBytes, parseUtf8, utf8 } from "./bytes.ts";
import type { Datatype, TensorData } from "./datatype.ts";
import { isTrisealError, TrisealError } from "./errors.ts";

/** The array that holds the elements of each datatype; BYTES are strings. */
export const ELEMENT_ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const satisfies Record<Exclude<Datatype, "BYTES">, unknown>;

const LENGTH_BYTES = 4;

function invalid(name: string, reason: string): never {
  throw new TrisealError("REQUEST_TENSOR_INVALID", `tensor \`${name}\`: ${reason}`);
}

/** Typed arrays have the machine's byte order. Every platform that Node.js or a browser is built for today is little-endian. */
function assertLittleEndian(): void {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) throw new TrisealError("INTERNAL", "this machine is not little-endian");
}

function parseStrings(name: string, count: number, bytes: Uint8Array): readonly string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const strings: string[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const start = offset + LENGTH_BYTES;
    const end = start > bytes.length ? start : start + view.getUint32(offset, true);
    if (end > bytes.length || strings.length === count) invalid(name, "the binary data are not its elements with their lengths");
    strings.push(parseString(name, bytes.subarray(start, end)));
    offset = end;
  }
  if (strings.length !== count) invalid(name, `the shape needs ${count} elements, got ${strings.length}`);
  return strings;
}

function parseString(name: string, bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (error) {
    if (!isTrisealError(error)) throw error;
    return invalid(name, "an element of BYTES is not UTF-8");
  }
}

/**
 * The `count` elements that `bytes` hold, in memory of their own and aligned: nothing of `bytes` is referenced.
 * Allocates no more than the bytes that came, whatever `count` says. NaN and infinities pass.
 * @throws TrisealError `REQUEST_TENSOR_INVALID`: another number of bytes, a BOOL other than 0 and 1, BYTES that are not
 *   UTF-8 (no runtime here takes other strings).
 */
export function parseElements(name: string, datatype: Datatype, count: number, bytes: Uint8Array): TensorData {
  if (datatype === "BYTES") return parseStrings(name, count, bytes);
  assertLittleEndian();
  const ElementArray = ELEMENT_ARRAYS[datatype];
  const needed = count * ElementArray.BYTES_PER_ELEMENT;
  if (bytes.length !== needed) invalid(name, `the shape needs ${needed} bytes of ${datatype}, got ${bytes.length}`);
  // Copied, not viewed: the offset in the body need not be aligned, and a model thread takes the memory over.
  const copy = new Uint8Array(bytes);
  if (datatype === "BOOL" && !copy.every((byte) => byte <= 1)) invalid(name, "a BOOL is neither 0 nor 1");
  return new ElementArray(copy.buffer);
}

/** The bytes of a tensor's elements. For numbers a view of the tensor's own memory, not a copy. */
export function tensorBytes({ data }: { readonly data: TensorData }): Uint8Array {
  if (ArrayBuffer.isView(data)) {
    assertLittleEndian();
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  return concatBytes(
    ...data.flatMap((text) => {
      const bytes = utf8(text);
      const length = new Uint8Array(LENGTH_BYTES);
      new DataView(length.buffer).setUint32(0, bytes.length, true);
      return [length, bytes];
    }),
  );
}
