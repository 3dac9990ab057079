/** Sections of `.zkey` and `.wtns` files. */

/** A file that cannot be used; `code` is one of the prover protocol. */
export class Failure extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const HEADER_BYTES = 12;

/** The sections of a container by number, as views of its bytes. */
export function sectionsOf(file: Uint8Array, code: string): ReadonlyMap<number, Uint8Array> {
  const sections = new Map<number, Uint8Array>();
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let offset = HEADER_BYTES;
  while (offset + 12 <= file.length) {
    const length = Number(view.getBigUint64(offset + 4, true));
    if (length > file.length - offset - 12) break;
    sections.set(view.getUint32(offset, true), file.subarray(offset + 12, offset + 12 + length));
    offset += 12 + length;
  }
  if (offset !== file.length) throw new Failure(code, "the file is truncated");
  return sections;
}

/** A section that must be there and have `length` bytes. */
export function sectionOf(sections: ReadonlyMap<number, Uint8Array>, id: number, length: number, code: string): Uint8Array {
  const section = sections.get(id);
  if (section?.length !== length) throw new Failure(code, `section ${id} is missing or has a wrong length`);
  return section;
}

/** A little-endian number of 32 bits. */
export function uint32At(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true);
}
