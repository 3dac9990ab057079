/** Records: what a reader of the index needs of each leaf, one file a leaf, under the leaf's hash. */
import type { DurableFiles, FileStep } from "./files.ts";

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
  /** Folders whose names are durable, 256 at most. */
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
   * What makes records and their names durable. Each is written under its own name at once: one that was cut short has no
   * leaf, and nobody looks for it.
   */
  steps(records: readonly NewRecord[]): readonly FileStep[] {
    const folders = [...new Set(records.map(({ name }) => this.folderOf(name)))];
    const missing = folders.filter((folder) => !this.named.has(folder));
    return [
      ...missing.map((path) => ({ do: "makeDirectory", path }) as const),
      ...records.map(({ name, bytes }) => ({ do: "write", path: this.path(name), bytes }) as const),
      ...(missing.length > 0 ? [{ do: "syncDirectory", path: this.directory } as const] : []),
      ...folders.map((path) => ({ do: "syncDirectory", path }) as const),
    ];
  }

  /** The steps for these records were done: the names of their folders last. */
  wrote(records: readonly NewRecord[]): void {
    for (const { name } of records) this.named.add(this.folderOf(name));
  }

  private folderOf(name: string): string {
    return `${this.directory}/${name.slice(0, 2)}`;
  }

  private path(name: string): string {
    return `${this.folderOf(name)}/${name}`;
  }
}
