/** What the log of a data folder holds, read from its leaves' records. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeHex } from "../../src/core/bytes.ts";
import { isJsonObject, parseJson } from "../../src/core/json.ts";
import { parseRecord } from "../../src/gateway/record.ts";
import { leafHash } from "../../src/log/merkle.ts";
import { readLeaves } from "../../src/log/store/leaf-file.ts";

/** A receipt in the log. */
export interface LoggedReceipt {
  readonly id: string;
  /** Whether it is of an answer; else of a refusal, or a supplement. */
  readonly answered: boolean;
  /** Hash of the idempotency key that it used up, or null. */
  readonly keyHash: string | null;
  /** The receipt that a supplement continues; null for all others. */
  readonly parentId: string | null;
}

/** All receipts in the log under `dataDir`, in its order. A record whose leaf was never written is none. */
export function loggedReceipts(dataDir: string): readonly LoggedReceipt[] {
  const log = join(dataDir, "log");
  return readLeaves(new Uint8Array(readFileSync(join(log, "leaves")))).leaves.flatMap((leaf) => {
    const hash = encodeHex(leafHash(leaf));
    const { receipt, blobs } = parseRecord(new Uint8Array(readFileSync(join(log, "records", hash.slice(0, 2), hash))));
    if (receipt === undefined) return [];
    const document = parseJson(blobs[0] ?? new Uint8Array());
    const events = isJsonObject(document) && Array.isArray(document["event_log"]) ? document["event_log"] : [];
    const parentId = receipt.parentId ?? null;
    const answered = parentId === null && events.some((event) => isJsonObject(event) && event["type"] === "leg.sealed");
    return [{ id: receipt.id, answered, keyHash: receipt.idempotency?.keyHash ?? null, parentId }];
  });
}
