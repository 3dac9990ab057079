/**
 * The one interface through which log and blobs reach a disk. Nothing is durable before it was synced: the bytes of a
 * file by `sync`, its name by `syncDirectory` of the folder it was made or renamed in.
 */
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/** A file that only grows, and can be cut back. */
export interface AppendFile {
  append(bytes: Uint8Array): Promise<void>;
  /** fdatasync: returns when everything appended so far is durable. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** What log and blob store need of a file system. */
export interface DurableFiles {
  /** The content of a file, or null where there is none. */
  read(path: string): Promise<Uint8Array | null>;
  /** Names in a folder, sorted; empty where there is none. */
  list(path: string): Promise<readonly string[]>;
  makeDirectory(path: string): Promise<void>;
  /** Writes a whole file; durable only when `sync` is true, and its name only after `syncDirectory`. */
  write(path: string, bytes: Uint8Array, sync: boolean): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  openAppend(path: string): Promise<AppendFile>;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function readOrNull<T>(read: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (isMissing(error)) return otherwise;
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

async function openAppendFile(path: string): Promise<AppendFile> {
  const handle = await open(path, "a+", 0o600);
  return {
    append: (bytes) => handle.appendFile(bytes),
    sync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
}

/** The machine's file system. New files are readable by their owner only. */
export const nodeFiles: DurableFiles = {
  async read(path) {
    const content = await readOrNull<Uint8Array | null>(readFile(path), null);
    // Not a Buffer: a slice of one shares its memory, and a leaf would keep the whole file of leaves alive.
    return content === null ? null : new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  },
  list: async (path) => (await readOrNull(readdir(path), [])).sort(),
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  async write(path, bytes, sync) {
    const handle = await open(path, "w", 0o600);
    try {
      await handle.writeFile(bytes);
      if (sync) await handle.datasync();
    } finally {
      await handle.close();
    }
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  syncDirectory: syncPath,
  openAppend: openAppendFile,
};

/** Makes a folder with those above it that are missing, each of whose names is durable when this resolves. */
export async function makeDurableDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const top = dirname(resolve(first));
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    await syncPath(folder);
    if (folder === top || folder === dirname(folder)) return;
  }
}

let temporaryNames = 0;

/** Replaces the file at `path` in one step, durably: temporary file, sync, rename, sync of the folder. */
export async function replaceFile(files: DurableFiles, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${temporaryNames++}.tmp`;
  await files.write(temporary, bytes, true);
  await files.rename(temporary, path);
  await files.syncDirectory(path.slice(0, path.lastIndexOf("/")));
}
