/** Records: what a reader of the index needs of each leaf, one file a leaf, under the leaf's hash. */
import type { DurableFiles } from "./files.ts";

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
  /** Folders that are there, and whose names are durable. */
  private readonly folders = new Set<string>();

  constructor(files: DurableFiles, directory: string) {
    this.files = files;
    this.directory = directory;
  }

  /** The record of a leaf, or null where it was deleted. */
  read(name: string): Promise<Uint8Array | null> {
    return this.files.read(this.path(name));
  }

  /** Writes records; resolves when all of them and their names are durable. */
  async write(records: readonly NewRecord[]): Promise<void> {
    const folders = [...new Set(await Promise.all(records.map((record) => this.writeOne(record))))];
    const areKnown = folders.every((folder) => this.folders.has(folder));
    const synced = areKnown ? folders : [...folders, this.directory];
    await Promise.all(synced.map((folder) => this.files.syncDirectory(folder)));
    for (const folder of folders) this.folders.add(folder);
  }

  /** Writes one record, whose name is not durable yet, and returns its folder. */
  private async writeOne({ name, bytes }: NewRecord): Promise<string> {
    const path = this.path(name);
    const folder = path.slice(0, path.lastIndexOf("/"));
    if (!this.folders.has(folder)) await this.files.makeDirectory(folder);
    await this.files.write(`${path}.tmp`, bytes, true);
    await this.files.rename(`${path}.tmp`, path);
    return folder;
  }

  private path(name: string): string {
    return `${this.directory}/${name.slice(0, 2)}/${name}`;
  }
}
