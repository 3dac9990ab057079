/** Small ONNX files for tests, written with the wire format of the library and the field numbers of onnx.proto3. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type AttributeValue, nodeMessage, tensorMessage } from "../../../src/model/onnx/message-writer.ts";

export interface DraftNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly domain?: string;
}

export interface Draft {
  readonly nodes: readonly DraftNode[];
  readonly constants?: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>>;
  /** Whole numbers, for shapes. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  readonly input?: { readonly name?: string; readonly shape: readonly (number | null)[]; readonly type?: number };
  readonly outputs?: readonly string[];
  readonly opsets?: readonly (readonly [domain: string, version: number])[];
  /** Further bytes of the graph, such as a hostile tensor. */
  readonly extra?: (graph: BinaryWriter) => void;
}

export function message(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}

export const part = (writer: BinaryWriter, field: number, bytes: Uint8Array) =>
  writer.tag(field, WireType.LengthDelimited).bytes(bytes);
export const text = (writer: BinaryWriter, field: number, value: string) =>
  writer.tag(field, WireType.LengthDelimited).string(value);
export const long = (writer: BinaryWriter, field: number, value: number | bigint) =>
  writer.tag(field, WireType.Varint).int64(value);

function value(name: string, type: number, shape: readonly (number | null)[] | null): Uint8Array {
  const axes = (shape ?? []).map((length) => message((axis) => (length === null ? text(axis, 2, "n") : long(axis, 1, length))));
  const tensor = message((writer) => {
    long(writer, 1, type);
    if (shape !== null)
      part(
        writer,
        2,
        message((lengths) => axes.forEach((axis) => part(lengths, 1, axis))),
      );
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

/** The bytes of an ONNX file; the output is that of the last node unless others are named. */
export function draftOnnx(draft: Draft): Uint8Array {
  const { name = "x", shape = [null, 2], type = 1 } = draft.input ?? {};
  const outputs = draft.outputs ?? [draft.nodes.at(-1)?.output ?? "x"];
  const graph = message((writer) => {
    for (const { attributes = {}, domain = "", ...node } of draft.nodes)
      part(writer, 1, nodeMessage({ ...node, attributes, domain }));
    text(writer, 2, "g");
    for (const [constant, { shape: lengths, data }] of Object.entries(draft.constants ?? {})) {
      part(writer, 5, tensorMessage(constant, "float", lengths, data));
    }
    for (const [constant, lengths] of Object.entries(draft.shapes ?? {})) {
      part(writer, 5, tensorMessage(constant, "int64", [lengths.length], lengths));
    }
    part(writer, 11, value(name, type, shape));
    for (const output of outputs)
      part(writer, 12, value(output, draft.nodes.some((node) => node.op === "ArgMax" && node.output === output) ? 7 : 1, null));
    draft.extra?.(writer);
  });
  return message((writer) => {
    long(writer, 1, 8);
    part(writer, 7, graph);
    for (const [domain, version] of draft.opsets ?? [["", 17] as const, ["ai.onnx.ml", 3] as const]) {
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
