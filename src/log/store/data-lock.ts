/**
 * One process per data folder: a lock file that names the process by its id and, on Linux, by boot and start time, because
 * ids are given out again. Processes that do not see each other's ids, as in two containers, are not kept apart.
 */
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { TrisealError } from "../../core/errors.ts";

/** A held lock. */
export interface DataLock {
  release(): Promise<void>;
}

/** Locks of this process. A lock file with our own pid that is not among them was left by an earlier process of that pid. */
const held = new Set<string>();

let attempts = 0;

/** When a process was started, as `boot/ticks`; null where the system does not say. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    // After the name, which may hold anything, in parentheses: the state is the first field, the start the twentieth.
    const ticks = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ").at(-1)?.split(" ")[19];
    return ticks === undefined ? null : `${boot}/${ticks}`;
  } catch {
    return null;
  }
}

/** Whether the process that wrote `pid` and `start` (null where it wrote none) still runs. */
async function isAlive(pid: number, start: string | null, path: string): Promise<boolean> {
  if (pid === process.pid) return held.has(path);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const now = await startOf(pid);
  return start === null || now === null || start === now;
}

/** Makes a lock file that names this process from the first moment on. False where there is one already. */
async function create(path: string): Promise<boolean> {
  const temporary = `${path}.${process.pid}.${attempts++}.tmp`;
  try {
    const start = await startOf(process.pid);
    await writeFile(temporary, start === null ? String(process.pid) : `${process.pid} ${start}`, { mode: 0o600 });
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
  const [id = "", start = null] = content?.trim().split(" ") ?? [];
  const holder = Number(id);
  if (Number.isInteger(holder) && holder > 0 && (await isAlive(holder, start, path))) {
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
