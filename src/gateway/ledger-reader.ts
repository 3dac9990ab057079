/** The read side of the ledger: what was logged, found again by receipt id, and put together as bundles. */
import { encodeHex } from "../core/bytes.ts";
import { digestFromHex, digestHex, digestOfJson, type Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../core/json.ts";
import { isReceiptId } from "../core/receipt-id.ts";
import type { BlobStore } from "../log/store/blob-store.ts";
import type { TransparencyLog } from "../log/store/transparency-log.ts";
import { decodeKeyset, decodeReceipt, encodeBundle, eventsOf, type GatewayKeyset } from "../receipt/index.ts";
import type { KeyUse, ListedReceipt, ReceiptIndex, ReceiptListing } from "../store/receipt-index.ts";
import { type JobRecord, type LogRecord, type PendingRecord, parseRecord, type ReceiptRecord } from "./record.ts";
import { openAnswer, type VaultKeys } from "./response-vault.ts";

/** A response as it was first sent. */
export interface StoredResponse {
  readonly receiptId: string;
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array;
  /** Legs that its receipt awaited when it was sent. */
  readonly pending: PendingRecord["legs"];
}

/** An exchange whose receipt awaits legs, with what its vault's key opens. */
export interface PendingExchange {
  readonly receipt: JsonObject;
  readonly pending: PendingRecord;
  readonly decision: Uint8Array;
  /** The session that the receipt cites, or null. */
  readonly session: string | null;
  readonly call: Uint8Array;
  /** The opened answer, as the caller got it. */
  readonly response: Uint8Array;
}

/** A receipt as it was logged. */
export interface StoredReceipt {
  readonly tenant: string;
  readonly document: JsonObject;
  readonly blobs: readonly Uint8Array[];
}

/** A leaf with what its record holds. */
export interface LoggedLeaf {
  readonly kind: LogRecord["kind"];
  /** Who made the request of a receipt; null for any other leaf. */
  readonly holder: { readonly tenant: string; readonly keyHash: string } | null;
  /** The legs of a receipt: their digests and media types. */
  readonly legs: readonly { readonly digest: string; readonly mediaType: string }[];
  /** Of a receipt what only it cites, of any other leaf the document. */
  readonly blobs: readonly Uint8Array[];
}

/** Waits until witnesses cosigned a checkpoint that covers a leaf; resolves at a time limit too. */
export type AwaitWitnesses = (index: number) => Promise<void>;

interface Found {
  readonly record: LogRecord;
  readonly receipt: ReceiptRecord;
  readonly index: number;
}

type LogProofs = Map<Sha256Digest, { readonly salt: string; readonly proof: string }>;

/** What can be read of one log. */
export class LedgerReader {
  readonly log: TransparencyLog;
  protected readonly blobs: BlobStore;
  protected readonly vault: VaultKeys;
  protected readonly receiptIndex: ReceiptIndex;
  protected awaitWitnesses: AwaitWitnesses = () => Promise.resolve();

  protected constructor(log: TransparencyLog, blobs: BlobStore, vault: VaultKeys, index: ReceiptIndex) {
    this.log = log;
    this.blobs = blobs;
    this.vault = vault;
    this.receiptIndex = index;
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
    const pending = receipt.pending?.legs ?? [];
    return body === null ? null : { receiptId: receipt.id, status: receipt.idempotency.status, mediaType, body, pending };
  }

  /** The receipt document of `id`, for the key that made the request. @throws TrisealError `RECEIPT_UNKNOWN`. */
  async receipt(id: string, keyHash: string): Promise<JsonObject> {
    return receiptDocument((await this.find(id, keyHash)).record);
  }

  /** The stored answer, while its key lives. @throws TrisealError `RECEIPT_UNKNOWN`. */
  async response(id: string, keyHash: string): Promise<Omit<StoredResponse, "receiptId" | "status">> {
    const { response, pending } = (await this.find(id, keyHash)).receipt;
    const body = response === null ? null : await openAnswer(this.vault, response);
    if (body === null || response === null) throw new TrisealError("RECEIPT_UNKNOWN", "the stored answer is gone");
    return { body, mediaType: response.mediaType, pending: pending?.legs ?? [] };
  }

  /**
   * The bundle of a receipt with all its supplements, each under the first cosigned checkpoint that covers it. Under a
   * supplement's id it is that of the receipt which it continues. @throws TrisealError `RECEIPT_UNKNOWN`.
   */
  async bundle(id: string, keyHash: string): Promise<Uint8Array> {
    const found = await this.find(id, keyHash);
    const { record, receipt, index } =
      found.receipt.parentId === undefined ? found : await this.find(found.receipt.parentId, keyHash);
    const continuing = await this.receiptIndex.supplements(receipt.id);
    await this.awaitWitnesses(Math.max(index, ...continuing));
    const document = receiptDocument(record);
    const log: LogProofs = new Map([[record.document, this.proof(index, record.salt)]]);
    const supplements = await this.supplements(continuing, log);
    const shared = await Promise.all(receipt.cites.map((digest) => this.required(digest)));
    const sessions = new Map<string, JsonObject>();
    if (receipt.session !== null) {
      const digest = digestFromHex(receipt.session);
      sessions.set(receipt.session, await this.sharedDocument(digest, log));
    }
    for (const digest of receipt.cites)
      if ((await this.receiptIndex.sharedLeaf(digest)) !== null) await this.sharedDocument(digest, log);
    return encodeBundle({
      receipt: document,
      supplements: supplements.map(receiptDocument),
      keyset: await this.keyset(document["workload_keyset_digest"] as Sha256Digest),
      sessions,
      blobs: [record, ...supplements].flatMap(({ blobs }) => blobs.slice(1)).concat(shared),
      log,
    });
  }

  /** A session document by its id, or null. */
  async session(id: string): Promise<JsonObject | null> {
    const digest = digestFromHex(id);
    const index = await this.receiptIndex.sharedLeaf(digest);
    // Policy statements and key events are shared documents, too, and no sessions.
    const isSession = index !== null && (await this.recordAt(index))?.kind === "session";
    return isSession ? this.sharedDocument(digest, null) : null;
  }

  /** An accepted job with its call, by its leaf. The call is null once its key was deleted. Null where there is no such job. */
  async acceptedJob(leafIndex: number): Promise<{ readonly job: JobRecord; readonly call: Uint8Array | null } | null> {
    const job = (await this.recordAt(leafIndex))?.job;
    return job === undefined ? null : { job, call: await openAnswer(this.vault, job.call) };
  }

  /**
   * The exchange whose receipt is this leaf, for a job that brings a leg which it awaits. Null once its key was deleted, or
   * where there is no such exchange.
   */
  async pendingExchange(leafIndex: number): Promise<PendingExchange | null> {
    const record = await this.recordAt(leafIndex);
    const { pending, response, session } = record?.receipt ?? {};
    const decision = record?.blobs[1];
    if (record === null || pending === undefined || response == null || decision === undefined) return null;
    const [call, body] = [await openAnswer(this.vault, pending.call), await openAnswer(this.vault, response)];
    if (call === null || body === null) return null;
    return { receipt: receiptDocument(record), pending, decision, session: session ?? null, call, response: body };
  }

  /** A document that was stored by its digest, or null. Whether the log says anything of it is not looked at. */
  document(digest: Sha256Digest): Promise<Uint8Array | null> {
    return this.blobs.get(digest);
  }

  /** Resolves when the index holds all that was logged. @throws TrisealError `STORE_UNAVAILABLE`. */
  indexed(): Promise<void> {
    return this.receiptIndex.flush();
  }

  /** A receipt's tenant, document and what only it cites, whoever may read it; null where there is none. @throws TrisealError `STORE_UNAVAILABLE`. */
  async stored(id: string): Promise<StoredReceipt | null> {
    // No other text reaches the index: a database refuses some.
    const found = isReceiptId(id) ? await this.receiptIndex.receipt(id) : null;
    const record = found === null ? null : await this.recordAt(found.leafIndex);
    if (record?.receipt === undefined) return null;
    return { tenant: record.receipt.tenant, document: receiptDocument(record), blobs: record.blobs.slice(1) };
  }

  /**
   * What stands behind a leaf, for a path that makes again what its answers changed: an answer's legs with all that only its
   * receipt cites, or a shared document. Null where the record was deleted.
   */
  async loggedAt(index: number): Promise<LoggedLeaf | null> {
    const record = await this.recordAt(index);
    if (record === null) return null;
    const { kind, receipt, blobs } = record;
    if (receipt === undefined) return { kind, holder: null, legs: [], blobs };
    const sealed = eventsOf(decodeReceipt(receiptDocument(record)), "leg.sealed");
    const legs = sealed.flatMap((leg) =>
      leg.status === "final" ? [{ digest: leg.leg_digest, mediaType: leg.leg_media_type }] : [],
    );
    return { kind, holder: { tenant: receipt.tenant, keyHash: receipt.keyHash }, legs, blobs: blobs.slice(1) };
  }

  /** Whether a receipt was logged, whoever may read it. @throws TrisealError `STORE_UNAVAILABLE`. */
  async hasReceipt(id: string): Promise<boolean> {
    return (await this.receiptIndex.receipt(id)) !== null;
  }

  protected async recordAt(index: number): Promise<LogRecord | null> {
    const bytes = await this.log.record(this.log.leafHashAt(index));
    return bytes === null ? null : parseRecord(bytes);
  }

  private async find(id: string, keyHash: string): Promise<Found> {
    // No other text reaches the index: a database refuses some.
    const found = isReceiptId(id) ? await this.receiptIndex.receipt(id) : null;
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
  private async sharedDocument(digest: Sha256Digest, log: LogProofs | null): Promise<JsonObject> {
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

  /** Records of supplements, with their proofs. One whose record was deleted is not there any more. */
  private async supplements(leaves: readonly number[], log: LogProofs): Promise<readonly LogRecord[]> {
    const records: LogRecord[] = [];
    for (const index of leaves) {
      const record = await this.recordAt(index);
      if (record === null) continue;
      log.set(record.document, this.proof(index, record.salt));
      records.push(record);
    }
    return records;
  }

  private async keyset(digest: Sha256Digest): Promise<GatewayKeyset> {
    const bytes = await this.blobs.get(digest);
    if (bytes === null) throw new TrisealError("LOG_CORRUPT", "the receipt's keyset is missing");
    return decodeKeyset(parseJson(bytes), "keyset");
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
