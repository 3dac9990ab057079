/** Writes wires into a witness file one after the other. Small numbers go without BigInt. */
import { FIELD_BYTES, putField, toField } from "../wire/field.ts";

/** A cursor over the wires of a witness. */
export class WireWriter {
  private readonly view: DataView;
  private next = 0;

  constructor(view: DataView) {
    this.view = view;
  }

  /** Wires written so far. */
  get count(): number {
    return this.next;
  }

  /** The next wire, an integer of at most 53 bits. The file is zero where nothing is written. */
  small(value: number): void {
    const offset = this.next++ * FIELD_BYTES;
    if (value < 0) return putField(this.view, offset, toField(value));
    this.view.setUint32(offset, value, true);
    if (value > 0xffff_ffff) this.view.setUint32(offset + 4, value / 2 ** 32, true);
  }

  /** The next `count` wires: the bits of a non-negative integer of at most 53 bits, lowest first. */
  bits(value: number, count: number): void {
    let [low, high] = [value >>> 0, Math.floor(value / 2 ** 32)];
    for (let at = 0; at < count; at++) {
      if ((low & 1) === 1) this.view.setUint8(this.next * FIELD_BYTES, 1);
      this.next++;
      low = ((low >>> 1) | ((high & 1) << 31)) >>> 0;
      high >>>= 1;
    }
  }

  /** The next wires, as another writer left them. */
  copy(wires: Uint8Array): void {
    const { buffer, byteOffset } = this.view;
    new Uint8Array(buffer, byteOffset + this.next * FIELD_BYTES, wires.length).set(wires);
    this.next += wires.length / FIELD_BYTES;
  }

  /** The next wire, a field element. */
  field(value: bigint): void {
    putField(this.view, this.next++ * FIELD_BYTES, value);
  }
}
