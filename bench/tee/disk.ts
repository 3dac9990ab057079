/** What the disk itself takes: one append of the size of a leaf with fdatasync, in a file of its own beside the data folder. */
import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Percentiles, percentiles } from "../statistics.ts";
import { isInMemory } from "./service.ts";

/** Times of a bare append and sync. */
export interface DiskRow {
  readonly folder: "disk" | "tmpfs";
  readonly fdatasyncMs: Percentiles;
  /** A new file of 4 kB with its bytes synced. */
  readonly newFileMs: Percentiles;
}

const LEAF_BYTES = 180;
const RECORD_BYTES = 4096;

/** Measures `count` appends and new files in `under`. */
export async function measureDisk(under: string, count: number): Promise<DiskRow> {
  const path = join(under, `triseal-bench-sync-${randomUUID()}`);
  const append = await open(path, "a");
  const [syncs, files]: [number[], number[]] = [[], []];
  try {
    for (let index = 0; index < count; index++) {
      await append.appendFile(Buffer.alloc(LEAF_BYTES, 1));
      const begun = performance.now();
      await append.datasync();
      syncs.push(performance.now() - begun);
      const made = performance.now();
      const file = await open(`${path}-file`, "w");
      await file.writeFile(Buffer.alloc(RECORD_BYTES, 1));
      await file.datasync();
      await file.close();
      files.push(performance.now() - made);
      await rm(`${path}-file`);
    }
  } finally {
    await append.close();
    await rm(path, { force: true });
    await rm(`${path}-file`, { force: true });
  }
  return { folder: isInMemory(under) ? "tmpfs" : "disk", fdatasyncMs: percentiles(syncs), newFileMs: percentiles(files) };
}
