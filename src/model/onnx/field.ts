/**
 * Protobuf messages by field number. The wire format is the library's; here are field readers, and bounds that hold before
 * anything is allocated.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { TrisealError } from "../../core/errors.ts";

/** A field's reader: consumes one value of `wire` type into the message. */
export type Field<Message> = readonly [wire: WireType, read: (message: Message, reader: BinaryReader, wire: WireType) => void];

/** Fields of one message by number. Fields that are not listed are skipped. */
export type Fields<Message> = Readonly<Record<number, Field<Message>>>;

/** Most nodes, initialisers, attributes and other repeated messages. */
const MAX_REPEATED = 65_536;

/** Most numbers in a list of an attribute or a tensor that is not raw: each takes a byte of the file at least. */
const MAX_NUMBERS = 2 ** 25;

/** Wire type of whole numbers. */
export const VARINT = WireType.Varint;
/** Wire type of texts, bytes, messages and packed lists. */
export const LENGTH = WireType.LengthDelimited;

/** @throws TrisealError `MODEL_INVALID`. */
export function malformed(reason: string): never {
  throw new TrisealError("MODEL_INVALID", `ONNX: ${reason}`);
}

/** Reads `bytes` into `message`. Fields without a reader are skipped. */
export function readMessage<Message>(bytes: Uint8Array, fields: Fields<Message>, message: Message): Message {
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

/** Adds to a list that may not grow without end. */
export function push<T>(list: T[], item: T, most = MAX_REPEATED): void {
  if (list.length >= most) malformed(`more than ${most} items in a list`);
  list.push(item);
}

/** A 64-bit integer as a number. @throws TrisealError `MODEL_INVALID` beyond 2^53. */
export function safe(value: bigint | string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) malformed("an integer is beyond 2^53");
  return number;
}

/** A string field of at most 4096 characters. */
export const text = <M>(set: (message: M, value: string) => void): Field<M> => [
  LENGTH,
  (message, reader) => {
    const value = reader.string(true);
    if (value.length > 4096) malformed("a name is longer than 4096 characters");
    set(message, value);
  },
];

/** A whole number. */
export const long = <M>(set: (message: M, value: number) => void): Field<M> => [
  VARINT,
  (message, reader, wire) => {
    if (wire !== VARINT) malformed("a number has another type than the format says");
    set(message, safe(reader.int64()));
  },
];

/** A message in a message. */
export const nested = <M, N>(fields: Fields<N>, empty: () => N, set: (message: M, value: N) => void): Field<M> => [
  LENGTH,
  (message, reader) => set(message, readMessage(reader.bytes(), fields, empty())),
];

/** A field of which only the presence counts. */
export const present = <M>(set: (message: M) => void): Field<M> => [
  LENGTH,
  (message, reader) => {
    reader.bytes();
    set(message);
  },
];

/** A repeated number: packed, or one value per tag. */
export function numbers<M>(wire: WireType, list: (message: M) => number[], read: (reader: BinaryReader) => number): Field<M> {
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
