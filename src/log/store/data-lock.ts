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

/** Makes a file that has its content from the first moment on, so that nobody takes it for an abandoned one. @throws `EEXIST`. */
async function createWith(path: string, content: string): Promise<void> {
  const temporary = `${path}.${content}.${attempts++}.tmp`;
  try {
    await writeFile(temporary, content, { mode: 0o600 });
    await link(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Takes the lock file at `path`; one that a dead process left is taken over.
 * @throws TrisealError `LOG_LOCKED`, naming the process that holds it.
 */
export async function lockData(path: string): Promise<DataLock> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await createWith(path, String(process.pid));
      held.add(path);
      return {
        release: async () => {
          held.delete(path);
          await rm(path, { force: true });
        },
      };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      const holder = Number(await readFile(path, "utf8").catch(() => ""));
      if (Number.isInteger(holder) && holder > 0 && isAlive(holder, path)) {
        throw new TrisealError("LOG_LOCKED", `process ${holder} holds this data folder`, { details: { pid: holder } });
      }
      await rm(path, { force: true });
    }
  }
  throw new TrisealError("LOG_LOCKED", "another process is taking this data folder");
}
