/** Writes the ONNX messages that an emitted graph needs. Field numbers of onnx.proto3; the wire format is the library's. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** ONNX numbers of the element types that emitted graphs use. */
export const ELEMENT = { float: 1, int32: 6, int64: 7, double: 11 } as const;

/** An element type of emitted graphs. */
export type ElementName = keyof typeof ELEMENT;

/** An attribute: numbers are whole, except those under `floats`. */
export type AttributeValue = number | string | readonly number[] | readonly string[] | { readonly floats: readonly number[] };

function message(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}

const text = (writer: BinaryWriter, field: number, value: string) => writer.tag(field, WireType.LengthDelimited).string(value);
const part = (writer: BinaryWriter, field: number, value: Uint8Array) => writer.tag(field, WireType.LengthDelimited).bytes(value);
const long = (writer: BinaryWriter, field: number, value: number) => writer.tag(field, WireType.Varint).int64(value);

/** `TensorProto` of `data` in `shape`, little-endian. */
export function tensorMessage(name: string, type: ElementName, shape: readonly number[], data: ArrayLike<number>): Uint8Array {
  const size = type === "float" || type === "int32" ? 4 : 8;
  const raw = new DataView(new ArrayBuffer(data.length * size));
  for (let at = 0; at < data.length; at++) {
    const item = data[at] ?? 0;
    if (type === "float") raw.setFloat32(at * size, item, true);
    else if (type === "int32") raw.setInt32(at * size, item, true);
    else if (type === "int64") raw.setBigInt64(at * size, BigInt(item), true);
    else raw.setFloat64(at * size, item, true);
  }
  return message((writer) => {
    for (const length of shape) long(writer, 1, length);
    long(writer, 2, ELEMENT[type]);
    text(writer, 8, name);
    part(writer, 9, new Uint8Array(raw.buffer));
  });
}

/** ONNX numbers of the kinds of attributes. */
const KIND = { int: 2, string: 3, floats: 6, ints: 7, strings: 8 } as const;

function writeValue(writer: BinaryWriter, value: AttributeValue): keyof typeof KIND {
  if (typeof value === "string") {
    text(writer, 4, value);
    return "string";
  }
  if (typeof value === "number") {
    long(writer, 3, value);
    return "int";
  }
  if ("floats" in value) {
    for (const item of value.floats) writer.tag(7, WireType.Bit32).float(item);
    return "floats";
  }
  for (const item of value) {
    if (typeof item === "number") long(writer, 8, item);
    else text(writer, 9, item);
  }
  return typeof value[0] === "string" ? "strings" : "ints";
}

function attributeMessage(name: string, value: AttributeValue): Uint8Array {
  return message((writer) => {
    text(writer, 1, name);
    long(writer, 20, KIND[writeValue(writer, value)]);
  });
}

/** A node to be written. */
export interface NodeForm {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly domain: string;
}

/** `NodeProto`. */
export function nodeMessage({ op, inputs, output, attributes, domain }: NodeForm): Uint8Array {
  return message((writer) => {
    for (const input of inputs) text(writer, 1, input);
    text(writer, 2, output);
    text(writer, 3, output);
    text(writer, 4, op);
    for (const [name, value] of Object.entries(attributes)) part(writer, 5, attributeMessage(name, value));
    if (domain !== "") text(writer, 7, domain);
  });
}

function valueMessage(name: string, type: ElementName, shape: readonly number[]): Uint8Array {
  const lengths = message((writer) => {
    // The batch axis has a name and no length.
    part(
      writer,
      1,
      message((axis) => text(axis, 2, "N")),
    );
    for (const length of shape)
      part(
        writer,
        1,
        message((axis) => long(axis, 1, length)),
      );
  });
  const tensor = message((writer) => {
    long(writer, 1, ELEMENT[type]);
    part(writer, 2, lengths);
  });
  return message((writer) => {
    text(writer, 1, name);
    part(
      writer,
      2,
      message((kind) => part(kind, 1, tensor)),
    );
  });
}

/** What a graph consists of; input and output are int32 with a free batch axis before `shape`. */
export interface GraphForm {
  readonly nodes: readonly NodeForm[];
  readonly constants: readonly Uint8Array[];
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  readonly output: { readonly name: string; readonly shape: readonly number[] };
}

/** `ModelProto`: IR version 8, opset 17, ai.onnx.ml 3. */
export function modelMessage({ nodes, constants, input, output }: GraphForm): Uint8Array {
  const graph = message((writer) => {
    for (const node of nodes) part(writer, 1, nodeMessage(node));
    text(writer, 2, "integer");
    for (const constant of constants) part(writer, 5, constant);
    part(writer, 11, valueMessage(input.name, "int32", input.shape));
    part(writer, 12, valueMessage(output.name, "int32", output.shape));
  });
  return message((writer) => {
    long(writer, 1, 8);
    text(writer, 2, "triseal");
    part(writer, 7, graph);
    for (const [domain, version] of [["", 17] as const, ["ai.onnx.ml", 3] as const]) {
      part(
        writer,
        8,
        message((opset) => {
          text(opset, 1, domain);
          long(opset, 2, version);
        }),
      );
    }
  });
}
