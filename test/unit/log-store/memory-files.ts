/**
 * A disk in memory that forgets what was not synced. Bytes of a file last from `sync` on, a name from `syncDirectory` of
 * its folder on; before that a power cut may lose them, or keep a part.
 */
import { concatBytes } from "../../../src/core/bytes.ts";
import { type AppendFile, type DurableFiles, type FileStep, performSteps } from "../../../src/log/store/files.ts";

interface Inode {
  bytes: Uint8Array;
  durable: Uint8Array;
}

const FOLDER = Symbol("folder");
type Entry = Inode | typeof FOLDER;

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

/** What stands under which path, found by folder too. */
class Names {
  private readonly entries = new Map<string, Entry>();
  private readonly folders = new Map<string, Set<string>>();

  constructor(from: Iterable<readonly [string, Entry]> = []) {
    for (const [path, entry] of from) this.set(path, entry);
  }

  get(path: string): Entry | undefined {
    return this.entries.get(path);
  }

  has(path: string): boolean {
    return this.entries.has(path);
  }

  set(path: string, entry: Entry): void {
    this.entries.set(path, entry);
    const folder = parentOf(path);
    const inside = this.folders.get(folder) ?? new Set();
    inside.add(path);
    this.folders.set(folder, inside);
  }

  delete(path: string): void {
    this.entries.delete(path);
    this.folders.get(parentOf(path))?.delete(path);
  }

  /** Paths of what stands directly in a folder. */
  inside(folder: string): readonly string[] {
    return [...(this.folders.get(folder) ?? [])];
  }

  [Symbol.iterator](): Iterator<readonly [string, Entry]> {
    return this.entries[Symbol.iterator]();
  }
}

/** What a power cut leaves: nothing that was not synced, or every name with half of the bytes that were not. */
export type PowerCut = "drops" | "tears";

/** An error as the file system throws it. */
export function diskError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** The disk. */
export class MemoryFiles implements DurableFiles {
  /** Operations that changed something or synced it, so far. */
  operations = 0;
  /** The operation at which the power goes: it happens, and nobody is told. */
  cutAt = Number.POSITIVE_INFINITY;
  private entries = new Names();
  private lasting = new Names();

  /** The machine after a power cut. Files that were open belong to the machine before. */
  afterPowerCut(cut: PowerCut): MemoryFiles {
    const after = new MemoryFiles();
    const names = cut === "drops" ? this.lasting : this.entries;
    const copies = new Map<Inode, Inode>();
    for (const [path, entry] of names) {
      if (!this.isReachable(path, names)) continue;
      after.entries.set(path, entry === FOLDER ? FOLDER : copied(entry, cut, copies));
    }
    after.lasting = new Names(after.entries);
    return after;
  }

  /** The same machine for the process that comes after one that was killed: what was written is there, synced or not. */
  afterKill(): MemoryFiles {
    const after = new MemoryFiles();
    after.entries = new Names(this.entries);
    after.lasting = new Names(this.lasting);
    return after;
  }

  /** Content of a file as a process sees it, for tests that damage it. */
  peek(path: string): Uint8Array {
    const entry = this.entries.get(path);
    if (entry === undefined || entry === FOLDER) throw diskError("ENOENT");
    return entry.bytes;
  }

  /** Puts a file there durably, as an intruder or a restored copy would. */
  plant(path: string, bytes: Uint8Array | null): void {
    for (const names of [this.entries, this.lasting]) {
      if (bytes === null) names.delete(path);
      else names.set(path, { bytes, durable: bytes });
    }
  }

  /** Paths of all files under a folder. */
  paths(folder: string): readonly string[] {
    return [...this.entries].flatMap(([path, entry]) => (entry !== FOLDER && path.startsWith(`${folder}/`) ? [path] : [])).sort();
  }

  async read(path: string): Promise<Uint8Array | null> {
    this.alive();
    const entry = this.entries.get(path);
    return entry === undefined || entry === FOLDER ? null : entry.bytes.slice();
  }

  async mode(path: string): Promise<number | null> {
    this.alive();
    return this.entries.has(path) ? 0o600 : null;
  }

  async list(path: string): Promise<readonly string[]> {
    this.alive();
    return this.entries
      .inside(path)
      .map((name) => name.slice(path.length + 1))
      .sort();
  }

  makeDirectory(path: string): Promise<void> {
    return this.change(() => {
      for (let folder = path; folder !== ""; folder = parentOf(folder)) {
        if (!this.entries.has(folder)) this.entries.set(folder, FOLDER);
      }
    });
  }

  write(path: string, bytes: Uint8Array, sync: boolean): Promise<void> {
    return this.change(() => {
      const inode = this.open(path);
      inode.bytes = bytes.slice();
      if (sync) inode.durable = inode.bytes;
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.change(() => {
      const entry = this.entries.get(from);
      if (entry === undefined) throw diskError("ENOENT");
      this.entries.delete(from);
      this.entries.set(to, entry);
    });
  }

  remove(path: string): Promise<void> {
    return this.change(() => this.entries.delete(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.change(() => {
      for (const name of this.lasting.inside(path)) if (!this.entries.has(name)) this.lasting.delete(name);
      for (const name of this.entries.inside(path)) this.lasting.set(name, this.entries.get(name) ?? FOLDER);
    });
  }

  perform(steps: readonly FileStep[]): Promise<void> {
    return performSteps(this, steps);
  }

  async openAppend(path: string): Promise<AppendFile> {
    const inode = await this.change(() => this.open(path));
    const sync = () =>
      this.change(() => {
        inode.durable = inode.bytes;
      });
    return {
      // Two steps, between which the power can go.
      append: async (bytes, synced) => {
        await this.change(() => {
          inode.bytes = concatBytes(inode.bytes, bytes);
        });
        if (synced) await sync();
      },
      sync,
      truncate: (length) =>
        this.change(() => {
          inode.bytes = inode.bytes.slice(0, length);
        }),
      close: async () => undefined,
    };
  }

  private open(path: string): Inode {
    const entry = this.entries.get(path);
    if (entry === FOLDER) throw diskError("EISDIR");
    if (!this.entries.has(parentOf(path))) throw diskError("ENOENT");
    const inode = entry ?? { bytes: new Uint8Array(), durable: new Uint8Array() };
    this.entries.set(path, inode);
    return inode;
  }

  private alive(): void {
    if (this.operations >= this.cutAt) throw diskError("EIO");
  }

  private async change<T>(apply: () => T): Promise<T> {
    this.alive();
    const result = apply();
    this.operations++;
    this.alive();
    return result;
  }

  /** Whether every folder above is there too. The disk itself, up to the first name that was made here, always is. */
  private isReachable(path: string, names: Names): boolean {
    for (let folder = parentOf(path); folder !== ""; folder = parentOf(folder)) {
      if (!names.has(folder) && !this.isMounted(folder)) return false;
    }
    return true;
  }

  private readonly mounted = new Set<string>();

  /** Says that a folder, and those above it, were there before. */
  mount(path: string): this {
    for (let folder = path; folder !== ""; folder = parentOf(folder)) {
      this.mounted.add(folder);
      this.entries.set(folder, FOLDER);
      this.lasting.set(folder, FOLDER);
    }
    return this;
  }

  private isMounted(path: string): boolean {
    return this.mounted.has(path);
  }
}

function copied(inode: Inode, cut: PowerCut, copies: Map<Inode, Inode>): Inode {
  const { bytes, durable } = inode;
  const torn = bytes === durable ? bytes : bytes.slice(0, (Math.min(bytes.length, durable.length) + bytes.length) >> 1);
  const left = cut === "drops" ? durable : torn;
  const copy = copies.get(inode) ?? { bytes: left, durable: left };
  copies.set(inode, copy);
  return copy;
}
