/** The gateway's memory: what it logged, found again by receipt id, and put together as bundles. */
import { encodeHex } from "../core/bytes.ts";
import { digestHex, digestOf, digestOfJson, type Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { isJsonObject, type JsonObject, parseJson } from "../core/json.ts";
import { type LeafKind, SALT_LENGTH } from "../log/index.ts";
import type { BlobStore } from "../log/store/blob-store.ts";
import type { TransparencyLog } from "../log/store/transparency-log.ts";
import { encodeBundle, type GatewayKeyset, type Receipt, receiptDigest } from "../receipt/index.ts";
import { encodeRecord, type LogRecord, parseRecord, type ReceiptRecord, type UsedKey } from "./record.ts";
import { openAnswer, type SealedAnswer, storeAnswer, type VaultKeys } from "./response-vault.ts";

/** What the index keeps of one receipt. */
interface IndexedReceipt {
  readonly index: number;
  readonly keyHash: string;
}

/** The place where an `Idempotency-Key` was used up. */
export interface KeyUse {
  /** The leaf of the receipt. */
  readonly index: number;
  /** Hash of the request that used it. */
  readonly requestHash: string;
}

/** A response as it was first sent. */
export interface StoredResponse {
  readonly receiptId: string;
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array;
}

/** A receipt with what only it cites, ready to be logged. */
export interface SignedExchange {
  readonly receipt: Receipt;
  /** Decision and legs. */
  readonly blobs: readonly Uint8Array[];
  /** Report, policy and statement: documents that many receipts share, stored before. */
  readonly cites: readonly Sha256Digest[];
  readonly session: string | null;
  readonly tenant: string;
  readonly keyHash: string;
  readonly response: { readonly body: Uint8Array; readonly mediaType: string } | null;
}

/** Waits until witnesses cosigned a checkpoint that covers a leaf; resolves at a time limit too. */
export type AwaitWitnesses = (index: number) => Promise<void>;

/** The ledger over one log. */
export class Ledger {
  readonly log: TransparencyLog;
  private readonly blobs: BlobStore;
  private readonly vault: VaultKeys;
  private readonly keysets: (digest: Sha256Digest) => Promise<GatewayKeyset | null>;
  private readonly receipts = new Map<string, IndexedReceipt>();
  /** Used idempotency keys, by their hash. Entries stay when the answer is gone: the key must not get a second one. */
  private readonly keyUses = new Map<string, KeyUse>();
  /** Leaves of documents that receipts share, by digest. */
  private readonly shared = new Map<Sha256Digest, number>();
  private awaitWitnesses: AwaitWitnesses = () => Promise.resolve();
  private onAppend: () => void = () => undefined;

  private constructor(log: TransparencyLog, blobs: BlobStore, vault: VaultKeys) {
    this.log = log;
    this.blobs = blobs;
    this.vault = vault;
    this.keysets = async (digest) => {
      const bytes = await blobs.get(digest);
      return bytes === null ? null : (parseJson(bytes) as unknown as GatewayKeyset);
    };
  }

  /** Opens the ledger of a log and builds its index from the log's leaves and their records. */
  static async open(log: TransparencyLog, blobs: BlobStore, vault: VaultKeys): Promise<Ledger> {
    const ledger = new Ledger(log, blobs, vault);
    for (let index = 0; index < log.size; index++) {
      const record = await ledger.recordAt(index);
      if (record !== null) ledger.index(record, index);
    }
    return ledger;
  }

  /** Says how to reach the witnesses. */
  useWitnesses(awaitWitnesses: AwaitWitnesses, onAppend: () => void): void {
    this.awaitWitnesses = awaitWitnesses;
    this.onAppend = onAppend;
  }

  /** Stores a document that receipts cite, durably, without a leaf. */
  store(bytes: Uint8Array): Promise<Sha256Digest> {
    return this.blobs.put(bytes);
  }

  /** Stores the keyset that receipts name. */
  async storeKeyset(keyset: GatewayKeyset): Promise<void> {
    await this.blobs.put(encodeJcs(keyset as unknown as JsonObject));
  }

  /** Logs a document that receipts share, once. @throws TrisealError `LOG_UNAVAILABLE`. */
  async logShared(kind: "session" | "policy" | "key", bytes: Uint8Array): Promise<void> {
    const document = digestOf(bytes);
    if (this.shared.has(document)) return;
    await this.append(kind, document, [bytes]);
  }

  /**
   * Logs a receipt; resolves when it is durable, and only then may the answer leave.
   * @param usedKey the idempotency key that the receipt uses up; null for none, or where a retry may be answered anew.
   * @throws TrisealError `LOG_UNAVAILABLE`.
   */
  async logExchange(exchange: SignedExchange, usedKey: UsedKey | null): Promise<void> {
    const { receipt, response } = exchange;
    const stored = response === null ? null : { ...(await this.storeAnswer(response.body)), mediaType: response.mediaType };
    await this.append("receipt", receiptDigest(receipt), [encodeJcs(receipt.document), ...exchange.blobs], {
      id: receipt.receipt_id,
      tenant: exchange.tenant,
      keyHash: exchange.keyHash,
      servedAt: receipt.served_at,
      cites: exchange.cites,
      session: exchange.session,
      response: stored,
      ...(usedKey === null ? {} : { idempotency: usedKey }),
    });
  }

  /** Where an idempotency key was used up, or null. */
  keyUse(keyHash: string): KeyUse | null {
    return this.keyUses.get(keyHash) ?? null;
  }

  /** The response that a key got, or null once the vault's key or the record is deleted. */
  async storedResponse({ index }: KeyUse): Promise<StoredResponse | null> {
    const receipt = (await this.recordAt(index))?.receipt;
    if (receipt?.response == null || receipt.idempotency === undefined) return null;
    const body = await openAnswer(this.vault, receipt.response);
    const { mediaType } = receipt.response;
    return body === null ? null : { receiptId: receipt.id, status: receipt.idempotency.status, mediaType, body };
  }

  /** The receipt document of `id`, for the key that made the request. @throws TrisealError `RECEIPT_UNKNOWN`. */
  async receipt(id: string, keyHash: string): Promise<JsonObject> {
    return receiptDocument((await this.find(id, keyHash)).record);
  }

  /** The stored answer, while its key lives. @throws TrisealError `RECEIPT_UNKNOWN`. */
  async response(id: string, keyHash: string): Promise<{ readonly body: Uint8Array; readonly mediaType: string }> {
    const { response } = (await this.find(id, keyHash)).receipt;
    const body = response === null ? null : await openAnswer(this.vault, response);
    if (body === null || response === null) throw new TrisealError("RECEIPT_UNKNOWN", "the stored answer is gone");
    return { body, mediaType: response.mediaType };
  }

  /** The bundle of a receipt, with the first cosigned checkpoint that covers it. @throws TrisealError `RECEIPT_UNKNOWN`. */
  async bundle(id: string, keyHash: string): Promise<Uint8Array> {
    const { record, receipt, index } = await this.find(id, keyHash);
    await this.awaitWitnesses(index);
    const document = receiptDocument(record);
    const log = new Map([[record.document, this.proof(index, record.salt)]]);
    const shared = await Promise.all(receipt.cites.map((digest) => this.required(digest)));
    const sessions = new Map<string, JsonObject>();
    if (receipt.session !== null) {
      const digest = `sha256:${receipt.session}` as Sha256Digest;
      sessions.set(receipt.session, await this.sharedDocument(digest, log));
    }
    for (const digest of receipt.cites) if (this.shared.has(digest)) await this.sharedDocument(digest, log);
    const keyset = await this.keysets(document["workload_keyset_digest"] as Sha256Digest);
    if (keyset === null) throw new TrisealError("LOG_CORRUPT", "the receipt's keyset is missing");
    return encodeBundle({
      receipt: document,
      supplements: [],
      keyset,
      sessions,
      blobs: [...record.blobs.slice(1), ...shared],
      log,
    });
  }

  /** A session document by its id, or null. */
  async session(id: string): Promise<JsonObject | null> {
    const digest = `sha256:${id}` as Sha256Digest;
    const index = this.shared.get(digest);
    // Policy statements and key events are shared documents, too, and no sessions.
    const isSession = index !== undefined && (await this.recordAt(index))?.kind === "session";
    return isSession ? this.sharedDocument(digest, null) : null;
  }

  /** The vault's key of a new day is a file, and its disk can be full like that of the log. */
  private async storeAnswer(body: Uint8Array): Promise<SealedAnswer> {
    try {
      return await storeAnswer(this.vault, body);
    } catch (cause) {
      throw new TrisealError("LOG_UNAVAILABLE", "the answer could not be stored", { cause });
    }
  }

  private async append(
    kind: LeafKind & LogRecord["kind"],
    document: Sha256Digest,
    blobs: readonly Uint8Array[],
    receipt?: ReceiptRecord,
  ): Promise<void> {
    const salt = crypto.getRandomValues(new Uint8Array(SALT_LENGTH));
    const record = { kind, document, salt, blobs, ...(receipt === undefined ? {} : { receipt }) };
    const { index } = await this.log.append({ kind, document, salt, record: encodeRecord(record) });
    this.indexed(kind, document, receipt, index);
    this.onAppend();
  }

  private index(record: LogRecord, index: number): void {
    this.indexed(record.kind, record.document, record.receipt, index);
  }

  private indexed(kind: LogRecord["kind"], document: Sha256Digest, receipt: ReceiptRecord | undefined, index: number): void {
    if (receipt !== undefined) this.indexReceipt(receipt, index);
    else if (kind !== "receipt") this.shared.set(document, index);
  }

  private indexReceipt({ id, keyHash, idempotency }: ReceiptRecord, index: number): void {
    this.receipts.set(id, { index, keyHash });
    // The first use stands, whatever was logged later.
    if (idempotency === undefined || this.keyUses.has(idempotency.keyHash)) return;
    this.keyUses.set(idempotency.keyHash, { index, requestHash: idempotency.requestHash });
  }

  private async recordAt(index: number): Promise<LogRecord | null> {
    const bytes = await this.log.record(this.log.leafHashAt(index));
    return bytes === null ? null : parseRecord(bytes);
  }

  private async find(id: string, keyHash: string): Promise<{ record: LogRecord; receipt: ReceiptRecord; index: number }> {
    const found = this.receipts.get(id);
    const record = found === undefined || found.keyHash !== keyHash ? null : await this.recordAt(found.index);
    // A wrong key gets the answer of an unknown id (ACI section 7.6).
    if (found === undefined || record?.receipt === undefined)
      throw new TrisealError("RECEIPT_UNKNOWN", "no such receipt for this key");
    return { record, receipt: record.receipt, index: found.index };
  }

  private proof(index: number, salt: Uint8Array): { readonly salt: string; readonly proof: string } {
    return { salt: encodeHex(salt), proof: this.log.proof(index) };
  }

  /** A logged, shared document; its log proof is added to `log` where one is given. */
  private async sharedDocument(
    digest: Sha256Digest,
    log: Map<Sha256Digest, { salt: string; proof: string }> | null,
  ): Promise<JsonObject> {
    const index = this.shared.get(digest);
    const record = index === undefined ? null : await this.recordAt(index);
    const bytes = record?.blobs[0];
    if (index === undefined || record === null || bytes === undefined)
      throw new TrisealError("LOG_CORRUPT", `document ${digestHex(digest).slice(0, 16)}… is missing`);
    log?.set(digest, this.proof(index, record.salt));
    const document = parseJson(bytes);
    if (!isJsonObject(document) || digestOfJson(document) !== digest)
      throw new TrisealError("LOG_CORRUPT", "a stored document is damaged");
    return document;
  }

  private async required(digest: Sha256Digest): Promise<Uint8Array> {
    const bytes = await this.blobs.get(digest);
    if (bytes === null) throw new TrisealError("LOG_CORRUPT", `blob ${digestHex(digest).slice(0, 16)}… is missing`);
    return bytes;
  }
}

function receiptDocument(record: LogRecord): JsonObject {
  const document = parseJson(record.blobs[0] ?? new Uint8Array());
  if (!isJsonObject(document) || digestOfJson(document) !== record.document)
    throw new TrisealError("LOG_CORRUPT", "a stored receipt is damaged");
  return document;
}
