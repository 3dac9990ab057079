/**
 * Records: what is kept beside each leaf, so that index and bundles can be made again from log and records alone.
 * Deleting a record forgets its document: the leaf's salt is only here.
 */
import { concatBytes, encodeBase64, encodeHex, uint32BE } from "../core/bytes.ts";
import {
  anyJson,
  array,
  base64Bytes,
  type Decoded,
  digest,
  hexBytes,
  hexText,
  integer,
  matching,
  nullable,
  object,
  oneOf,
  seconds,
  text,
} from "../core/decode.ts";
import type { Sha256Digest } from "../core/digest.ts";
import { TrisealError } from "../core/errors.ts";
import { encodeJcs } from "../core/jcs.ts";
import { type JsonObject, parseJson } from "../core/json.ts";
import { decodeReceiptId } from "../core/receipt-id.ts";
import { LEAF_KINDS } from "../log/index.ts";

const MAX_BLOB_BYTES = 96 * 1024 * 1024;

/** Something that only a key of the vault opens, until that key is deleted. */
const decodeSealed = object({ keyName: text(32), sealed: base64Bytes(MAX_BLOB_BYTES) });

const decodeKeyUse = object({ keyHash: hexText(32), requestHash: hexText(32), status: integer(200, 599) });

const jobId = matching(/job-[0-9a-f]{32}/, "a job id");

/** Legs that are still to come, with all that the jobs need which bring them. */
const decodePending = object({
  legs: array(
    object({
      jobId,
      /** Id that the supplement with the leg will have. */
      receiptId: decodeReceiptId,
      path: text(32),
      deadlineAt: seconds,
    }),
    8,
  ),
  model: text(128),
  /** What the legs that are there state of the run: those to come must state the same. */
  states: object({ inputCommitment: nullable(hexText(32)), outputs: anyJson, outputCommitment: nullable(hexText(32)) }),
  /** The request as it came. */
  call: decodeSealed,
});

const decodeRecordForm = object(
  {
    v: oneOf(1),
    kind: oneOf(...LEAF_KINDS),
    document: digest,
    salt: hexBytes(32),
    /** The document and what only it cites. Shared documents stand in the blob folder. */
    blobs: array(base64Bytes(MAX_BLOB_BYTES), 16),
  },
  {
    receipt: object(
      {
        id: decodeReceiptId,
        tenant: text(64),
        /** SHA-256 of the API key that made the request: only that key may read the receipt. */
        keyHash: hexText(32),
        servedAt: seconds,
        /** Shared blobs that a bundle of this receipt needs. */
        cites: array(digest, 16),
        session: nullable(hexText(32)),
        /** The response under a key that is deleted after `retain`. */
        response: nullable(object({ keyName: text(32), mediaType: text(128), sealed: base64Bytes(MAX_BLOB_BYTES) })),
      },
      {
        /** The `Idempotency-Key` that this receipt used up, with the status of its response. */
        idempotency: decodeKeyUse,
        pending: decodePending,
        /** The receipt that a supplement continues. */
        parentId: decodeReceiptId,
      },
    ),
    /** A request that is answered later. */
    job: object(
      {
        id: jobId,
        receiptId: decodeReceiptId,
        tenant: text(64),
        keyHash: hexText(32),
        path: text(32),
        model: text(128),
        acceptedAt: seconds,
        deadlineAt: seconds,
        /** The request as it came, for the worker that answers it. */
        call: decodeSealed,
      },
      { idempotency: decodeKeyUse },
    ),
  },
);

/** A record. */
export type LogRecord = Decoded<typeof decodeRecordForm>;

/** What an index keeps of a receipt. */
export type ReceiptRecord = NonNullable<LogRecord["receipt"]>;

/** What is kept of an accepted job. */
export type JobRecord = NonNullable<LogRecord["job"]>;

/** What is kept of the legs that a receipt awaits. */
export type PendingRecord = NonNullable<ReceiptRecord["pending"]>;

/** A key that a receipt used up. */
export type UsedKey = NonNullable<ReceiptRecord["idempotency"]>;

interface Holder {
  readonly receipt?: ReceiptRecord | undefined;
  readonly job?: JobRecord | undefined;
}

/** What a record holds sealed: the answer of a receipt, or the request of a job. */
function sealedIn({ receipt, job }: Holder): { readonly sealed: Uint8Array } | null {
  return job?.call ?? receipt?.response ?? null;
}

/** `record` with `sealed` in the place of what it holds sealed. */
function withSealed<R extends Holder>(record: R, sealed: Uint8Array): R {
  const { receipt, job } = record;
  if (job !== undefined) return { ...record, job: { ...job, call: { ...job.call, sealed } } };
  if (receipt === undefined || receipt.response === null) return record;
  return { ...record, receipt: { ...receipt, response: { ...receipt.response, sealed } } };
}

const NOTHING = new Uint8Array();
const LENGTH_BYTES = 4;

/**
 * Parses a record: JSON, or `uint32 length ‖ JSON ‖ bytes`, where the bytes are what the JSON leaves empty as sealed. The
 * first byte tells them apart: that of a length below 2^24 begins no JSON. What is sealed shares the memory of `bytes`.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function parseRecord(bytes: Uint8Array): LogRecord {
  if (bytes[0] !== 0) return decodeRecordForm(parseJson(bytes), "record");
  const length = bytes.length < LENGTH_BYTES ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const sealed = bytes.subarray(LENGTH_BYTES + length);
  const record = decodeRecordForm(parseJson(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length)), "record");
  if (sealed.length === 0 || sealedIn(record)?.sealed.length !== 0)
    throw new TrisealError("FORMAT_INVALID", "record: the bytes behind it have no place in it");
  return withSealed(record, sealed);
}

/** The bytes of a record. What is sealed can be megabytes: it stands behind the JSON as it is. */
export function encodeRecord(record: {
  readonly kind: LogRecord["kind"];
  readonly document: Sha256Digest;
  readonly salt: Uint8Array;
  readonly blobs: readonly Uint8Array[];
  readonly receipt?: ReceiptRecord | undefined;
  readonly job?: JobRecord | undefined;
}): Uint8Array {
  const sealed = sealedIn(record)?.sealed ?? NOTHING;
  if (sealed.length === 0) return encodeJson(record);
  const head = encodeJson(withSealed(record, NOTHING));
  // A longer length would not begin with a zero.
  return head.length < 2 ** 24 ? concatBytes(uint32BE(head.length), head, sealed) : encodeJson(record);
}

function encodeJson({ kind, document, salt, blobs, receipt, job }: Parameters<typeof encodeRecord>[0]): Uint8Array {
  const base: JsonObject = { v: 1, kind, document, salt: encodeHex(salt), blobs: blobs.map(encodeBase64) };
  if (job !== undefined)
    return encodeJcs({ ...base, job: { ...job, call: { ...job.call, sealed: encodeBase64(job.call.sealed) } } });
  if (receipt === undefined) return encodeJcs(base);
  const response = receipt.response === null ? null : { ...receipt.response, sealed: encodeBase64(receipt.response.sealed) };
  const { pending, ...rest } = receipt;
  if (pending === undefined) return encodeJcs({ ...base, receipt: { ...rest, response } });
  const call = { ...pending.call, sealed: encodeBase64(pending.call.sealed) };
  return encodeJcs({ ...base, receipt: { ...rest, response, pending: { ...pending, call } } });
}
