/**
 * The one interface through which log and blobs reach a disk. Nothing is durable before it was synced: the bytes of a
 * file by `sync`, its name by `syncDirectory` of the folder it was made or renamed in.
 */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** A file that only grows, and can be cut back. */
export interface AppendFile {
  /** Appends bytes; with `sync` it returns when they, and everything appended before, are durable. */
  append(bytes: Uint8Array, sync: boolean): Promise<void>;
  /** fdatasync: returns when the file is durable as it is now. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** A folder that stays open, so that syncing it again and again costs one call. */
export interface OpenFolder {
  /** The names in it are durable when it resolves. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What log and blob store need of a file system. */
export interface DurableFiles {
  /** The content of a file, or null where there is none. */
  read(path: string): Promise<Uint8Array | null>;
  /** Names in a folder, sorted; empty where there is none. */
  list(path: string): Promise<readonly string[]>;
  /** Permission bits of a file or folder, or null where there is none. */
  mode(path: string): Promise<number | null>;
  /** Makes a folder and those above it that are missing. No name of them is durable: `makeDurableDirectory` sees to that. */
  makeDirectory(path: string): Promise<void>;
  /** Writes a whole file; durable only when `sync` is true, and its name only after `syncDirectory`. */
  write(path: string, bytes: Uint8Array, sync: boolean): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  openFolder(path: string): Promise<OpenFolder>;
  openAppend(path: string): Promise<AppendFile>;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

async function readOrNull<T>(read: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return otherwise;
    throw error;
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Linux writes and syncs in one call where a file was opened so: each call of a file is a hop to another thread and back.
 * Elsewhere the flag promises less than `datasync`, or is not known.
 */
const SYNCED_WRITES = process.platform === "linux" ? constants.O_DSYNC : 0;

/** Writes all of `bytes`, each part durable when it is written if `handle` was opened with `SYNCED_WRITES`. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, offset);
    offset += bytesWritten;
  }
}

async function openAppendFile(path: string): Promise<AppendFile> {
  const handle = await open(path, constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | SYNCED_WRITES, 0o600);
  return {
    async append(bytes, sync) {
      await writeAll(handle, bytes);
      if (sync && SYNCED_WRITES === 0) await handle.datasync();
    },
    sync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
}

async function writeFileSynced(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY | SYNCED_WRITES, 0o600);
  try {
    await writeAll(handle, bytes);
    if (SYNCED_WRITES === 0 || bytes.length === 0) await handle.datasync();
  } finally {
    // Nobody waits for it: what was written is durable, and closing can take nothing of it back.
    void handle.close().catch(() => undefined);
  }
}

async function openFolder(path: string): Promise<OpenFolder> {
  const handle = await open(path, "r");
  return { sync: () => handle.sync(), close: () => handle.close() };
}

/** The machine's file system. New files are readable by their owner only. */
export const nodeFiles: DurableFiles = {
  async read(path) {
    const content = await readOrNull<Uint8Array | null>(readFile(path), null);
    // Not a Buffer: a slice of one shares its memory, and a leaf would keep the whole file of leaves alive.
    return content === null ? null : new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  },
  async mode(path) {
    const found = await readOrNull(stat(path), null);
    return found === null ? null : found.mode & 0o777;
  },
  list: async (path) => (await readOrNull(readdir(path), [])).sort(),
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  write: (path, bytes, sync) => (sync ? writeFileSynced(path, bytes) : writeFile(path, bytes, { mode: 0o600 })),
  rename,
  remove: (path) => rm(path, { force: true }),
  syncDirectory: syncPath,
  openFolder,
  openAppend: openAppendFile,
};

let temporaryNames = 0;

/** Replaces the file at `path` in one step, durably: temporary file, sync, rename, sync of the folder. */
export async function replaceFile(files: DurableFiles, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${temporaryNames++}.tmp`;
  await files.write(temporary, bytes, true);
  await files.rename(temporary, path);
  await files.syncDirectory(path.slice(0, path.lastIndexOf("/")));
}

/**
 * Makes a folder whose name lasts, and so do the names of those above it that were missing. Each is synced into the folder
 * above before anything is made inside it, also where it was there already: whoever made it may have been killed before.
 */
export async function makeDurableDirectory(files: DurableFiles, path: string): Promise<void> {
  const parent = dirname(path);
  if (parent === path) return;
  const isNew = (await files.mode(path)) === null;
  if (isNew) {
    await makeDurableDirectory(files, parent);
    await files.makeDirectory(path);
  }
  try {
    await files.syncDirectory(parent);
  } catch (error) {
    // A folder that was there, below one that we may not even list, is somebody else's making.
    if (isNew || !hasCode(error, "EACCES")) throw error;
  }
}
