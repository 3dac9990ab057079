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

/** One of several changes that are made in order. What it makes is durable as soon as it is made, its name apart. */
export type FileStep =
  | { readonly do: "makeDirectory"; readonly path: string }
  | { readonly do: "write"; readonly path: string; readonly bytes: Uint8Array }
  | { readonly do: "syncDirectory"; readonly path: string }
  | { readonly do: "append"; readonly file: AppendFile; readonly bytes: Uint8Array };

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
  openAppend(path: string): Promise<AppendFile>;
  /**
   * Makes changes one after the other, as `performSteps` does; the first that fails is the last that is tried. Bytes that are
   * written belong to the file system from then on.
   */
  perform(steps: readonly FileStep[]): Promise<void>;
}

/** `steps` by the single operations of `files`. */
export async function performSteps(files: Omit<DurableFiles, "perform">, steps: readonly FileStep[]): Promise<void> {
  for (const step of steps) {
    switch (step.do) {
      case "makeDirectory":
        await files.makeDirectory(step.path);
        break;
      case "write":
        await files.write(step.path, step.bytes, true);
        break;
      case "syncDirectory":
        await files.syncDirectory(step.path);
        break;
      case "append":
        await step.file.append(step.bytes, true);
        break;
    }
  }
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

/** How a file is opened that is written as a whole, and whether each write to it is durable when it returns. */
export const REPLACED = {
  flags: constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY | SYNCED_WRITES,
  isSynced: SYNCED_WRITES !== 0,
} as const;

/** As `REPLACED`, of a file that is appended to. */
export const APPENDED = {
  flags: constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | SYNCED_WRITES,
  isSynced: SYNCED_WRITES !== 0,
} as const;

/** Writes all of `bytes`, each part durable when it is written if `handle` was opened with `SYNCED_WRITES`. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, offset);
    offset += bytesWritten;
  }
}

/** An append file of this machine, with its descriptor. */
export async function openAppendFile(path: string): Promise<AppendFile & { readonly fd: number }> {
  const handle = await open(path, APPENDED.flags, 0o600);
  return {
    fd: handle.fd,
    async append(bytes, sync) {
      await writeAll(handle, bytes);
      if (sync && !APPENDED.isSynced) await handle.datasync();
    },
    sync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  };
}

async function writeFileSynced(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, REPLACED.flags, 0o600);
  try {
    await writeAll(handle, bytes);
    if (!REPLACED.isSynced || bytes.length === 0) await handle.datasync();
  } finally {
    // Nobody waits for it: what was written is durable, and closing can take nothing of it back.
    void handle.close().catch(() => undefined);
  }
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
  openAppend: openAppendFile,
  perform: (steps) => performSteps(nodeFiles, steps),
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
