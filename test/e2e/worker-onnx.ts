/** Small ONNX models for the worker's tests, written as protobuf by hand (onnx.proto, opset 17). */

type Part = readonly number[];

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return [...bytes, rest];
}

const integer = (field: number, value: number): Part => [...varint(field * 8), ...varint(value)];
const bytes = (field: number, content: Part): Part => [...varint(field * 8 + 2), ...varint(content.length), ...content];
const text = (field: number, content: string): Part => bytes(field, [...Buffer.from(content)]);

const ELEMENT = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
} as const;

/** A datatype of the Open Inference Protocol that ONNX has. */
export type OnnxType = keyof typeof ELEMENT;

interface Value {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
}

function valueInfo(value: Value): Part {
  const dims = value.shape.flatMap((length) => bytes(1, length === -1 ? text(2, "n") : integer(1, length)));
  const tensorType = [...integer(1, ELEMENT[value.type]), ...bytes(2, dims)];
  return [...text(1, value.name), ...bytes(2, bytes(1, tensorType))];
}

function node(op: string, inputs: readonly string[], outputs: readonly string[], attributes: readonly Part[] = []): Part {
  const names = [...inputs.flatMap((name) => text(1, name)), ...outputs.flatMap((name) => text(2, name))];
  return bytes(1, [...names, ...text(4, op), ...attributes.flatMap((attribute) => bytes(5, attribute))]);
}

function graph(
  nodes: readonly Part[],
  inputs: readonly Value[],
  outputs: readonly Value[],
  initializers: readonly Part[] = [],
): Part {
  return [
    ...nodes.flat(),
    ...text(2, "graph"),
    ...initializers.flatMap((tensor) => bytes(5, tensor)),
    ...inputs.flatMap((value) => bytes(11, valueInfo(value))),
    ...outputs.flatMap((value) => bytes(12, valueInfo(value))),
  ];
}

function initializer(name: string, type: OnnxType, dims: readonly number[], raw: ArrayBufferView): Part {
  const content = new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
  return [
    ...dims.flatMap((length) => integer(1, length)),
    ...integer(2, ELEMENT[type]),
    ...text(8, name),
    ...bytes(9, [...content]),
  ];
}

function model(body: Part): Uint8Array {
  return Uint8Array.from([...integer(1, 8), ...bytes(7, body), ...bytes(8, [...text(1, ""), ...integer(2, 17)])]);
}

/** Returns each input `in_<type>` as `out_<type>`, for every datatype. */
export function echoModel(types: readonly OnnxType[]): Uint8Array {
  const values = (prefix: string) => types.map((type): Value => ({ name: `${prefix}_${type.toLowerCase()}`, type, shape: [-1] }));
  const nodes = types.map((type) => node("Identity", [`in_${type.toLowerCase()}`], [`out_${type.toLowerCase()}`]));
  return model(graph(nodes, values("in"), values("out")));
}

/** Multiplies a zero matrix with itself `rounds` times: as slow as it is asked to be. The output is the scalar 0. */
export function slowModel(): Uint8Array {
  const matrix = (name: string): Value => ({ name, type: "FP32", shape: [512, 512] });
  const body = graph(
    [node("Identity", ["go"], ["go_on"]), node("MatMul", ["before", "before"], ["after"])],
    [{ name: "round", type: "INT64", shape: [] }, { name: "go", type: "BOOL", shape: [] }, matrix("before")],
    [{ name: "go_on", type: "BOOL", shape: [] }, matrix("after")],
  );
  const nodes = [
    node("ConstantOfShape", ["size"], ["zero"]),
    node("Loop", ["rounds", "", "zero"], ["product"], [[...text(1, "body"), ...bytes(6, body), ...integer(20, 5)]]),
    node("ReduceMax", ["product"], ["largest"], [[...text(1, "keepdims"), ...integer(3, 0), ...integer(20, 2)]]),
  ];
  const size = initializer("size", "INT64", [2], BigInt64Array.of(512n, 512n));
  return model(
    graph(nodes, [{ name: "rounds", type: "INT64", shape: [1] }], [{ name: "largest", type: "FP32", shape: [] }], [size]),
  );
}

/** Picks from a table of three by index; another index fails inside the runtime, whose message quotes it. */
export function pickModel(): Uint8Array {
  const table = initializer("table", "FP32", [3], Float32Array.of(10, 20, 30));
  const nodes = [node("Gather", ["table", "index"], ["picked"])];
  return model(
    graph(nodes, [{ name: "index", type: "INT64", shape: [1] }], [{ name: "picked", type: "FP32", shape: [1] }], [table]),
  );
}

/** The square root: NaN for a negative number. */
export function rootModel(): Uint8Array {
  const value = (name: string): Value => ({ name, type: "FP32", shape: [-1] });
  return model(graph([node("Sqrt", ["x"], ["root"])], [value("x")], [value("root")]));
}
