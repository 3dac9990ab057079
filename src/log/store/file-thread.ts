/**
 * The thread that makes the durable changes of a running gateway, one after the other and without waiting for anybody in
 * between: a commit is one message there and one back, where each call of a file would be a hop to a thread and back.
 */
import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { APPENDED, REPLACED } from "./files.ts";

/** A step as it is sent: an append file by its descriptor, which is the whole process's. */
export type ThreadStep =
  | { readonly do: "makeDirectory" | "syncDirectory"; readonly path: string }
  | { readonly do: "write"; readonly path: string; readonly bytes: Uint8Array }
  | { readonly do: "append"; readonly fd: number; readonly bytes: Uint8Array };

/** Steps to be done in order. */
export interface ThreadRequest {
  readonly id: number;
  readonly steps: readonly ThreadStep[];
}

/** How it went: null, or the first failure, after which nothing more was done. */
export interface ThreadReply {
  readonly id: number;
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** Folders that are kept open, at most: those of records are 256. */
const MAX_OPEN_FOLDERS = 300;

const folders = new Map<string, number>();

function folderOf(path: string): number {
  const known = folders.get(path);
  if (known !== undefined) return known;
  if (folders.size >= MAX_OPEN_FOLDERS) {
    for (const fd of folders.values()) closeSync(fd);
    folders.clear();
  }
  const fd = openSync(path, "r");
  folders.set(path, fd);
  return fd;
}

/** Writes all of `bytes`; durable when it returns, also where opening `fd` so could not promise that. */
function writeDurably(fd: number, bytes: Uint8Array, isSynced: boolean): void {
  for (let offset = 0; offset < bytes.length; ) offset += writeSync(fd, bytes, offset);
  if (!isSynced || bytes.length === 0) fdatasyncSync(fd);
}

function perform(step: ThreadStep): void {
  switch (step.do) {
    case "makeDirectory":
      mkdirSync(step.path, { recursive: true, mode: 0o700 });
      return;
    case "syncDirectory":
      fsyncSync(folderOf(step.path));
      return;
    case "append":
      writeDurably(step.fd, step.bytes, APPENDED.isSynced);
      return;
    case "write": {
      const fd = openSync(step.path, REPLACED.flags, 0o600);
      try {
        writeDurably(fd, step.bytes, REPLACED.isSynced);
      } finally {
        closeSync(fd);
      }
    }
  }
}

function failureOf(error: unknown): ThreadReply["failure"] {
  if (!(error instanceof Error)) return { code: "EIO", message: "the disk failed" };
  return { code: "code" in error ? String(error.code) : "EIO", message: error.message };
}

const port = parentPort;
port?.on("message", ({ id, steps }: ThreadRequest) => {
  let failure: ThreadReply["failure"] = null;
  try {
    for (const step of steps) perform(step);
  } catch (error) {
    failure = failureOf(error);
  }
  port.postMessage({ id, failure } satisfies ThreadReply);
});
