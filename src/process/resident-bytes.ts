/** What a child process holds of this machine's memory. */
import { readFile } from "node:fs/promises";

const PAGE_BYTES = 4096;

/** Resident memory of a process in bytes; null where the system does not tell, as outside Linux. */
export async function residentBytes(pid: number): Promise<number | null> {
  try {
    const pages = Number((await readFile(`/proc/${pid}/statm`, "utf8")).split(" ")[1]);
    return Number.isFinite(pages) ? pages * PAGE_BYTES : null;
  } catch {
    return null;
  }
}
