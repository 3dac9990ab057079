/** A content-addressed folder: every file stands under the SHA-256 of its bytes. */
import { digestHex, digestOf, type Sha256Digest } from "../../core/digest.ts";
import { TrisealError } from "../../core/errors.ts";
import { type DurableFiles, replaceFile } from "./files.ts";

/** Keeps blobs by digest. Never changes one, never deletes one. */
export class BlobStore {
  private readonly files: DurableFiles;
  private readonly directory: string;

  constructor(files: DurableFiles, directory: string) {
    this.files = files;
    this.directory = directory;
  }

  /** Stores `bytes` durably and returns their digest; a blob that is there already is not written again. */
  async put(bytes: Uint8Array): Promise<Sha256Digest> {
    const digest = digestOf(bytes);
    const folder = this.folder(digest);
    if ((await this.get(digest)) === null) {
      await this.files.makeDirectory(folder);
      await replaceFile(this.files, `${folder}/${digestHex(digest)}`, bytes);
    } else {
      // Whoever wrote it may not have synced its name yet, or was stopped before.
      await this.files.syncDirectory(folder);
    }
    await this.files.syncDirectory(this.directory);
    return digest;
  }

  /**
   * The blob, or null where there is none.
   * @throws TrisealError `LOG_CORRUPT` where the stored bytes have another digest.
   */
  async get(digest: Sha256Digest): Promise<Uint8Array | null> {
    const bytes = await this.files.read(`${this.folder(digest)}/${digestHex(digest)}`);
    if (bytes !== null && digestOf(bytes) !== digest) throw new TrisealError("LOG_CORRUPT", `blob ${digest} is damaged`);
    return bytes;
  }

  private folder(digest: Sha256Digest): string {
    return `${this.directory}/${digestHex(digest).slice(0, 2)}`;
  }
}
