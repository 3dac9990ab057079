/** The gateway's memory: what it logged, found again by receipt id, and put together as bundles. */
import { encodeHex } from "../core/bytes.ts";
import { digestHex, digestOf, digestOfJson, type Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { isJsonObject, type JsonObject, parseJson } from "../core/json.ts";
import { SALT_LENGTH } from "../log/index.ts";
import type { BlobStore } from "../log/store/blob-store.ts";
import type { AppendedLeaf, TransparencyLog } from "../log/store/transparency-log.ts";
import { decodeKeyset, encodeBundle, type GatewayKeyset, type Receipt, receiptDigest } from "../receipt/index.ts";
import type { KeyUse, ListedReceipt, ReceiptIndex, ReceiptListing } from "../store/receipt-index.ts";
import { indexEntry } from "./index-entry.ts";
import { encodeRecord, type JobRecord, type LogRecord, parseRecord, type ReceiptRecord, type UsedKey } from "./record.ts";
import { openAnswer, type SealedAnswer, storeAnswer, type VaultKeys } from "./response-vault.ts";

/** A response as it was first sent. */
export interface StoredResponse {
  readonly receiptId: string;
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array;
}

/** A receipt as it was logged. */
export interface StoredReceipt {
  readonly tenant: string;
  readonly document: JsonObject;
  readonly blobs: readonly Uint8Array[];
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

/** A record before it has its salt. */
type NewRecord = Omit<LogRecord, "v" | "salt">;

/** No other text reaches the index: a database refuses some. */
const RECEIPT_ID = /^rcpt-[0-9a-f]{32}$/;

/** Waits until witnesses cosigned a checkpoint that covers a leaf; resolves at a time limit too. */
export type AwaitWitnesses = (index: number) => Promise<void>;

/** The ledger over one log. */
export class Ledger {
  readonly log: TransparencyLog;
  private readonly blobs: BlobStore;
  private readonly vault: VaultKeys;
  private readonly keysets: (digest: Sha256Digest) => Promise<GatewayKeyset | null>;
  private readonly receiptIndex: ReceiptIndex;
  private awaitWitnesses: AwaitWitnesses = () => Promise.resolve();
  private onAppend: () => void = () => undefined;

  private constructor(log: TransparencyLog, blobs: BlobStore, vault: VaultKeys, index: ReceiptIndex) {
    this.log = log;
    this.blobs = blobs;
    this.vault = vault;
    this.receiptIndex = index;
    this.keysets = async (digest) => {
      const bytes = await blobs.get(digest);
      return bytes === null ? null : decodeKeyset(parseJson(bytes), "keyset");
    };
  }

  /** Opens the ledger of a log, and brings the index up to the log's end from leaves and records. */
  static async open(log: TransparencyLog, blobs: BlobStore, vault: VaultKeys, index: ReceiptIndex): Promise<Ledger> {
    const ledger = new Ledger(log, blobs, vault, index);
    for (let leaf = index.size; leaf < log.size; leaf++)
      index.add(indexEntry(leaf, log.leafHashAt(leaf), await ledger.recordAt(leaf)));
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
    await this.blobs.put(encodeJcs(keyset));
  }

  /** Logs a document that receipts share, once. @throws TrisealError `LOG_UNAVAILABLE`. */
  async logShared(kind: "session" | "policy" | "key", bytes: Uint8Array): Promise<void> {
    const document = digestOf(bytes);
    if ((await this.receiptIndex.sharedLeaf(document)) !== null) return;
    await this.append({ kind, document, blobs: [bytes] });
  }

  /**
   * Logs a receipt; resolves when it is durable, and only then may the answer leave.
   * @param usedKey the idempotency key that the receipt uses up; null for none, or where a retry may be answered anew.
   * @throws TrisealError `LOG_UNAVAILABLE`.
   */
  async logExchange(exchange: SignedExchange, usedKey: UsedKey | null): Promise<void> {
    const { receipt, response } = exchange;
    const stored = response === null ? null : { ...(await this.storeAnswer(response.body)), mediaType: response.mediaType };
    await this.append({
      kind: "receipt",
      document: receiptDigest(receipt),
      blobs: [encodeJcs(receipt.document), ...exchange.blobs],
      receipt: {
        id: receipt.receipt_id,
        tenant: exchange.tenant,
        keyHash: exchange.keyHash,
        servedAt: receipt.served_at,
        cites: exchange.cites,
        session: exchange.session,
        response: stored,
        ...(usedKey === null ? {} : { idempotency: usedKey }),
      },
    });
  }

  /** Where an idempotency key was used up, or null. @throws TrisealError `STORE_UNAVAILABLE`. */
  keyUse(keyHash: string): Promise<KeyUse | null> {
    return this.receiptIndex.keyUse(keyHash);
  }

  /** Receipts of one API key, a page of them. @throws TrisealError `STORE_UNAVAILABLE`. */
  list(listing: ReceiptListing): Promise<readonly ListedReceipt[]> {
    return this.receiptIndex.list(listing);
  }

  /** The response that a key got, `job` where it was a 202, or null once the vault's key or the record is deleted. */
  async storedResponse({ leafIndex }: KeyUse): Promise<StoredResponse | "job" | null> {
    const { receipt, job } = (await this.recordAt(leafIndex)) ?? {};
    if (job !== undefined) return "job";
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
    for (const digest of receipt.cites)
      if ((await this.receiptIndex.sharedLeaf(digest)) !== null) await this.sharedDocument(digest, log);
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
    const index = await this.receiptIndex.sharedLeaf(digest);
    // Policy statements and key events are shared documents, too, and no sessions.
    const isSession = index !== null && (await this.recordAt(index))?.kind === "session";
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

  /**
   * Logs that a job was accepted; resolves with its leaf when that is durable, and only then may the 202 leave.
   * @param document what is accepted, without content.
   * @throws TrisealError `LOG_UNAVAILABLE`.
   */
  async logAccepted(document: Uint8Array, job: Omit<JobRecord, "call">, call: Uint8Array): Promise<number> {
    return this.append({
      kind: "accepted",
      document: digestOf(document),
      blobs: [document],
      job: { ...job, call: await this.storeAnswer(call) },
    });
  }

  /** An accepted job with its call, by its leaf. The call is null once its key was deleted. Null where there is no such job. */
  async acceptedJob(leafIndex: number): Promise<{ readonly job: JobRecord; readonly call: Uint8Array | null } | null> {
    const job = (await this.recordAt(leafIndex))?.job;
    return job === undefined ? null : { job, call: await openAnswer(this.vault, job.call) };
  }

  /** Resolves when the index holds all that was logged. @throws TrisealError `STORE_UNAVAILABLE`. */
  indexed(): Promise<void> {
    return this.receiptIndex.flush();
  }

  /** A receipt's tenant, document and what only it cites, whoever may read it; null where there is none. @throws TrisealError `STORE_UNAVAILABLE`. */
  async stored(id: string): Promise<StoredReceipt | null> {
    const found = RECEIPT_ID.test(id) ? await this.receiptIndex.receipt(id) : null;
    const record = found === null ? null : await this.recordAt(found.leafIndex);
    if (record?.receipt === undefined) return null;
    return { tenant: record.receipt.tenant, document: receiptDocument(record), blobs: record.blobs.slice(1) };
  }

  /** Whether a receipt was logged, whoever may read it. @throws TrisealError `STORE_UNAVAILABLE`. */
  async hasReceipt(id: string): Promise<boolean> {
    return (await this.receiptIndex.receipt(id)) !== null;
  }

  private async append(record: NewRecord): Promise<number> {
    const { index, leafHash } = await appendRecord(this.log, record);
    this.receiptIndex.add(indexEntry(index, leafHash, record));
    this.onAppend();
    return index;
  }

  private async recordAt(index: number): Promise<LogRecord | null> {
    const bytes = await this.log.record(this.log.leafHashAt(index));
    return bytes === null ? null : parseRecord(bytes);
  }

  private async find(id: string, keyHash: string): Promise<{ record: LogRecord; receipt: ReceiptRecord; index: number }> {
    const found = RECEIPT_ID.test(id) ? await this.receiptIndex.receipt(id) : null;
    const record = found === null || found.keyHash !== keyHash ? null : await this.recordAt(found.leafIndex);
    // A wrong key gets the answer of an unknown id (ACI section 7.6).
    if (found === null || record?.receipt === undefined)
      throw new TrisealError("RECEIPT_UNKNOWN", "no such receipt for this key");
    return { record, receipt: record.receipt, index: found.leafIndex };
  }

  private proof(index: number, salt: Uint8Array): { readonly salt: string; readonly proof: string } {
    return { salt: encodeHex(salt), proof: this.log.proof(index) };
  }

  /** A logged, shared document; its log proof is added to `log` where one is given. */
  private async sharedDocument(
    digest: Sha256Digest,
    log: Map<Sha256Digest, { salt: string; proof: string }> | null,
  ): Promise<JsonObject> {
    const index = await this.receiptIndex.sharedLeaf(digest);
    const record = index === null ? null : await this.recordAt(index);
    const bytes = record?.blobs[0];
    if (index === null || record === null || bytes === undefined)
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

function appendRecord(log: TransparencyLog, record: NewRecord): Promise<AppendedLeaf> {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_LENGTH));
  const { kind, document } = record;
  return log.append({ kind, document, salt, record: encodeRecord({ ...record, salt }) });
}
