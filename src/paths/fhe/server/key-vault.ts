/**
 * Key sets of callers: uploaded in pieces, kept by digest in one folder that the engine reads, and belonging to whoever uploaded
 * them. Whoever knows a digest alone has no right to a key: its bytes must be sent.
 */
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { digestHex } from "../../../core/digest.ts";
import { isTrisealError, TrisealError } from "../../../core/errors.ts";
import type { ByteStream } from "../../path.ts";
import { fheError } from "../wire/codes.ts";
import { encodeKeyDocument, type KeyDocument, parseKeyDocument } from "../wire/key-document.ts";
import {
  appendChunk,
  changedAt,
  fileBytes,
  hashFile,
  lengthOf,
  makeFolder,
  namesIn,
  readOrNull,
  removeFolder,
  syncFolder,
  writeDurably,
} from "./data-files.ts";
import type { Engine } from "./engine.ts";
import { TenantTurns } from "./tenant-turns.ts";

/** What keys may take. */
export interface KeyLimits {
  /** Key sets of one tenant, half-made ones included, and their bytes. */
  readonly keysPerTenant: number;
  readonly bytesPerTenant: number;
  /** Bytes of all tenants' keys. */
  readonly bytes: number;
  /** Age at which an upload that nobody went on with is deleted. */
  readonly uploadSeconds: number;
}

/** Where an upload stands. */
export interface UploadState {
  readonly key: KeyDocument;
  /** By the digest of the piece, 64 hexadecimal digits: how much of it is here, and how much it is. */
  readonly pieces: readonly { readonly name: string; readonly offset: number; readonly length: number }[];
  readonly complete: boolean;
}

interface Piece {
  readonly name: string;
  readonly length: number;
}

const HEX = /^[0-9a-f]{64}$/;

/** The keys of one gateway. */
export class KeyVault {
  /** What the engine reads. */
  readonly folder: string;
  private readonly uploads: string;
  private readonly rights: string;
  private readonly limits: KeyLimits;
  private readonly engine: Engine;
  /** Work on one tenant's keys, one after the other. */
  private readonly turns = new TenantTurns();

  constructor(dataDir: string, limits: KeyLimits, engine: Engine) {
    this.folder = join(dataDir, "keys");
    this.uploads = join(dataDir, "uploads");
    this.rights = join(dataDir, "rights");
    this.limits = limits;
    this.engine = engine;
  }

  /** Makes the folders, and forgets uploads that nobody went on with. @param now milliseconds. */
  async open(now: number): Promise<void> {
    for (const folder of [this.folder, this.uploads, this.rights]) await makeFolder(folder);
    await this.sweep(now);
  }

  /** Deletes half-made uploads past their age. @param now milliseconds. */
  async sweep(now: number): Promise<void> {
    for (const tenant of await namesIn(this.uploads)) {
      for (const keyId of await namesIn(join(this.uploads, tenant))) {
        const folder = join(this.uploads, tenant, keyId);
        const pieces = await Promise.all((await namesIn(folder)).map((name) => changedAt(join(folder, name))));
        if (now - Math.max(await changedAt(folder), ...pieces) > this.limits.uploadSeconds * 1000) await removeFolder(folder);
      }
    }
  }

  /**
   * Opens an upload, or says where it stands. One that is complete is checked again where the engine could not before.
   * @throws TrisealError `FHE_KEY_INVALID` for a document that is none, `FHE_KEY_QUOTA`, and as the engine.
   */
  begin(tenant: string, document: Uint8Array, signal: AbortSignal): Promise<UploadState> {
    const key = parsed(document);
    return this.turns.run(tenant, async () => {
      if ((await this.find(tenant, key.keyId)) !== null) return complete(key);
      const folder = this.folderOf(tenant, key.keyId);
      const before = await readOrNull(join(folder, "key.json"));
      if (before === null) {
        await this.assertRoom(tenant, key);
        await makeFolder(folder);
        await writeDurably(join(folder, "key.json"), encodeKeyDocument(key));
      } else if (!sameKey(parsed(before), key)) {
        throw fheError("FHE_KEY_INVALID", "an upload of another document with this key is under way");
      }
      return this.finish(tenant, key, signal);
    });
  }

  /**
   * Appends a chunk to a piece of an upload. With the last one the key is checked, and belongs to the tenant.
   * @param name the piece's digest, 64 hexadecimal digits.
   * @throws TrisealError `FHE_KEY_UNKNOWN`, `FHE_UPLOAD_OFFSET`, `FHE_KEY_INVALID`, and as the engine.
   */
  append(tenant: string, name: string, offset: number, chunk: Uint8Array, signal: AbortSignal): Promise<UploadState> {
    return this.turns.run(tenant, async () => {
      const key = await this.uploadWith(tenant, name);
      const piece = piecesOf(key).find((one) => one.name === name);
      if (piece === undefined) throw unknown();
      if (offset + chunk.length > piece.length) throw fheError("FHE_KEY_INVALID", "more bytes than the key's document says");
      await appendChunk(join(this.folderOf(tenant, key.keyId), name), offset, chunk);
      return this.finish(tenant, key, signal);
    });
  }

  /** Where a piece's upload stands. @throws TrisealError `FHE_KEY_UNKNOWN`. */
  async offset(tenant: string, name: string): Promise<{ readonly offset: number; readonly length: number }> {
    const own = (await this.list(tenant)).flatMap(piecesOf).find((piece) => piece.name === name);
    if (own !== undefined) return { offset: own.length, length: own.length };
    const key = await this.uploadWith(tenant, name);
    const piece = piecesOf(key).find((one) => one.name === name);
    return { offset: await lengthOf(join(this.folderOf(tenant, key.keyId), name)), length: piece?.length ?? 0 };
  }

  /** A key of a tenant, or null. */
  async find(tenant: string, keyId: string): Promise<KeyDocument | null> {
    if (!HEX.test(keyId)) return null;
    const bytes = await readOrNull(join(this.rights, tenant, `${keyId}.json`));
    return bytes === null ? null : parsed(bytes);
  }

  /** The keys of a tenant, in the order of their ids. */
  async list(tenant: string): Promise<readonly KeyDocument[]> {
    const names = (await namesIn(join(this.rights, tenant))).filter((name) => name.endsWith(".json")).sort();
    const found = await Promise.all(names.map((name) => this.find(tenant, name.slice(0, -".json".length))));
    return found.filter((key) => key !== null);
  }

  /** The bytes of a piece of a tenant's key, or null. @param name 64 hexadecimal digits. */
  async bytes(tenant: string, name: string): Promise<ByteStream | null> {
    const own = (await this.list(tenant)).flatMap(piecesOf).some((piece) => piece.name === name);
    return own ? fileBytes(join(this.folder, name)) : null;
  }

  private folderOf(tenant: string, keyId: string): string {
    return join(this.uploads, tenant, keyId);
  }

  /** The upload that has this piece. */
  private async uploadWith(tenant: string, name: string): Promise<KeyDocument> {
    for (const key of await this.openUploads(tenant)) if (piecesOf(key).some((piece) => piece.name === name)) return key;
    throw unknown();
  }

  private async openUploads(tenant: string): Promise<readonly KeyDocument[]> {
    const keys: KeyDocument[] = [];
    for (const keyId of await namesIn(join(this.uploads, tenant))) {
      const bytes = await readOrNull(join(this.folderOf(tenant, keyId), "key.json"));
      if (bytes !== null) keys.push(parsed(bytes));
    }
    return keys;
  }

  private async assertRoom(tenant: string, key: KeyDocument): Promise<void> {
    const own = [...(await this.list(tenant)), ...(await this.openUploads(tenant))];
    const { keysPerTenant, bytesPerTenant, bytes } = this.limits;
    if (own.length >= keysPerTenant) throw fheError("FHE_KEY_QUOTA", "this tenant has as many keys as it may");
    const asked = bytesOf(key);
    if (own.reduce((sum, one) => sum + bytesOf(one), asked) > bytesPerTenant)
      throw fheError("FHE_KEY_QUOTA", "this tenant's keys would take more bytes than they may");
    const tenants = new Set([...(await namesIn(this.rights)), ...(await namesIn(this.uploads))]);
    let all = asked;
    for (const other of tenants)
      for (const one of [...(await this.list(other)), ...(await this.openUploads(other))]) all += bytesOf(one);
    if (all > bytes) throw fheError("FHE_KEY_QUOTA", "all keys together would take more bytes than they may");
  }

  /** Where an upload stands; once all of it is here, the key is checked and given to the tenant. */
  private async finish(tenant: string, key: KeyDocument, signal: AbortSignal): Promise<UploadState> {
    const folder = this.folderOf(tenant, key.keyId);
    const at = async ({ name, length }: Piece) => ({ name, length, offset: await lengthOf(join(folder, name)) });
    const pieces = await Promise.all(piecesOf(key).map(at));
    if (pieces.some(({ offset, length }) => offset < length)) return { key, pieces, complete: false };
    try {
      await this.check(tenant, key, signal);
    } catch (error) {
      // A key that is not what it says stays nowhere. One that could not be checked now can be later.
      if (isInvalid(error)) await removeFolder(folder);
      throw isInvalid(error) && !isTrisealError(error, "FHE_KEY_INVALID")
        ? fheError("FHE_KEY_INVALID", "the engine refuses the key", { cause: error })
        : error;
    }
    await removeFolder(folder);
    return { key, pieces, complete: true };
  }

  private async check(tenant: string, key: KeyDocument, signal: AbortSignal): Promise<void> {
    const folder = this.folderOf(tenant, key.keyId);
    const added: string[] = [];
    for (const { name } of piecesOf(key)) {
      if ((await hashFile(join(folder, name))) !== name)
        throw fheError("FHE_KEY_INVALID", "the bytes have another digest than the key's document says");
    }
    for (const { name } of piecesOf(key)) {
      if ((await lengthOf(join(this.folder, name))) > 0) continue;
      await rename(join(folder, name), join(this.folder, name));
      added.push(name);
    }
    await syncFolder(this.folder);
    try {
      const publicKey = key.publicKey === null ? null : digestHex(key.publicKey.digest);
      const found = await this.engine.checkKey({ keyId: key.keyId, publicKey }, { signal });
      if (found.kind !== key.kind || found.tag !== key.tag || found.parameters !== key.parameters)
        throw fheError("FHE_KEY_INVALID", "the key is of another kind, tag or parameters than its document says");
    } catch (error) {
      for (const name of added)
        await (isInvalid(error) ? rm(join(this.folder, name)) : rename(join(this.folder, name), join(folder, name)));
      throw error;
    }
    await makeFolder(join(this.rights, tenant));
    await writeDurably(join(this.rights, tenant, `${key.keyId}.json`), encodeKeyDocument(key));
  }
}

/** The files of a key set. */
function piecesOf({ serverKey, publicKey }: KeyDocument): readonly Piece[] {
  const pieces = publicKey === null ? [serverKey] : [serverKey, publicKey];
  return pieces.map(({ digest, bytes }) => ({ name: digestHex(digest), length: bytes }));
}

function bytesOf(key: KeyDocument): number {
  return piecesOf(key).reduce((sum, { length }) => sum + length, 0);
}

function complete(key: KeyDocument): UploadState {
  return { key, pieces: piecesOf(key).map((piece) => ({ ...piece, offset: piece.length })), complete: true };
}

function sameKey(left: KeyDocument, right: KeyDocument): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

function parsed(bytes: Uint8Array): KeyDocument {
  try {
    return parseKeyDocument(bytes);
  } catch (cause) {
    const reason = cause instanceof TrisealError ? cause.message : "no key document";
    throw fheError("FHE_KEY_INVALID", reason, { cause });
  }
}

function unknown(): TrisealError {
  return fheError("FHE_KEY_UNKNOWN", "no upload of this tenant has that piece");
}

/** Whether the key itself is what is wrong. */
function isInvalid(error: unknown): boolean {
  return isTrisealError(error, "FHE_KEY_INVALID") || isTrisealError(error, "FHE_INPUT_INVALID");
}
