/** NumPy's array files, format versions 1 to 3: numbers in C order. */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";

type Read = (view: DataView, at: number) => number;

const TYPES: Readonly<Record<string, readonly [bytes: number, read: Read]>> = {
  "<f4": [4, (view, at) => view.getFloat32(at, true)],
  "<f8": [8, (view, at) => view.getFloat64(at, true)],
  "|u1": [1, (view, at) => view.getUint8(at)],
  "|i1": [1, (view, at) => view.getInt8(at)],
  "<i2": [2, (view, at) => view.getInt16(at, true)],
  "<u2": [2, (view, at) => view.getUint16(at, true)],
  "<i4": [4, (view, at) => view.getInt32(at, true)],
  "<u4": [4, (view, at) => view.getUint32(at, true)],
  "<i8": [8, (view, at) => Number(view.getBigInt64(at, true))],
};

const HEADER = /^\{'descr': '([<|][a-z]\d)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \} *\n$/;

function malformed(reason: string): never {
  throw new TrisealError("FORMAT_INVALID", `data: ${reason}`);
}

function headerOf(bytes: Uint8Array): { readonly text: string; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  if (bytes.length < 12 || magic.some((byte, at) => bytes[at] !== byte)) malformed("no NumPy array file");
  const version = bytes[6] ?? 0;
  if (version < 1 || version > 3) malformed(`NumPy format version ${version} is not read`);
  const start = version === 1 ? 10 : 12;
  const end = start + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (end > bytes.length || end > 4096) malformed("the header is longer than the file, or too long");
  return { text: new TextDecoder("latin1").decode(bytes.subarray(start, end)), end };
}

/** Rows of an array file: the first axis is the sample, the others are flattened. @throws TrisealError `FORMAT_INVALID`. */
export function parseNpy(bytes: Uint8Array, maxSamples: number, maxLength: number): readonly (readonly number[])[] {
  const { text, end } = headerOf(bytes);
  const [, type = "", order, axes = ""] = HEADER.exec(text) ?? [];
  const form = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (form === undefined) return malformed("needs little-endian float32, float64 or integers");
  if (order !== "False") malformed("needs C order");
  const shape = axes
    .split(",")
    .filter((axis) => axis.trim() !== "")
    .map(Number);
  const [samples = 0, ...rest] = shape;
  const length = elementCount(rest);
  if (shape.length < 2 || samples > maxSamples || length < 1 || length > maxLength)
    malformed("needs two axes or more, samples first, none too long");
  const [size, read] = form;
  if (bytes.length - end !== samples * length * size) malformed("has not as many numbers as its shape says");
  const view = new DataView(bytes.buffer, bytes.byteOffset + end, bytes.length - end);
  return Array.from({ length: samples }, (_, sample) =>
    Array.from({ length }, (_item, at) => read(view, (sample * length + at) * size)),
  );
}
