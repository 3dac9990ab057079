/** The gateway's memory: what it answers is logged here first, and found again by `LedgerReader`. */
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { SALT_LENGTH } from "../log/index.ts";
import type { BlobStore } from "../log/store/blob-store.ts";
import type { AppendedLeaf, TransparencyLog } from "../log/store/transparency-log.ts";
import type { RunStatement } from "../paths/path.ts";
import { type GatewayKeyset, type Receipt, receiptDigest } from "../receipt/index.ts";
import type { ReceiptIndex } from "../store/receipt-index.ts";
import { indexEntry } from "./index-entry.ts";
import { type AwaitWitnesses, LedgerReader } from "./ledger-reader.ts";
import { encodeRecord, type JobRecord, type LogRecord, type PendingRecord, type ReceiptRecord, type UsedKey } from "./record.ts";
import { type SealedAnswer, storeAnswer, type VaultKeys } from "./response-vault.ts";

/** Legs that an answer's receipt awaits. */
export interface PendingLegs {
  readonly legs: PendingRecord["legs"];
  readonly states: RunStatement;
  /** The request, as `encodeCall` writes it. */
  readonly call: Uint8Array;
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
  readonly pending: PendingLegs | null;
}

/** A supplement with what only it cites, ready to be logged. */
export type SignedSupplement = Pick<SignedExchange, "receipt" | "blobs" | "tenant" | "keyHash"> & { readonly parentId: string };

/** A record before it has its salt. */
type NewRecord = Omit<LogRecord, "v" | "salt">;

/** The ledger over one log. */
export class Ledger extends LedgerReader {
  private onAppend: () => void = () => undefined;

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
  async logShared(kind: "session" | "policy" | "key" | "account", bytes: Uint8Array): Promise<void> {
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
    const { receipt, response, cites, session } = exchange;
    const stored = response === null ? null : { ...(await this.storeAnswer(response.body)), mediaType: response.mediaType };
    const pending = exchange.pending === null ? null : await this.storePending(receipt, exchange.pending);
    const more = { ...(usedKey === null ? {} : { idempotency: usedKey }), ...(pending === null ? {} : { pending }) };
    await this.append(receiptRecord("receipt", exchange, { cites, session, response: stored, ...more }));
  }

  /** Logs a supplement; resolves when it is durable: from then on its parent's bundle has it. @throws TrisealError `LOG_UNAVAILABLE`. */
  async logSupplement(supplement: SignedSupplement): Promise<void> {
    const { parentId } = supplement;
    await this.append(receiptRecord("supplement", supplement, { cites: [], session: null, response: null, parentId }));
  }

  private async storePending({ model }: Receipt, { legs, states, call }: PendingLegs): Promise<PendingRecord> {
    return { legs, model: model ?? "", states, call: await this.storeAnswer(call) };
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

  private async append(record: NewRecord): Promise<number> {
    const { index, leafHash } = await appendRecord(this.log, record);
    this.receiptIndex.add(indexEntry(index, leafHash, record));
    this.onAppend();
    return index;
  }
}

function receiptRecord(
  kind: "receipt" | "supplement",
  { receipt, blobs, tenant, keyHash }: Omit<SignedSupplement, "parentId">,
  more: Omit<ReceiptRecord, "id" | "tenant" | "keyHash" | "servedAt">,
): NewRecord {
  return {
    kind,
    document: receiptDigest(receipt),
    blobs: [encodeJcs(receipt.document), ...blobs],
    receipt: { id: receipt.receipt_id, tenant, keyHash, servedAt: receipt.served_at, ...more },
  };
}

function appendRecord(log: TransparencyLog, record: NewRecord): Promise<AppendedLeaf> {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_LENGTH));
  const { kind, document } = record;
  return log.append({ kind, document, salt, record: encodeRecord({ ...record, salt }) });
}
