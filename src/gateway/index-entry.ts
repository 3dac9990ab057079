/** From a leaf's record to what the index keeps of it. */
import type { AcceptedJob } from "../store/job-table.ts";
import type { IndexEntry } from "../store/receipt-index.ts";
import type { JobRecord, LogRecord, ReceiptRecord } from "./record.ts";

/** What the index keeps of a leaf. A leaf whose record was deleted keeps its number only. */
export function indexEntry(
  leafIndex: number,
  leafHash: string,
  record: Omit<LogRecord, "v" | "salt" | "blobs"> | null,
): IndexEntry {
  const { kind, document, receipt, job } = record ?? {};
  const used = receipt?.idempotency ?? job?.idempotency;
  const keyUse = used === undefined ? null : { keyHash: used.keyHash, requestHash: used.requestHash };
  const isShared = kind === "session" || kind === "policy" || kind === "key" || kind === "account";
  return {
    leafIndex,
    leafHash,
    shared: isShared && document !== undefined ? document : null,
    receipt:
      receipt === undefined
        ? null
        : {
            id: receipt.id,
            keyHash: receipt.keyHash,
            tenant: receipt.tenant,
            servedAt: receipt.servedAt,
            parentId: receipt.parentId ?? null,
          },
    jobs: [
      ...(job === undefined ? [] : [acceptedJob(job, leafIndex)]),
      ...(receipt === undefined ? [] : pendingJobs(receipt, leafIndex)),
    ],
    keyUse,
  };
}

/** The jobs that bring the legs which a receipt awaits: they are accepted with its leaf. */
export function pendingJobs(receipt: ReceiptRecord, leafIndex: number): readonly AcceptedJob[] {
  const { id: parentId, tenant, keyHash, servedAt: acceptedAt, pending } = receipt;
  return (pending?.legs ?? []).map(({ jobId, receiptId, path, deadlineAt }) => ({
    id: jobId,
    tenant,
    keyHash,
    path,
    model: pending?.model ?? "",
    acceptedAt,
    deadlineAt,
    leafIndex,
    receiptId,
    parentId,
  }));
}

function acceptedJob(record: JobRecord, leafIndex: number): AcceptedJob {
  const { id, tenant, keyHash, path, model, acceptedAt, deadlineAt, receiptId } = record;
  return { id, tenant, keyHash, path, model, acceptedAt, deadlineAt, receiptId, leafIndex, parentId: null };
}
