/** Messages of an ONNX file, as far as they are read. */

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
  type: number;
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
