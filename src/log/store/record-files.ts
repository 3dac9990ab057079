/** Records: what a reader of the index needs of each leaf, one file a leaf, under the leaf's hash. */
import type { DurableFiles, OpenFolder } from "./files.ts";

/** A record before it is stored. */
export interface NewRecord {
  /** Hash of its leaf, 64 hexadecimal digits. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The folder `records/` of a log. */
export class RecordFiles {
  private readonly files: DurableFiles;
  private readonly directory: string;
  /** Folders that are kept open, 256 at most. */
  private readonly folders = new Map<string, OpenFolder>();
  /** Those of them whose names are durable. */
  private readonly named = new Set<string>();

  constructor(files: DurableFiles, directory: string) {
    this.files = files;
    this.directory = directory;
  }

  /** The record of a leaf, or null where it was deleted. */
  read(name: string): Promise<Uint8Array | null> {
    return this.files.read(this.path(name));
  }

  /**
   * Writes records; resolves when all of them and their names are durable. Each is written under its own name at once: one
   * that was cut short has no leaf, and nobody looks for it.
   */
  async write(records: readonly NewRecord[]): Promise<void> {
    const folders = [...new Set(records.map(({ name }) => this.folderOf(name)))];
    const missing = folders.filter((folder) => !this.named.has(folder));
    await Promise.all(missing.map((folder) => this.files.makeDirectory(folder)));
    const work = [
      ...records.map(({ name, bytes }) => this.files.write(this.path(name), bytes, true)),
      ...missing.map((folder) => this.open(folder)),
      ...(missing.length > 0 ? [this.files.syncDirectory(this.directory)] : []),
    ];
    await Promise.all(work);
    for (const folder of missing) this.named.add(folder);
    const open = folders.flatMap((folder) => this.folders.get(folder) ?? []);
    if (open.length !== folders.length) throw new Error("a folder of records was closed while it was written to");
    await Promise.all(open.map((folder) => folder.sync()));
  }

  /** Gives the folders up. */
  async close(): Promise<void> {
    const open = [...this.folders.values()];
    this.folders.clear();
    this.named.clear();
    await Promise.all(open.map((folder) => folder.close()));
  }

  private async open(folder: string): Promise<void> {
    // It is open already where the batch that made it failed.
    if (!this.folders.has(folder)) this.folders.set(folder, await this.files.openFolder(folder));
  }

  private folderOf(name: string): string {
    return `${this.directory}/${name.slice(0, 2)}`;
  }

  private path(name: string): string {
    return `${this.folderOf(name)}/${name}`;
  }
}
