/**
 * The file `leaves`: the log's commit point. Leaves are appended in batches, each behind a header with length and
 * checksum, so that a batch that a crash cut short is told from damage: only the last batch can be unfinished.
 */
import { concatBytes, equalBytes, uint32BE, utf8 } from "../../core/bytes.ts";
import { sha256Bytes } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import { encodeEntries, parseEntries } from "../tile.ts";
import type { AppendFile, DurableFiles, FileStep } from "./files.ts";

const MAGIC = utf8("TSL1");
const CHECKSUM_LENGTH = 8;
const HEADER_LENGTH = MAGIC.length + 4 + CHECKSUM_LENGTH;

function encodeBatch(leaves: readonly Uint8Array[]): Uint8Array {
  const payload = encodeEntries(leaves);
  return concatBytes(MAGIC, uint32BE(payload.length), sha256Bytes(payload).subarray(0, CHECKSUM_LENGTH), payload);
}

/** The payload of the batch that starts at `offset`, or null where none does. */
function batchAt(bytes: Uint8Array, offset: number): Uint8Array | null {
  if (offset + HEADER_LENGTH > bytes.length || !equalBytes(bytes.subarray(offset, offset + MAGIC.length), MAGIC)) return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset + offset + MAGIC.length).getUint32(0);
  const start = offset + HEADER_LENGTH;
  if (start + length > bytes.length) return null;
  const payload = bytes.subarray(start, start + length);
  const checksum = bytes.subarray(start - CHECKSUM_LENGTH, start);
  return equalBytes(sha256Bytes(payload).subarray(0, CHECKSUM_LENGTH), checksum) ? payload : null;
}

function hasBatchAfter(bytes: Uint8Array, offset: number): boolean {
  for (let next = offset + 1; next + HEADER_LENGTH <= bytes.length; next++) {
    if (bytes[next] === MAGIC[0] && batchAt(bytes, next) !== null) return true;
  }
  return false;
}

/** What the file holds. */
export interface StoredLeaves {
  readonly leaves: readonly Uint8Array[];
  /** Bytes of whole batches; anything beyond is an unfinished batch, which nobody was told about. */
  readonly wholeLength: number;
}

/**
 * Reads the content of the file.
 * @throws TrisealError `LOG_CORRUPT` where a damaged batch stands before a whole one.
 */
export function readLeaves(bytes: Uint8Array): StoredLeaves {
  const leaves: Uint8Array[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const payload = batchAt(bytes, offset);
    if (payload === null) {
      if (hasBatchAfter(bytes, offset)) throw new TrisealError("LOG_CORRUPT", `leaves: damaged at byte ${offset}`);
      break;
    }
    for (const leaf of parseEntries(payload)) leaves.push(leaf);
    offset += HEADER_LENGTH + payload.length;
  }
  return { leaves, wholeLength: offset };
}

/** The leaves of whole batches in a file. @throws TrisealError `LOG_CORRUPT`. */
export async function storedLeaves(files: DurableFiles, path: string): Promise<readonly Uint8Array[]> {
  return readLeaves((await files.read(path)) ?? new Uint8Array()).leaves;
}

/** The open file. A failed append leaves it as it was, or is undone before the next one. */
export class LeafFile {
  private readonly files: DurableFiles;
  private readonly file: AppendFile;
  private durableLength: number;
  /** Whether the file may hold more or less than its durable bytes. True at first: a crash leaves bytes that nobody synced. */
  private unsettled = true;

  private constructor(files: DurableFiles, file: AppendFile, durableLength: number) {
    this.files = files;
    this.file = file;
    this.durableLength = durableLength;
  }

  /** Opens or makes the file and returns the leaves of its whole batches. Changes no byte of it. @throws TrisealError `LOG_CORRUPT`. */
  static async open(files: DurableFiles, path: string): Promise<{ file: LeafFile; leaves: readonly Uint8Array[] }> {
    const { leaves, wholeLength } = readLeaves((await files.read(path)) ?? new Uint8Array());
    const file = await files.openAppend(path);
    try {
      await files.syncDirectory(path.slice(0, path.lastIndexOf("/")));
      return { file: new LeafFile(files, file, wholeLength), leaves };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Does what has to be durable `before` the batch, then appends that; returns when all of it is durable. */
  async append(leaves: readonly Uint8Array[], before: readonly FileStep[]): Promise<void> {
    await this.settle();
    const batch = encodeBatch(leaves);
    const { length } = batch;
    this.unsettled = true;
    await this.files.perform([...before, { do: "append", file: this.file, bytes: batch }]);
    this.durableLength += length;
    this.unsettled = false;
  }

  /** Cuts off what an append that failed or was cut short left behind, however much that was, and makes the rest durable. */
  async settle(): Promise<void> {
    if (!this.unsettled) return;
    await this.file.truncate(this.durableLength);
    await this.file.sync();
    this.unsettled = false;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
