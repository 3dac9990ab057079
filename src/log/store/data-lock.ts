/** One process per data folder: a lock file that names the process. */
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { TrisealError } from "../../core/errors.ts";

/** A held lock. */
export interface DataLock {
  release(): Promise<void>;
}

/** Locks of this process. A lock file with our own pid that is not among them was left by an earlier process of that pid. */
const held = new Set<string>();

let attempts = 0;

function isAlive(pid: number, path: string): boolean {
  if (pid === process.pid) return held.has(path);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Makes a lock file that names this process from the first moment on. False where there is one already. */
async function create(path: string): Promise<boolean> {
  const temporary = `${path}.${process.pid}.${attempts++}.tmp`;
  try {
    await writeFile(temporary, String(process.pid), { mode: 0o600 });
    await link(temporary, path);
    held.add(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function release(path: string): Promise<void> {
  held.delete(path);
  await rm(path, { force: true });
}

/** Whether a dead process left the lock file at `path`; false where there is none. @throws TrisealError `LOG_LOCKED`. */
async function isAbandoned(path: string): Promise<boolean> {
  const content = await readFile(path, "utf8").catch(() => null);
  const holder = Number(content);
  if (Number.isInteger(holder) && holder > 0 && isAlive(holder, path)) {
    throw new TrisealError("LOG_LOCKED", `process ${holder} holds this data folder`, { details: { pid: holder } });
  }
  return content !== null;
}

/**
 * Removes the lock file that a dead process left. Several processes may find it at once, and the slower one would remove
 * the new lock of the faster: so only the holder of a marker removes it, after a second look.
 */
async function removeAbandoned(path: string): Promise<void> {
  const marker = `${path}.takeover`;
  if (!(await create(marker))) {
    // A process that died in the middle of this left the marker.
    if (await isAbandoned(marker)) await rm(marker, { force: true });
    return;
  }
  try {
    if (await isAbandoned(path)) await rm(path, { force: true });
  } finally {
    await release(marker);
  }
}

/**
 * Takes the lock file at `path`; one that a dead process left is taken over.
 * @throws TrisealError `LOG_LOCKED`, naming the process that holds it.
 */
export async function lockData(path: string): Promise<DataLock> {
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await create(path)) return { release: () => release(path) };
    if (await isAbandoned(path)) await removeAbandoned(path);
  }
  throw new TrisealError("LOG_LOCKED", "another process is taking this data folder");
}
