/** Files of the data folder: written as a whole or appended in chunks, synced before they are acknowledged, and read in parts. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ByteStream } from "../../path.ts";
import { fheError } from "../wire/codes.ts";

/** Writes a file durably: it is there as a whole, or not at all. */
export async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(`${file}.tmp`, "w", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.tmp`, file);
  await syncFolder(join(file, ".."));
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The bytes of a file, or null where there is none. */
export async function readOrNull(file: string): Promise<Uint8Array | null> {
  try {
    return new Uint8Array(await readFile(file));
  } catch {
    return null;
  }
}

/** Bytes of a part that is read at once. */
const PART_BYTES = 64 * 1024;

/** The bytes of a file, read while they are sent; null where there is none. */
export async function fileBytes(file: string): Promise<ByteStream | null> {
  const byteLength = await lengthOf(file);
  return byteLength === 0 ? null : { byteLength, open: () => streamFile(file, byteLength) };
}

/** Opened with the first part; closed with the last, and where the reader cancels. */
function streamFile(file: string, length: number): ReadableStream<Uint8Array> {
  let handle: FileHandle | null = null;
  let sent = 0;
  const end = async () => {
    await handle?.close();
    handle = null;
  };
  const part = async () => {
    handle ??= await open(file, "r");
    const { bytesRead, buffer } = await handle.read(new Uint8Array(Math.min(PART_BYTES, length - sent)), 0);
    // Whoever reads was told the length: the end of a shorter file is none.
    if (bytesRead === 0) throw new Error("a file is shorter than it was");
    sent += bytesRead;
    return buffer.subarray(0, bytesRead);
  };
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    try {
      controller.enqueue(await part());
      if (sent < length) return;
      await end();
      controller.close();
    } catch (error) {
      await end();
      throw error;
    }
  };
  return new ReadableStream({ pull, cancel: end }, { highWaterMark: 0 });
}

/** Names in a folder; none where there is no folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => []);
}

/** Length of a file; 0 where there is none. */
export async function lengthOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0;
}

/** Appends a chunk at `offset`; resolves when it is durable. @throws TrisealError `FHE_UPLOAD_OFFSET` where the file does not end there. */
export async function appendChunk(file: string, offset: number, chunk: Uint8Array): Promise<number> {
  const length = await lengthOf(file);
  if (length !== offset) throw fheError("FHE_UPLOAD_OFFSET", `the upload goes on at ${length}`, { details: { offset: length } });
  const handle = await open(file, "a", 0o600);
  try {
    await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return length + chunk.length;
}

/** SHA-256 of a file, 64 hexadecimal digits. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

/** Makes a folder that only this user may enter. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** Removes a folder with all that is in it. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

/** When a folder or a file was last changed, in milliseconds; 0 where there is none. */
export async function changedAt(place: string): Promise<number> {
  return (await stat(place).catch(() => null))?.mtimeMs ?? 0;
}
