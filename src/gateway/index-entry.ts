/** From a leaf's record to what the index keeps of it. */
import type { AcceptedJob } from "../store/job-table.ts";
import type { IndexEntry } from "../store/receipt-index.ts";
import type { JobRecord, LogRecord } from "./record.ts";

/** What the index keeps of a leaf. A leaf whose record was deleted keeps its number only. */
export function indexEntry(
  leafIndex: number,
  leafHash: string,
  record: Omit<LogRecord, "v" | "salt" | "blobs"> | null,
): IndexEntry {
  const { kind, document, receipt, job } = record ?? {};
  const used = receipt?.idempotency ?? job?.idempotency;
  const keyUse = used === undefined ? null : { keyHash: used.keyHash, requestHash: used.requestHash };
  const isShared = kind === "session" || kind === "policy" || kind === "key";
  return {
    leafIndex,
    leafHash,
    shared: isShared && document !== undefined ? document : null,
    receipt:
      receipt === undefined
        ? null
        : { id: receipt.id, keyHash: receipt.keyHash, tenant: receipt.tenant, servedAt: receipt.servedAt },
    job: job === undefined ? null : acceptedJob(job, leafIndex),
    keyUse,
  };
}

function acceptedJob(record: JobRecord, leafIndex: number): AcceptedJob {
  const { id, tenant, keyHash, path, model, acceptedAt, deadlineAt, receiptId } = record;
  return { id, tenant, keyHash, path, model, acceptedAt, deadlineAt, receiptId, leafIndex };
}
