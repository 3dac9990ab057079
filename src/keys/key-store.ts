/** Keys of a gateway as files of mode 0600: one key, one purpose, and never deleted, so that old receipts keep their signer's name. */
import { randomBytes } from "node:crypto";
import { encodeHex, utf8 } from "../core/bytes.ts";
import { boolean, type Decoded, hexBytes, hexText, matching, nullable, object, oneOf, seconds, text } from "../core/decode.ts";
import type { Signer } from "../core/ed25519.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { UnixSeconds } from "../core/time.ts";
import { type DurableFiles, makeDurableDirectory, nodeFiles, replaceFile } from "../log/store/files.ts";
import { createSeedSigner } from "../signing/ed25519-signer.ts";

/** What keys are for. One key serves one purpose. */
export const KEY_PURPOSES = ["gateway", "log", "policy"] as const;

/** What a key is for: receipts, checkpoints, or policy statements. */
export type KeyPurpose = (typeof KEY_PURPOSES)[number];

const decodeKeyFile = object({
  v: oneOf(1),
  purpose: oneOf(...KEY_PURPOSES),
  keyId: matching(/[a-z0-9][a-z0-9-]{0,63}/, "a key id"),
  algo: oneOf("ed25519"),
  publicKey: hexText(32),
  seed: hexBytes(32),
  createdAt: seconds,
  /** A key made for development: a gateway refuses it without `--dev`. */
  dev: boolean,
  retiredAt: nullable(seconds),
  revoked: nullable(object({ at: seconds, because: text(500) })),
});

type KeyFile = Decoded<typeof decodeKeyFile>;

/** A key without its secret. */
export type KeyDescription = Omit<KeyFile, "v" | "seed">;

/** Which keys may sign: those made for development, those made for production, or either, where only the log's own changes are signed. */
export type KeyMode = "dev" | "production" | "any";

/** What happened to a key: a leaf of the log. */
export type KeyEvent = {
  readonly v: 1;
  readonly type: "key.created" | "key.retired" | "key.revoked";
  readonly purpose: KeyPurpose;
  readonly keyId: string;
  readonly publicKey: string;
  readonly at: UnixSeconds;
  /** Reason of a revocation. */
  readonly because?: string;
};

/** The keys of one folder. */
export class KeyStore {
  private readonly directory: string;
  private readonly files: DurableFiles;
  private settled = false;

  constructor(directory: string, files: DurableFiles = nodeFiles) {
    this.directory = directory;
    this.files = files;
  }

  /** All keys, oldest first. @throws TrisealError `KEY_FILE_INVALID` for a file that others can read, or a malformed one. */
  async list(): Promise<readonly KeyDescription[]> {
    return (await this.readAll()).map(describeKey);
  }

  /** The signer of the one active key of a purpose. @throws TrisealError `KEY_UNKNOWN`; `KEY_FILE_INVALID` for a key of the other mode. */
  async signer(purpose: KeyPurpose, mode: KeyMode): Promise<Signer> {
    const key = (await this.readAll()).findLast((candidate) => candidate.purpose === purpose && isActive(candidate));
    if (key === undefined) throw new TrisealError("KEY_UNKNOWN", `no active ${purpose} key in ${this.directory}`);
    if (mode !== "any" && key.dev !== (mode === "dev")) {
      const kind = key.dev ? "a development key: production refuses it" : "a production key: development refuses it";
      throw new TrisealError("KEY_FILE_INVALID", `${key.keyId} is ${kind}`);
    }
    return createSeedSigner(key.keyId, key.seed);
  }

  /** Makes a key for every purpose that has no active one. Returns what is to be logged. */
  async init(options: { readonly dev: boolean; readonly now: UnixSeconds }): Promise<readonly KeyEvent[]> {
    const keys = await this.readAll();
    const missing = KEY_PURPOSES.filter((purpose) => !keys.some((key) => key.purpose === purpose && isActive(key)));
    const events: KeyEvent[] = [];
    for (const purpose of missing) events.push(await this.create(purpose, options));
    return events;
  }

  /** Makes a new key for `purpose` and retires the active one: it signs no more, and stays good for what it signed. */
  async rotate(purpose: KeyPurpose, now: UnixSeconds): Promise<readonly KeyEvent[]> {
    const old = (await this.readAll()).findLast((candidate) => candidate.purpose === purpose && isActive(candidate));
    if (old === undefined) throw new TrisealError("KEY_UNKNOWN", `no active ${purpose} key to rotate`);
    const created = await this.create(purpose, { dev: old.dev, now });
    await this.write({ ...old, retiredAt: now });
    return [created, keyEvent("key.retired", old, now)];
  }

  /**
   * Marks a key as revoked. What it signed before is rejected only by trust files that name the revocation.
   * @throws TrisealError `KEY_UNKNOWN`; `FORMAT_INVALID` for a reason that is empty, longer than 500 characters or not one line.
   */
  async revoke(keyId: string, because: string, now: UnixSeconds): Promise<readonly KeyEvent[]> {
    const key = (await this.readAll()).find((candidate) => candidate.keyId === keyId);
    if (key === undefined) throw new TrisealError("KEY_UNKNOWN", `no key \`${keyId.slice(0, 64)}\``);
    if (key.revoked !== null) throw new TrisealError("KEY_UNKNOWN", `key ${keyId} is revoked already`);
    // What its own reader would refuse must never reach the file: one bad file stops every key of the folder.
    const reason = text(500)(because, "reason");
    await this.write({ ...key, revoked: { at: now, because: reason } });
    return [{ ...keyEvent("key.revoked", key, now), because }];
  }

  private async create(purpose: KeyPurpose, options: { readonly dev: boolean; readonly now: UnixSeconds }): Promise<KeyEvent> {
    const seed = new Uint8Array(randomBytes(32));
    const { publicKey } = createSeedSigner("new", seed);
    const keyId = `${options.dev ? "dev-" : ""}${purpose}-${publicKey.slice(0, 12)}`;
    const key = {
      v: 1,
      purpose,
      keyId,
      algo: "ed25519",
      publicKey,
      seed,
      createdAt: options.now,
      dev: options.dev,
      retiredAt: null,
      revoked: null,
    } as const;
    await this.write(key);
    return keyEvent("key.created", key, options.now);
  }

  private async readAll(): Promise<readonly KeyFile[]> {
    await this.settle();
    const names = (await this.files.list(this.directory)).filter((name) => name.endsWith(".json"));
    const keys = await Promise.all(names.map((name) => this.read(name)));
    return keys.sort((left, right) => left.createdAt - right.createdAt || (left.keyId < right.keyId ? -1 : 1));
  }

  /** Whoever wrote a key may have been killed before its name was durable: what a lost key signed could not be explained. */
  private async settle(): Promise<void> {
    if (this.settled || (await this.files.mode(this.directory)) === null) return;
    await this.files.syncDirectory(this.directory);
    this.settled = true;
  }

  private async read(name: string): Promise<KeyFile> {
    const path = `${this.directory}/${name}`;
    if ((((await this.files.mode(path)) ?? 0) & 0o077) !== 0)
      throw new TrisealError("KEY_FILE_INVALID", `${path} can be read by others: chmod 600`);
    try {
      const key = decodeKeyFile(parseJson((await this.files.read(path)) ?? new Uint8Array()), "key");
      if (createSeedSigner(key.keyId, key.seed).publicKey !== key.publicKey)
        throw new TrisealError("FORMAT_INVALID", "seed and public key differ");
      return key;
    } catch (cause) {
      const reason = isTrisealError(cause) ? cause.message : "unreadable";
      throw new TrisealError("KEY_FILE_INVALID", `${path}: ${reason}`, { cause });
    }
  }

  private async write(key: KeyFile): Promise<void> {
    await makeDurableDirectory(this.files, this.directory);
    const path = `${this.directory}/${key.keyId}.json`;
    await replaceFile(this.files, path, utf8(`${JSON.stringify({ ...key, seed: encodeHex(key.seed) }, null, 2)}\n`));
  }
}

function describeKey({ purpose, keyId, algo, publicKey, createdAt, dev, retiredAt, revoked }: KeyFile): KeyDescription {
  return { purpose, keyId, algo, publicKey, createdAt, dev, retiredAt, revoked };
}

function isActive(key: KeyFile): boolean {
  return key.retiredAt === null && key.revoked === null;
}

function keyEvent(type: KeyEvent["type"], key: Pick<KeyFile, "purpose" | "keyId" | "publicKey">, at: UnixSeconds): KeyEvent {
  return { v: 1, type, purpose: key.purpose, keyId: key.keyId, publicKey: key.publicKey, at };
}
