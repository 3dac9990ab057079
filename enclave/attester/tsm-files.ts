/** The few file operations that configfs-tsm needs, so that tests stand in for the kernel. */
import { constants } from "node:fs";
import { mkdir, open, rmdir } from "node:fs/promises";
import { concatBytes } from "../../src/core/bytes.ts";
import { attesterError } from "./attester-error.ts";

/** Files of a report request. Errors are those of the system, with their `code`. */
export interface TsmFiles {
  makeFolder(path: string): Promise<void>;
  /** Opens, writes all of `bytes` with one call, closes: how many bytes the kernel took. */
  write(path: string, bytes: Uint8Array): Promise<number>;
  /** All of a file. @throws TrisealError `ATTESTER_TOO_LARGE` beyond `maxBytes`. */
  read(path: string, maxBytes: number): Promise<Uint8Array>;
  removeFolder(path: string): Promise<void>;
}

const CHUNK_BYTES = 4096;

/** Reads to the end, whatever each call gives: the sizes that configfs states for its files are no sizes. */
async function readAll(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const parts: Uint8Array[] = [];
    for (let length = 0; ; ) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(CHUNK_BYTES), 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return concatBytes(...parts);
      length += bytesRead;
      if (length > maxBytes) throw attesterError("ATTESTER_TOO_LARGE", `the platform answered more than ${maxBytes} bytes`);
      parts.push(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

async function writeOnce(path: string, bytes: Uint8Array): Promise<number> {
  // Written only, neither truncated nor created: an attribute is there, or the kernel does not know it.
  const file = await open(path, constants.O_WRONLY);
  try {
    return (await file.write(bytes, 0, bytes.length, null)).bytesWritten;
  } finally {
    await file.close();
  }
}

/** The system's files. */
export const systemFiles: TsmFiles = {
  makeFolder: async (path) => {
    await mkdir(path, { mode: 0o700 });
  },
  write: writeOnce,
  read: readAll,
  removeFolder: rmdir,
};
