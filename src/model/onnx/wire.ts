/** Field numbers of onnx.proto3, and the reader of a whole file. */
import { WireType } from "@bufbuild/protobuf/wire";
import { TrisealError } from "../../core/errors.ts";
import {
  type Fields,
  LENGTH,
  long,
  malformed,
  nested,
  numbers,
  present,
  push,
  readMessage,
  safe,
  text,
  VARINT,
} from "./field.ts";
import type { AttributeProto, GraphProto, ModelProto, NodeProto, RawTensorProto, ValueProto } from "./messages.ts";

const emptyTensor = (): RawTensorProto => ({
  dims: [],
  dataType: 0,
  name: "",
  external: false,
  raw: null,
  floats: [],
  ints: [],
  longs: [],
  doubles: [],
});

const TENSOR: Fields<RawTensorProto> = {
  1: numbers(
    VARINT,
    (m) => m.dims,
    (reader) => safe(reader.int64()),
  ),
  2: long((m, value) => {
    m.dataType = value;
  }),
  4: numbers(
    WireType.Bit32,
    (m) => m.floats,
    (reader) => reader.float(),
  ),
  5: numbers(
    VARINT,
    (m) => m.ints,
    (reader) => reader.int32(),
  ),
  7: numbers(
    VARINT,
    (m) => m.longs,
    (reader) => safe(reader.int64()),
  ),
  8: text((m, value) => {
    m.name = value;
  }),
  9: [
    LENGTH,
    (m, reader) => {
      m.raw = reader.bytes();
    },
  ],
  10: numbers(
    WireType.Bit64,
    (m) => m.doubles,
    (reader) => reader.double(),
  ),
  13: present((m) => {
    m.external = true;
  }),
  14: long((m, value) => {
    if (value !== 0) m.external = true;
  }),
};

const emptyAttribute = (): AttributeProto => ({
  name: "",
  type: 0,
  f: 0,
  i: 0,
  s: "",
  t: null,
  floats: [],
  ints: [],
  strings: [],
  foreign: false,
});

const foreign = present<AttributeProto>((m) => {
  m.foreign = true;
});

const ATTRIBUTE: Fields<AttributeProto> = {
  1: text((m, value) => {
    m.name = value;
  }),
  2: [
    WireType.Bit32,
    (m, reader, wire) => {
      if (wire !== WireType.Bit32) malformed("a number has another type than the format says");
      m.f = reader.float();
    },
  ],
  3: long((m, value) => {
    m.i = value;
  }),
  4: text((m, value) => {
    m.s = value;
  }),
  5: nested(TENSOR, emptyTensor, (m, value) => {
    m.t = value;
  }),
  6: foreign,
  7: numbers(
    WireType.Bit32,
    (m) => m.floats,
    (reader) => reader.float(),
  ),
  8: numbers(
    VARINT,
    (m) => m.ints,
    (reader) => safe(reader.int64()),
  ),
  9: text((m, value) => push(m.strings, value)),
  10: foreign,
  11: foreign,
  20: long((m, value) => {
    m.type = value;
  }),
  21: text((m) => {
    m.foreign = true;
  }),
  22: foreign,
  23: foreign,
};

const NODE: Fields<NodeProto> = {
  1: text((m, value) => push(m.inputs, value)),
  2: text((m, value) => push(m.outputs, value)),
  3: text((m, value) => {
    m.name = value;
  }),
  4: text((m, value) => {
    m.opType = value;
  }),
  5: nested(ATTRIBUTE, emptyAttribute, (m, value) => push(m.attributes, value)),
  7: text((m, value) => {
    m.domain = value;
  }),
};

const DIMENSION: Fields<{ length: number | null }> = {
  1: long((m, value) => {
    m.length = value;
  }),
};

const SHAPE: Fields<{ dims: (number | null)[] }> = {
  1: nested(
    DIMENSION,
    () => ({ length: null }),
    (m, value) => push(m.dims, value.length, 64),
  ),
};

const TENSOR_TYPE: Fields<ValueProto> = {
  1: long((m, value) => {
    m.elementType = value;
  }),
  2: nested(
    SHAPE,
    () => ({ dims: [] }),
    (m, value) => {
      m.dims = value.dims;
    },
  ),
};

const VALUE: Fields<ValueProto> = {
  1: text((m, value) => {
    m.name = value;
  }),
  2: [
    LENGTH,
    (m, reader) => {
      // TypeProto: a tensor type, or another kind that leaves the element type 0.
      readMessage(reader.bytes(), { 1: [LENGTH, (value, inner) => readMessage(inner.bytes(), TENSOR_TYPE, value)] }, m);
    },
  ],
};

const emptyValue = (): ValueProto => ({ name: "", elementType: 0, dims: null });

const GRAPH: Fields<GraphProto> = {
  1: nested(
    NODE,
    (): NodeProto => ({ inputs: [], outputs: [], name: "", opType: "", domain: "", attributes: [] }),
    (m, value) => push(m.nodes, value),
  ),
  5: nested(TENSOR, emptyTensor, (m, value) => push(m.initializers, value)),
  11: nested(VALUE, emptyValue, (m, value) => push(m.inputs, value)),
  12: nested(VALUE, emptyValue, (m, value) => push(m.outputs, value)),
  15: present((m) => {
    m.sparse = true;
  }),
};

const OPSET: Fields<{ domain: string; version: number }> = {
  1: text((m, value) => {
    m.domain = value;
  }),
  2: long((m, value) => {
    m.version = value;
  }),
};

const MODEL: Fields<ModelProto> = {
  1: long((m, value) => {
    m.irVersion = value;
  }),
  7: nested(
    GRAPH,
    (): GraphProto => ({ nodes: [], initializers: [], inputs: [], outputs: [], sparse: false }),
    (m, value) => {
      if (m.graph !== null) malformed("two graphs");
      m.graph = value;
    },
  ),
  8: nested(
    OPSET,
    () => ({ domain: "", version: 0 }),
    (m, value) => push(m.opsets, value),
  ),
  25: present((m) => {
    m.functions = true;
  }),
};

/**
 * The messages of an ONNX file, unchecked beyond the wire format.
 * @throws TrisealError `MODEL_INVALID` for bytes that are no protobuf of this form.
 */
export function parseModelProto(bytes: Uint8Array): ModelProto {
  try {
    return readMessage(bytes, MODEL, { irVersion: 0, opsets: [], graph: null, functions: false });
  } catch (cause) {
    if (cause instanceof TrisealError) throw cause;
    throw new TrisealError("MODEL_INVALID", "ONNX: not a protobuf message of this format", { cause });
  }
}
