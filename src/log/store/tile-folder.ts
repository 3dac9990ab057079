/** Tiles on disk: derived from the leaves, repaired at start, served as static files (C2SP tlog-tiles). */
import { equalBytes } from "../../core/bytes.ts";
import { TrisealError } from "../../core/errors.ts";
import { leafHash } from "../merkle.ts";
import { encodeEntries, encodeTilePath, parseEntries, parseTilePath, TILE_WIDTH, type TileAddress } from "../tile.ts";
import type { DurableFiles } from "./files.ts";
import type { Tree } from "./tree.ts";

/** Reads all leaves of the log again, from where they are durable. */
type ReadLeaves = () => Promise<readonly Uint8Array[]>;

/** Writes the tiles of one log. Only the widest partial tile of each row is kept: narrower ones are its beginning. */
export class TileFolder {
  private readonly files: DurableFiles;
  private readonly directory: string;
  private readonly tree: Tree;
  private readonly readLeaves: ReadLeaves;
  /** Leaves behind the last full entry bundle on disk. */
  private tail: Uint8Array[] = [];
  private writtenSize = 0;

  constructor(files: DurableFiles, directory: string, tree: Tree, readLeaves: ReadLeaves) {
    this.files = files;
    this.directory = directory;
    this.tree = tree;
    this.readLeaves = readLeaves;
  }

  /** Takes up the log's leaves at start and repairs every tile that is missing, torn or different. */
  async repair(leaves: readonly Uint8Array[]): Promise<void> {
    for (let start = 0; start < leaves.length; start += TILE_WIDTH) {
      const entries = leaves.slice(start, start + TILE_WIDTH);
      await this.writeIfDifferent({ level: "entries", index: start / TILE_WIDTH, width: entries.length }, encodeEntries(entries));
    }
    await this.writeHashTiles(0, leaves.length, (address, bytes) => this.writeIfDifferent(address, bytes));
    this.tail = leaves.slice(leaves.length - (leaves.length % TILE_WIDTH));
    this.writtenSize = leaves.length;
  }

  /** Takes up leaves that were appended to the tree, also while a `write` is under way. They are on disk after the next one. */
  add(leaves: readonly Uint8Array[]): void {
    this.tail.push(...leaves);
  }

  /**
   * Writes the tiles of the log as it is now that changed since the last call; one call at a time. Not synced: what is
   * lost is made again at start.
   */
  async write(): Promise<void> {
    const { size } = this.tree;
    const from = this.tailStart();
    for (let start = from; start < size; start += TILE_WIDTH) {
      const entries = this.tail.slice(start - from, Math.min(start - from + TILE_WIDTH, size - from));
      await this.writeTile({ level: "entries", index: start / TILE_WIDTH, width: entries.length }, encodeEntries(entries));
    }
    await this.writeHashTiles(this.writtenSize, size, (address, bytes) => this.writeTile(address, bytes));
    this.writtenSize = size;
    this.tail = this.tail.slice(this.tailStart() - from);
  }

  /**
   * The bytes of a tile, or null where the log does not reach that far. A tile on the disk that is missing, torn or
   * different is made again from the leaves first.
   * @throws TrisealError `NOT_FOUND` for a bad path; `LOG_CORRUPT` where the leaves on the disk are not those of the tree.
   */
  async read(path: string): Promise<Uint8Array | null> {
    const address = parseTilePath(path);
    if (address.level !== "entries") return this.tree.tile({ ...address, level: address.level });
    // Beyond the last full bundle the files are being replaced while the log grows; memory has every signed leaf at any moment.
    const inTail = address.index * TILE_WIDTH - this.tailStart();
    if (inTail >= 0) {
      const entries = this.tail.slice(inTail, inTail + address.width);
      return entries.length < address.width ? null : encodeEntries(entries);
    }
    const entries = (await this.storedBundle(address.index)) ?? (await this.remadeBundle(address.index));
    return encodeEntries(entries.slice(0, address.width));
  }

  /** The entries of a full bundle on the disk, or null where they are not those of the tree. */
  private async storedBundle(index: number): Promise<readonly Uint8Array[] | null> {
    const bytes = await this.files.read(this.path({ level: "entries", index, width: TILE_WIDTH }));
    try {
      const entries = bytes === null ? [] : parseEntries(bytes);
      return this.isBundle(index, entries) ? entries : null;
    } catch {
      return null;
    }
  }

  private async remadeBundle(index: number): Promise<readonly Uint8Array[]> {
    const entries = (await this.readLeaves()).slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
    if (!this.isBundle(index, entries)) throw new TrisealError("LOG_CORRUPT", "leaves on the disk are not those of the log");
    // A disk that takes no writes does not keep the tile from being served.
    await this.writeTile({ level: "entries", index, width: TILE_WIDTH }, encodeEntries(entries)).catch(() => undefined);
    return entries;
  }

  private isBundle(index: number, entries: readonly Uint8Array[]): boolean {
    const first = index * TILE_WIDTH;
    return (
      entries.length === TILE_WIDTH &&
      entries.every((leaf, place) => equalBytes(leafHash(leaf), this.tree.read(0, first + place)))
    );
  }

  /** Index of the first leaf of the tail. */
  private tailStart(): number {
    return this.writtenSize - (this.writtenSize % TILE_WIDTH);
  }

  private async writeHashTiles(
    fromSize: number,
    size: number,
    write: (address: TileAddress, bytes: Uint8Array) => Promise<void>,
  ): Promise<void> {
    for (let level = 0; TILE_WIDTH ** level <= size; level++) {
      const written = Math.floor(fromSize / TILE_WIDTH ** level);
      const nodes = Math.floor(size / TILE_WIDTH ** level);
      for (let start = written - (written % TILE_WIDTH); start < nodes; start += TILE_WIDTH) {
        const address = { level, index: start / TILE_WIDTH, width: Math.min(TILE_WIDTH, nodes - start) };
        const bytes = this.tree.tile(address);
        if (bytes !== null) await write(address, bytes);
      }
    }
  }

  private path(address: TileAddress): string {
    return `${this.directory}/${encodeTilePath(address)}`;
  }

  private async writeIfDifferent(address: TileAddress, bytes: Uint8Array): Promise<void> {
    const stored = await this.files.read(this.path(address));
    if (stored === null || !equalBytes(stored, bytes)) await this.writeTile(address, bytes);
  }

  private async writeTile(address: TileAddress, bytes: Uint8Array): Promise<void> {
    const path = this.path(address);
    const folder = path.slice(0, path.lastIndexOf("/"));
    await this.files.makeDirectory(folder);
    await this.files.write(path, bytes, false);
    await this.removeNarrower(address);
  }

  private async removeNarrower(address: TileAddress): Promise<void> {
    const partials = `${this.path({ ...address, width: TILE_WIDTH })}.p`;
    for (const name of await this.files.list(partials)) {
      if (Number(name) < address.width) await this.files.remove(`${partials}/${name}`);
    }
  }
}
