/**
 * The log on disk. Its commit point is the file `leaves`: an append is answered only when its record and its leaf are
 * durable. Tiles and checkpoint follow from the leaves, a little later, and are made again where they are missing or torn.
 */
import { encodeHex, equalBytes } from "../../core/bytes.ts";
import type { Sha256Digest } from "../../core/digest.ts";
import type { Signer } from "../../core/ed25519.ts";
import { TrisealError } from "../../core/errors.ts";
import { type Checkpoint, parseCheckpointText, signCheckpoint } from "../checkpoint.ts";
import { encodeLeaf, type LeafKind } from "../leaf.ts";
import { leafHash, proveConsistency, proveInclusion } from "../merkle.ts";
import { encodeNote, type NoteSignature, parseNote } from "../note.ts";
import { canonicalNote, encodeTlogProof } from "../tlog-proof.ts";
import { CosignedCheckpoints, readCheckpoint } from "./cosigned-checkpoints.ts";
import { type DataLock, lockData } from "./data-lock.ts";
import { type DurableFiles, makeDurableDirectory, replaceFile } from "./files.ts";
import { LeafFile, storedLeaves } from "./leaf-file.ts";
import { RecordFiles } from "./record-files.ts";
import { TileFolder } from "./tile-folder.ts";
import { Tree } from "./tree.ts";

/** What is appended: a document's digest under a salt, and the record that a reader of the index needs. */
export interface LogEntry {
  readonly kind: LeafKind;
  readonly document: Sha256Digest;
  /** 32 random bytes. */
  readonly salt: Uint8Array;
  /** Opaque to the log; kept under the leaf's hash, durable before the leaf. */
  readonly record: Uint8Array;
}

/** Place of an appended leaf. */
export interface AppendedLeaf {
  readonly index: number;
  /** 64 hexadecimal digits. */
  readonly leafHash: string;
}

/** Where and as whom a log is opened. */
export interface LogOptions {
  readonly directory: string;
  readonly origin: string;
  readonly signer: Signer;
  readonly files: DurableFiles;
}

/** Most leaves of one batch: each has a record file that is open while the batch is written. */
const MAX_BATCH_LEAVES = 256;

/** How long after a commit tiles and checkpoint are written: what comes meanwhile goes with them. Both are served from memory. */
const PUBLISH_AFTER_MS = 100;

interface Pending {
  readonly leaf: Uint8Array;
  readonly record: Uint8Array;
  readonly resolve: (leaf: AppendedLeaf) => void;
  readonly reject: (error: unknown) => void;
}

/** An append-only log that one process owns. */
export class TransparencyLog {
  private readonly options: LogOptions;
  private readonly lock: DataLock;
  private readonly leafFile: LeafFile;
  private readonly tree: Tree;
  private readonly tiles: TileFolder;
  private readonly cosigned = new CosignedCheckpoints();
  private readonly pending: Pending[] = [];
  private committing: Promise<void> | null = null;
  private readonly records: RecordFiles;
  private signer: Signer;
  private publishing: Promise<void> = Promise.resolve();
  private publishTimer: NodeJS.Timeout | null = null;
  /** Whether leaves were committed since tiles and checkpoint were last written. */
  private unpublished = false;
  /** The checkpoint of the tree as it is now, once somebody asked for it. */
  private signed: string | null = null;

  private constructor(options: LogOptions, lock: DataLock, leafFile: LeafFile, tree: Tree, tiles: TileFolder) {
    this.options = options;
    this.records = new RecordFiles(options.files, `${options.directory}/records`);
    this.signer = options.signer;
    this.lock = lock;
    this.leafFile = leafFile;
    this.tree = tree;
    this.tiles = tiles;
  }

  /**
   * Opens or makes a log: takes the lock, checks the published checkpoints against the leaves, cuts off an
   * unfinished batch, repairs tiles and signs the current checkpoint.
   * @throws TrisealError `LOG_LOCKED`; `LOG_CORRUPT` where leaves are damaged, or fewer or others than were published.
   */
  static async open(options: LogOptions): Promise<TransparencyLog> {
    const { files, directory } = options;
    await makeDurableDirectory(files, directory);
    // Their names become durable with that of the file `leaves`.
    for (const folder of ["records", "checkpoints"]) await files.makeDirectory(`${directory}/${folder}`);
    const lock = await lockData(`${directory}/lock`);
    let opened: LeafFile | null = null;
    try {
      const { file, leaves } = await LeafFile.open(files, `${directory}/leaves`);
      opened = file;
      const tree = new Tree();
      for (const leaf of leaves) tree.append(leaf);
      const log = new TransparencyLog(
        options,
        lock,
        file,
        tree,
        new TileFolder(files, directory, tree, () => storedLeaves(files, `${directory}/leaves`)),
      );
      await log.checkPublished();
      // Only now: what was published and cannot be read must stay as it is, for whoever restores it.
      await file.settle();
      await log.tiles.repair(leaves);
      await log.publish();
      return log;
    } catch (error) {
      await opened?.close();
      await lock.release();
      throw error;
    }
  }

  /** Number of durable leaves. */
  get size(): number {
    return this.tree.size;
  }

  /** Appends one entry; resolves when record and leaf are durable. @throws TrisealError `LOG_UNAVAILABLE`. */
  append(entry: LogEntry): Promise<AppendedLeaf> {
    const leaf = encodeLeaf(entry.kind, entry.document, entry.salt);
    return new Promise((resolve, reject) => {
      this.pending.push({ leaf, record: entry.record, resolve, reject });
      this.committing ??= this.commitPending();
    });
  }

  /** The latest checkpoint, signed by the log. */
  checkpoint(): string {
    const { origin } = this.options;
    this.signed ??= signCheckpoint({ origin, size: this.tree.size, root: this.tree.root() }, this.signer);
    return this.signed;
  }

  /** The record of a leaf, or null where it was deleted. */
  record(leafHashHex: string): Promise<Uint8Array | null> {
    return this.records.read(leafHashHex);
  }

  /** Hash of leaf `index`, 64 hexadecimal digits. */
  leafHashAt(index: number): string {
    return encodeHex(this.tree.read(0, index));
  }

  /** Consistency proof between two sizes of this log. */
  consistencyProof(from: number, to: number): readonly Uint8Array[] {
    return proveConsistency(this.tree.read, from, to);
  }

  /** A tile by its path, or null where the log does not reach that far. @throws TrisealError `NOT_FOUND` for a bad path. */
  readTile(path: string): Promise<Uint8Array | null> {
    return this.tiles.read(path);
  }

  /** Size of the largest checkpoint that witnesses cosigned; 0 where none did. */
  cosignedSize(): number {
    return this.cosigned.largest();
  }

  /** Stores cosignatures for a checkpoint of this log, durably. The caller has verified them. */
  async addCosignatures(checkpoint: string, lines: readonly NoteSignature[]): Promise<void> {
    const note = parseNote(checkpoint);
    const { size } = parseCheckpointText(note.text);
    if (this.cosigned.has(size)) return;
    const text = encodeNote(canonicalNote({ text: note.text, signatures: [...note.signatures, ...lines] }));
    await replaceFile(this.options.files, `${this.options.directory}/checkpoints/${size}`, new TextEncoder().encode(text));
    this.cosigned.keep(size, text);
  }

  /** A `tlog-proof` for leaf `index`: against the first cosigned checkpoint that covers it, else the latest own one. */
  proof(index: number): string {
    const note = parseNote(this.cosigned.covering(index) ?? this.checkpoint());
    return encodeTlogProof(index, proveInclusion(this.tree.read, index, parseCheckpointText(note.text).size), note);
  }

  /**
   * Signs checkpoints with `signer` from now on. The last checkpoint under the key before is kept in `handovers/`, under its
   * size: with the leaf of the rotation in it, it shows that the old key named the new one.
   * @throws TrisealError `LOG_UNAVAILABLE` where that cannot be written: the key before goes on signing.
   */
  async handOver(signer: Signer): Promise<void> {
    while (this.committing !== null) await this.committing;
    // Appends wait meanwhile: batches and this write the same files.
    const changing = this.changeSigner(signer);
    this.committing = changing.catch(() => undefined);
    try {
      await changing;
    } catch (cause) {
      throw new TrisealError("LOG_UNAVAILABLE", "the last checkpoint of the old key could not be kept", { cause });
    } finally {
      this.committing = this.pending.length > 0 ? this.commitPending() : null;
    }
  }

  private async changeSigner(signer: Signer): Promise<void> {
    const { files, directory } = this.options;
    const last = this.checkpoint();
    const { size } = parseCheckpointText(parseNote(last).text);
    await files.makeDirectory(`${directory}/handovers`);
    await files.syncDirectory(directory);
    await replaceFile(files, `${directory}/handovers/${size}`, new TextEncoder().encode(last));
    this.signer = signer;
    this.signed = null;
    this.unpublished = true;
    await this.published();
  }

  /** Writes tiles and checkpoint of everything that was appended, as far as the disk takes them. They are served from memory before. */
  async published(): Promise<void> {
    if (this.publishTimer !== null) clearTimeout(this.publishTimer);
    this.publishTimer = null;
    // Leaves are durable: what cannot be written now is written with the next batch or at start.
    this.publishing = this.publishing.then(() => (this.unpublished ? this.publish() : undefined)).catch(() => undefined);
    await this.publishing;
  }

  /** Waits for what is under way, then gives up files and lock. */
  async close(): Promise<void> {
    await this.committing;
    await this.published();
    await this.leafFile.close();
    await this.lock.release();
  }

  /** Takes what waits, as much as one batch holds, until nothing waits. */
  private async commitPending(): Promise<void> {
    await Promise.resolve();
    while (this.pending.length > 0) {
      const batch = this.pending.splice(0, MAX_BATCH_LEAVES);
      try {
        await this.commit(batch);
      } catch (cause) {
        const error = new TrisealError("LOG_UNAVAILABLE", "the log could not be written", { cause });
        for (const { reject } of batch) reject(error);
      }
    }
    this.committing = null;
  }

  private async commit(batch: readonly Pending[]): Promise<void> {
    const records = batch.map(({ leaf, record }) => ({ name: encodeHex(leafHash(leaf)), bytes: record }));
    const leaves = batch.map(({ leaf }) => leaf);
    await this.leafFile.append(leaves, this.records.steps(records));
    this.records.wrote(records);
    const first = this.tree.size;
    const hashes = leaves.map((leaf) => encodeHex(this.tree.append(leaf)));
    this.tiles.add(leaves);
    this.signed = null;
    this.unpublished = true;
    this.publishTimer ??= setTimeout(() => void this.published(), PUBLISH_AFTER_MS);
    for (const [place, { resolve }] of batch.entries()) resolve({ index: first + place, leafHash: hashes[place] ?? "" });
  }

  private async publish(): Promise<void> {
    const { files, directory } = this.options;
    const signed = this.checkpoint();
    this.unpublished = false;
    await this.tiles.write();
    await files.write(`${directory}/checkpoint.tmp`, new TextEncoder().encode(signed), false);
    await files.rename(`${directory}/checkpoint.tmp`, `${directory}/checkpoint`);
  }

  /** What was published once must still be so: a log never takes back a leaf. */
  private async checkPublished(): Promise<void> {
    const { files, directory } = this.options;
    const published = await files.read(`${directory}/checkpoint`);
    // Written without sync: a crash can leave it empty or torn, and then the cosigned ones still stand.
    const checkpoint = published === null ? null : readCheckpoint(published);
    if (checkpoint !== null) this.assertPublished(checkpoint);
    for (const name of await files.list(`${directory}/checkpoints`)) {
      if (!/^[0-9]+$/.test(name)) continue;
      const bytes = (await files.read(`${directory}/checkpoints/${name}`)) ?? new Uint8Array();
      const cosigned = readCheckpoint(bytes);
      if (cosigned === null || String(cosigned.size) !== name)
        throw new TrisealError("LOG_CORRUPT", `the cosigned checkpoint ${name.slice(0, 20)} is unreadable`);
      this.assertPublished(cosigned);
      this.cosigned.keep(cosigned.size, new TextDecoder().decode(bytes));
    }
  }

  private assertPublished({ origin, size, root }: Checkpoint): void {
    if (origin !== this.options.origin) throw new TrisealError("LOG_CORRUPT", `the folder holds the log ${origin}`);
    if (size > this.tree.size) throw new TrisealError("LOG_CORRUPT", `${size} leaves were published, ${this.tree.size} are left`);
    if (!equalBytes(this.tree.root(size), root))
      throw new TrisealError("LOG_CORRUPT", `the first ${size} leaves are not those that were published`);
  }
}
