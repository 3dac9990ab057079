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

const decodeKeyFile = object(
  {
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
  },
  {
    /** When a staged key began to sign, null while it waits. Absent in a key that was never staged: it signed from its creation on. */
    activatedAt: nullable(seconds),
  },
);

type KeyFile = Decoded<typeof decodeKeyFile>;

/** A key without its secret. */
export type KeyDescription = Omit<KeyFile, "v" | "seed">;

/** Which keys may sign: those made for development, those made for production, or either, where only the log's own changes are signed. */
export type KeyMode = "dev" | "production" | "any";

/** What happened to a key: a leaf of the log. */
export type KeyEvent = {
  readonly v: 1;
  readonly type: "key.created" | "key.staged" | "key.activated" | "key.retired" | "key.revoked";
  readonly purpose: KeyPurpose;
  readonly keyId: string;
  readonly publicKey: string;
  readonly at: UnixSeconds;
  /** Reason of a revocation. */
  readonly because?: string;
};

/** A rotation that is prepared and not yet done. */
export interface PreparedRotation {
  readonly signer: Signer;
  /** What is to be logged before it is done. */
  readonly events: readonly KeyEvent[];
  /** Lets the successor sign, and retires the key before it. */
  activate(): Promise<void>;
}

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
    const key = activeKey(await this.readAll(), purpose);
    if (key === null) throw new TrisealError("KEY_UNKNOWN", `no active ${purpose} key in ${this.directory}`);
    if (mode !== "any" && key.dev !== (mode === "dev")) {
      const kind = key.dev ? "a development key: production refuses it" : "a production key: development refuses it";
      throw new TrisealError("KEY_FILE_INVALID", `${key.keyId} is ${kind}`);
    }
    return createSeedSigner(key.keyId, key.seed);
  }

  /**
   * The signer of a key that signed once, by its id: what was begun under it is ended under it, also after a rotation. Null for
   * a key that is revoked, was never put in force, or is of another purpose. @throws TrisealError `KEY_FILE_INVALID`.
   */
  async signerById(purpose: KeyPurpose, keyId: string): Promise<Signer | null> {
    const key = (await this.readAll()).find((candidate) => candidate.keyId === keyId && candidate.purpose === purpose);
    return key === undefined || key.revoked !== null || signsSince(key) === null ? null : createSeedSigner(keyId, key.seed);
  }

  /** Everything that happened to the keys, as it is to be found in the log. Each event follows from its key file alone. */
  async history(): Promise<readonly KeyEvent[]> {
    return (await this.readAll()).flatMap(eventsOf);
  }

  /** Makes a key for every purpose that has no active one. Returns what is to be logged. */
  async init(options: { readonly dev: boolean; readonly now: UnixSeconds }): Promise<readonly KeyEvent[]> {
    const keys = await this.readAll();
    const events: KeyEvent[] = [];
    for (const purpose of KEY_PURPOSES.filter((wanted) => activeKey(keys, wanted) === null)) {
      const key = newKey(purpose, options);
      await this.write(key);
      events.push(keyEvent("key.created", key, options.now));
    }
    return events;
  }

  /**
   * Makes the successor of the active key. It signs nothing before it is activated, so that relying parties can name it first.
   * @throws TrisealError `KEY_UNKNOWN` without an active key; `KEY_STAGED` where a successor waits already.
   */
  async stage(purpose: KeyPurpose, now: UnixSeconds): Promise<readonly KeyEvent[]> {
    const keys = await this.readAll();
    const active = activeKey(keys, purpose);
    if (active === null) throw new TrisealError("KEY_UNKNOWN", `no active ${purpose} key to succeed`);
    const waiting = stagedKey(keys, purpose);
    if (waiting !== null)
      throw new TrisealError("KEY_STAGED", `${waiting.keyId} is staged already, public key ${waiting.publicKey}`);
    const key = { ...newKey(purpose, { dev: active.dev, now }), activatedAt: null };
    await this.write(key);
    return eventsOf(key);
  }

  /** Public key of the staged key of a purpose, or null. */
  async staged(purpose: KeyPurpose): Promise<string | null> {
    return stagedKey(await this.readAll(), purpose)?.publicKey ?? null;
  }

  /**
   * The rotation to the staged key of `purpose`, or to a new one where none is staged; nothing is changed yet. The old key
   * signs no more once it is done, and stays good for what it signed.
   * @throws TrisealError `KEY_UNKNOWN` without an active key.
   */
  async prepareRotation(purpose: KeyPurpose, now: UnixSeconds): Promise<PreparedRotation> {
    const keys = await this.readAll();
    const old = activeKey(keys, purpose);
    if (old === null) throw new TrisealError("KEY_UNKNOWN", `no active ${purpose} key to rotate`);
    const staged = stagedKey(keys, purpose);
    const next = staged === null ? newKey(purpose, { dev: old.dev, now }) : { ...staged, activatedAt: now };
    const begins = staged === null ? "key.created" : "key.activated";
    return {
      signer: createSeedSigner(next.keyId, next.seed),
      events: [keyEvent(begins, next, now), keyEvent("key.retired", old, now)],
      // In this order: a crash between the two leaves two active keys, of which the younger signs.
      activate: async () => {
        await this.write(next);
        await this.write({ ...old, retiredAt: now });
      },
    };
  }

  /**
   * The revocation of a key; nothing is changed yet. What the key signed before is rejected only by trust files that name the
   * revocation.
   * @throws TrisealError `KEY_UNKNOWN`; `FORMAT_INVALID` for a reason that is empty, longer than 500 characters or not one line.
   */
  async prepareRevocation(
    keyId: string,
    because: string,
    now: UnixSeconds,
  ): Promise<{ readonly events: readonly KeyEvent[]; readonly revoke: () => Promise<void> }> {
    const key = (await this.readAll()).find((candidate) => candidate.keyId === keyId);
    if (key === undefined) throw new TrisealError("KEY_UNKNOWN", `no key \`${keyId.slice(0, 64)}\``);
    if (key.revoked !== null) throw new TrisealError("KEY_UNKNOWN", `key ${keyId} is revoked already`);
    // What its own reader would refuse must never reach the file: one bad file stops every key of the folder.
    const revoked = { at: now, because: text(500)(because, "reason") };
    const events = [{ ...keyEvent("key.revoked", key, now), because }];
    return { events, revoke: () => this.write({ ...key, revoked }) };
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

function newKey(purpose: KeyPurpose, options: { readonly dev: boolean; readonly now: UnixSeconds }): KeyFile {
  const seed = new Uint8Array(randomBytes(32));
  const { publicKey } = createSeedSigner("new", seed);
  const keyId = `${options.dev ? "dev-" : ""}${purpose}-${publicKey.slice(0, 12)}`;
  const made = { v: 1, purpose, keyId, algo: "ed25519", publicKey, seed, createdAt: options.now } as const;
  return { ...made, dev: options.dev, retiredAt: null, revoked: null };
}

function describeKey(key: KeyFile): KeyDescription {
  const { purpose, keyId, algo, publicKey, createdAt, dev, retiredAt, revoked, activatedAt } = key;
  const description = { purpose, keyId, algo, publicKey, createdAt, dev, retiredAt, revoked };
  return activatedAt === undefined ? description : { ...description, activatedAt };
}

/** When the key began to sign; null for one that waits. */
function signsSince(key: KeyFile): number | null {
  return key.activatedAt === undefined ? key.createdAt : key.activatedAt;
}

/** The key that signs now: the one that began last. */
function activeKey(keys: readonly KeyFile[], purpose: KeyPurpose): KeyFile | null {
  const active = keys.filter((key) => key.purpose === purpose && key.retiredAt === null && key.revoked === null);
  const signing = active.filter((key) => signsSince(key) !== null);
  return signing.sort((left, right) => (signsSince(left) ?? 0) - (signsSince(right) ?? 0)).at(-1) ?? null;
}

function stagedKey(keys: readonly KeyFile[], purpose: KeyPurpose): KeyFile | null {
  return keys.find((key) => key.purpose === purpose && key.activatedAt === null && key.revoked === null) ?? null;
}

function eventsOf(key: KeyFile): readonly KeyEvent[] {
  const { activatedAt, retiredAt, revoked } = key;
  return [
    keyEvent(activatedAt === undefined ? "key.created" : "key.staged", key, key.createdAt),
    ...(typeof activatedAt === "number" ? [keyEvent("key.activated", key, activatedAt)] : []),
    ...(retiredAt === null ? [] : [keyEvent("key.retired", key, retiredAt)]),
    ...(revoked === null ? [] : [{ ...keyEvent("key.revoked", key, revoked.at), because: revoked.because }]),
  ];
}

function keyEvent(type: KeyEvent["type"], key: Pick<KeyFile, "purpose" | "keyId" | "publicKey">, at: UnixSeconds): KeyEvent {
  return { v: 1, type, purpose: key.purpose, keyId: key.keyId, publicKey: key.publicKey, at };
}
