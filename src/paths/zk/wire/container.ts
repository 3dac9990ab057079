/** The container of `.r1cs`, `.wtns`, `.zkey` and `.ptau` files: magic, version, and numbered sections with a length. */
import { TrisealError } from "../../../core/errors.ts";

const HEADER_BYTES = 12;
const SECTION_HEADER_BYTES = 12;
const MAX_SECTIONS = 64;

/** A view of all of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function refuse(reason: string): never {
  throw new TrisealError("FORMAT_INVALID", reason);
}

/** The sections of a parsed container. */
export class Sections {
  private readonly sections: ReadonlyMap<number, Uint8Array>;

  constructor(sections: ReadonlyMap<number, Uint8Array>) {
    this.sections = sections;
  }

  /**
   * A section's bytes, not copied; with `byteLength`, of exactly that length.
   * @throws TrisealError `FORMAT_INVALID` where it is missing or of another length.
   */
  get(id: number, byteLength?: number): DataView {
    const bytes = this.sections.get(id) ?? refuse(`section ${id} is missing`);
    if (byteLength !== undefined && bytes.length !== byteLength) refuse(`section ${id} has a wrong length`);
    return viewOf(bytes);
  }
}

/**
 * The sections of a container file. Every byte must belong to a section, and no section stands twice.
 * @param maxBytes largest file that is accepted.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseContainer(bytes: Uint8Array, magic: string, version: number, maxBytes: number): Sections {
  if (bytes.length > maxBytes) refuse(`a \`${magic}\` file of more than ${maxBytes} bytes`);
  if (bytes.length < HEADER_BYTES) refuse("the file is too short");
  const view = viewOf(bytes);
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== magic) refuse(`expected a \`${magic}\` file`);
  if (view.getUint32(4, true) !== version) refuse("unknown version of the file format");
  const count = view.getUint32(8, true);
  if (count > MAX_SECTIONS) refuse("too many sections");
  const sections = new Map<number, Uint8Array>();
  let offset = HEADER_BYTES;
  for (let index = 0; index < count; index++) {
    if (offset + SECTION_HEADER_BYTES > bytes.length) refuse("the file is truncated");
    const id = view.getUint32(offset, true);
    const length = Number(view.getBigUint64(offset + 4, true));
    offset += SECTION_HEADER_BYTES;
    if (length > bytes.length - offset) refuse("the file is truncated");
    if (sections.has(id)) refuse(`section ${id} stands twice`);
    sections.set(id, bytes.subarray(offset, offset + length));
    offset += length;
  }
  if (offset !== bytes.length) refuse("bytes after the last section");
  return new Sections(sections);
}

/**
 * A container file whose sections are still zero, and a view of each, in the given order, to write them in place: a large
 * file exists once in memory.
 */
export function createContainer(
  magic: string,
  version: number,
  sections: readonly { readonly id: number; readonly byteLength: number }[],
): { readonly bytes: Uint8Array; readonly views: readonly DataView[] } {
  const total = sections.reduce((sum, { byteLength }) => sum + SECTION_HEADER_BYTES + byteLength, HEADER_BYTES);
  const bytes = new Uint8Array(total);
  const view = viewOf(bytes);
  for (let index = 0; index < 4; index++) bytes[index] = magic.charCodeAt(index);
  view.setUint32(4, version, true);
  view.setUint32(8, sections.length, true);
  let offset = HEADER_BYTES;
  const views = sections.map(({ id, byteLength }) => {
    view.setUint32(offset, id, true);
    view.setBigUint64(offset + 4, BigInt(byteLength), true);
    offset += SECTION_HEADER_BYTES + byteLength;
    return new DataView(bytes.buffer, offset - byteLength, byteLength);
  });
  return { bytes, views };
}
