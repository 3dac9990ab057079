/** The hashes of a growing tree, in memory: 32 bytes a node, about 64 bytes a leaf. */
import { leafHash, type NodeReader, nodeHash, treeRoot } from "../merkle.ts";
import { TILE_HEIGHT, TILE_WIDTH, type TileAddress } from "../tile.ts";

const HASH_LENGTH = 32;

class HashList {
  private bytes = new Uint8Array(HASH_LENGTH * 64);
  count = 0;

  push(hash: Uint8Array): void {
    if ((this.count + 1) * HASH_LENGTH > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes.set(hash, this.count++ * HASH_LENGTH);
  }

  at(index: number): Uint8Array {
    return this.slice(index, 1);
  }

  slice(index: number, count: number): Uint8Array {
    if (index < 0 || index + count > this.count) throw new RangeError("no such node");
    return this.bytes.slice(index * HASH_LENGTH, (index + count) * HASH_LENGTH);
  }
}

/** An append-only Merkle tree. */
export class Tree {
  private readonly levels: HashList[] = [];

  /** Number of leaves. */
  get size(): number {
    return this.levels[0]?.count ?? 0;
  }

  /** Hash of the complete subtree (level, index). */
  readonly read: NodeReader = (level, index) => {
    const list = this.levels[level];
    if (list === undefined) throw new RangeError("no such node");
    return list.at(index);
  };

  /** Adds a leaf and returns its hash. */
  append(leaf: Uint8Array): Uint8Array {
    const hash = leafHash(leaf);
    this.push(0, hash);
    return hash;
  }

  /** Root over the first `size` leaves. */
  root(size = this.size): Uint8Array {
    return treeRoot(this.read, size);
  }

  /** The hashes of a tile, or null where the tree does not reach that far. */
  tile({ level, index, width }: TileAddress & { readonly level: number }): Uint8Array | null {
    const list = this.levels[level * TILE_HEIGHT];
    const start = index * TILE_WIDTH;
    return list === undefined || start + width > list.count ? null : list.slice(start, width);
  }

  private push(level: number, hash: Uint8Array): void {
    this.levels[level] ??= new HashList();
    const list = this.levels[level];
    list.push(hash);
    if (list.count % 2 === 0) this.push(level + 1, nodeHash(list.at(list.count - 2), list.at(list.count - 1)));
  }
}
