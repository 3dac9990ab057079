/** Constant tensors and attributes of an ONNX file, checked. */
import { TrisealError } from "../../core/errors.ts";
import { elementCount } from "../../core/tensor.ts";
import type { AttributeProto, NodeProto, RawTensorProto } from "./messages.ts";

/** Most elements of a constant. */
const MAX_ELEMENTS = 2 ** 24;

/** Longest axis. */
const MAX_LENGTH = 2 ** 24;

/** A constant: finite numbers, row-major. */
export interface Constant {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

function invalid(reason: string): never {
  throw new TrisealError("MODEL_INVALID", `ONNX: ${reason}`);
}

/** A name as it is shown in messages: short, one line. */
export function shown(name: string): string {
  return `\`${name.replace(/[^\x20-\x7e]/g, "?").slice(0, 64)}\``;
}

/** Element types: bytes per element and reader, by ONNX's number; and where elements stand that are not raw. */
const ELEMENTS: Readonly<
  Record<
    number,
    readonly [bytes: number, read: (view: DataView, at: number) => number, list: "floats" | "ints" | "longs" | "doubles"]
  >
> = {
  1: [4, (view, at) => view.getFloat32(at, true), "floats"],
  2: [1, (view, at) => view.getUint8(at), "ints"],
  3: [1, (view, at) => view.getInt8(at), "ints"],
  6: [4, (view, at) => view.getInt32(at, true), "ints"],
  7: [8, (view, at) => Number(view.getBigInt64(at, true)), "longs"],
  11: [8, (view, at) => view.getFloat64(at, true), "doubles"],
};

/**
 * The constant that `proto` holds.
 * @throws TrisealError `MODEL_INVALID`: data outside the file, a type that is not read, lengths that do not fit or are huge,
 *   NaN or infinity. Nothing is allocated before the lengths are known to fit what is there.
 */
export function parseConstant(proto: RawTensorProto): Constant {
  const place = `tensor ${shown(proto.name)}`;
  if (proto.external) invalid(`${place} keeps its data in another file, which is never opened: export with the data inside`);
  const element = ELEMENTS[proto.dataType];
  if (element === undefined) return invalid(`${place} has element type ${proto.dataType}, which is not read`);
  if (proto.dims.length > 8 || proto.dims.some((length) => length < 0 || length > MAX_LENGTH)) {
    invalid(`${place} has an axis that is negative or too long, or too many axes`);
  }
  const count = elementCount(proto.dims);
  if (count > MAX_ELEMENTS) invalid(`${place} has more than ${MAX_ELEMENTS} elements`);
  const [bytes, read, list] = element;
  const { raw } = proto;
  const have = raw === null ? proto[list].length : raw.length / bytes;
  if (have !== count) invalid(`${place} has ${have} elements where its shape needs ${count}`);
  const view = raw === null ? null : new DataView(raw.buffer, raw.byteOffset, raw.length);
  const data = Float64Array.from({ length: count }, (_, at) => (view === null ? (proto[list][at] ?? 0) : read(view, at * bytes)));
  if (!data.every(Number.isFinite)) invalid(`${place} holds NaN or infinity`);
  if (element === ELEMENTS[7] && !data.every(Number.isSafeInteger)) invalid(`${place} holds an integer beyond 2^53`);
  return { shape: [...proto.dims], data };
}

/** What a message about a node says of it: operation and name, or its first output where it has no name. */
export function nodePlace(node: NodeProto): string {
  return `${shown(node.opType)} node ${shown(node.name === "" ? (node.outputs[0] ?? "") : node.name)}`;
}

/** @throws TrisealError `MODEL_UNSUPPORTED`, with operation, node name and what to do. */
export function unsupported(node: NodeProto, reason: string): never {
  throw new TrisealError("MODEL_UNSUPPORTED", `${nodePlace(node)}: ${reason}`, {
    details: { op: node.opType.slice(0, 64), node: node.name.slice(0, 64) },
  });
}

const KIND = { f: 1, i: 2, s: 3, t: 4, floats: 6, ints: 7, strings: 8 } as const;

/** The attributes of a node. What is not asked for is refused in the end: an attribute that nobody read could mean anything. */
export class Attributes {
  private readonly node: NodeProto;
  private readonly unread: Map<string, AttributeProto>;

  constructor(node: NodeProto) {
    this.node = node;
    this.unread = new Map(node.attributes.map((attribute) => [attribute.name, attribute]));
    if (this.unread.size !== node.attributes.length) invalid(`${nodePlace(node)}: an attribute stands twice`);
  }

  int(name: string, absent: number): number {
    return this.take(name, "i")?.i ?? absent;
  }

  float(name: string, absent: number): number {
    const value = this.take(name, "f")?.f ?? absent;
    return Number.isFinite(value) ? value : unsupported(this.node, `attribute ${shown(name)} is not finite`);
  }

  text(name: string, absent: string): string {
    return this.take(name, "s")?.s ?? absent;
  }

  ints(name: string): readonly number[] | null {
    return this.take(name, "ints")?.ints ?? null;
  }

  floats(name: string): readonly number[] {
    const values = this.take(name, "floats")?.floats ?? [];
    return values.every(Number.isFinite) ? values : unsupported(this.node, `attribute ${shown(name)} holds NaN or infinity`);
  }

  texts(name: string): readonly string[] {
    return this.take(name, "strings")?.strings ?? [];
  }

  tensor(name: string): Constant | null {
    const proto = this.take(name, "t")?.t ?? null;
    return proto === null ? null : parseConstant(proto);
  }

  /** Reads attributes away that change nothing here. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.unread.delete(name);
  }

  /** @throws TrisealError `MODEL_UNSUPPORTED` where an attribute was not read. */
  end(): void {
    for (const name of this.unread.keys()) unsupported(this.node, `attribute ${shown(name)} is not supported`);
  }

  private take(name: string, kind: keyof typeof KIND): AttributeProto | undefined {
    const attribute = this.unread.get(name);
    this.unread.delete(name);
    if (attribute === undefined) return undefined;
    const isKind = !attribute.foreign && (attribute.type === 0 || attribute.type === KIND[kind]);
    return isKind ? attribute : unsupported(this.node, `attribute ${shown(name)} is of another kind`);
  }
}
