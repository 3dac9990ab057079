import { malformed } from "./evidence-error.ts";

/** Takes numbers and byte strings off one byte string, in order. What is not there is refused with `EVIDENCE_MALFORMED`. */
export class ByteCursor {
  private offset = 0;
  private readonly bytes: Uint8Array;
  private readonly isLittleEndian: boolean;

  constructor(bytes: Uint8Array, order: "little-endian" | "big-endian") {
    this.bytes = bytes;
    this.isLittleEndian = order === "little-endian";
  }

  /** The next `length` bytes, as a view. */
  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.offset) malformed("truncated");
    this.offset += length;
    return this.bytes.subarray(this.offset - length, this.offset);
  }

  uint8(): number {
    return this.take(1)[0] ?? 0;
  }

  uint16(): number {
    return this.view(2).getUint16(0, this.isLittleEndian);
  }

  uint32(): number {
    return this.view(4).getUint32(0, this.isLittleEndian);
  }

  uint64(): bigint {
    return this.view(8).getBigUint64(0, this.isLittleEndian);
  }

  /** What was not taken yet. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.offset);
  }

  /** Refuses what was not taken. */
  end(what: string): void {
    if (this.offset !== this.bytes.length) malformed(`bytes after the ${what}`);
  }

  private view(length: number): DataView {
    const { buffer, byteOffset } = this.take(length);
    return new DataView(buffer, byteOffset, length);
  }
}
