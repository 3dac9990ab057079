/**
 * ONNX's protobuf messages, as far as they are read: field numbers of onnx.proto3. The wire format is the library's; what is
 * here are the messages, and bounds that hold before anything is allocated.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { TrisealError } from "../../core/errors.ts";

/** A field's reader: consumes one value of `wire` type into the message. */
type Field<Message> = readonly [wire: WireType, read: (message: Message, reader: BinaryReader, wire: WireType) => void];

/** Fields of one message by number. Fields that are not listed are skipped. */
type Fields<Message> = Readonly<Record<number, Field<Message>>>;

/** A tensor as the file holds it. */
export interface RawTensorProto {
  dims: number[];
  dataType: number;
  name: string;
  external: boolean;
  raw: Uint8Array | null;
  floats: number[];
  ints: number[];
  longs: number[];
  doubles: number[];
}

/** An attribute of a node. */
export interface AttributeProto {
  name: string;
  f: number;
  i: number;
  s: string;
  t: RawTensorProto | null;
  floats: number[];
  ints: number[];
  strings: string[];
  /** Holds a subgraph or another kind that no supported operation has. */
  foreign: boolean;
}

/** An operation of the graph. */
export interface NodeProto {
  inputs: string[];
  outputs: string[];
  name: string;
  opType: string;
  domain: string;
  attributes: AttributeProto[];
}

/** A declared input or output. */
export interface ValueProto {
  name: string;
  elementType: number;
  /** Null for a length that is named or not stated. */
  dims: (number | null)[] | null;
}

/** The graph. */
export interface GraphProto {
  nodes: NodeProto[];
  initializers: RawTensorProto[];
  inputs: ValueProto[];
  outputs: ValueProto[];
  sparse: boolean;
}

/** The model. */
export interface ModelProto {
  irVersion: number;
  opsets: { domain: string; version: number }[];
  graph: GraphProto | null;
  functions: boolean;
}

/** Most nodes, initialisers, attributes and other repeated messages. */
const MAX_REPEATED = 65_536;

/** Most numbers in a list of an attribute or a tensor that is not raw: each takes a byte of the file at least. */
const MAX_NUMBERS = 2 ** 25;

const VARINT = WireType.Varint;
const LENGTH = WireType.LengthDelimited;

function malformed(reason: string): never {
  throw new TrisealError("MODEL_INVALID", `ONNX: ${reason}`);
}

function readMessage<Message>(bytes: Uint8Array, fields: Fields<Message>, message: Message): Message {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = fields[number];
    if (field === undefined) {
      reader.skip(wire, number, 8);
      continue;
    }
    if (wire !== field[0] && wire !== LENGTH) malformed(`field ${number} has another type than the format says`);
    field[1](message, reader, wire);
  }
  return message;
}

function push<T>(list: T[], item: T, most = MAX_REPEATED): void {
  if (list.length >= most) malformed(`more than ${most} items in a list`);
  list.push(item);
}

function safe(value: bigint | string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) malformed("an integer is beyond 2^53");
  return number;
}

const text = <M>(set: (message: M, value: string) => void): Field<M> => [
  LENGTH,
  (message, reader) => {
    const value = reader.string(true);
    if (value.length > 4096) malformed("a name is longer than 4096 characters");
    set(message, value);
  },
];

const long = <M>(set: (message: M, value: number) => void): Field<M> => [
  VARINT,
  (message, reader, wire) => {
    if (wire !== VARINT) malformed("a number has another type than the format says");
    set(message, safe(reader.int64()));
  },
];

const nested = <M, N>(fields: Fields<N>, empty: () => N, set: (message: M, value: N) => void): Field<M> => [
  LENGTH,
  (message, reader) => set(message, readMessage(reader.bytes(), fields, empty())),
];

const present = <M>(set: (message: M) => void): Field<M> => [
  LENGTH,
  (message, reader) => {
    reader.bytes();
    set(message);
  },
];

/** A repeated number: packed, or one value per tag. */
function numbers<M>(wire: WireType, list: (message: M) => number[], read: (reader: BinaryReader) => number): Field<M> {
  return [
    wire,
    (message, reader, got) => {
      if (got === wire) {
        push(list(message), read(reader), MAX_NUMBERS);
        return;
      }
      const packed = new BinaryReader(reader.bytes());
      while (packed.pos < packed.len) push(list(message), read(packed), MAX_NUMBERS);
    },
  ];
}

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
