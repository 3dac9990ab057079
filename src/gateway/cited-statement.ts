/** Statements that a tenant submitted before, found again for a request that cites one of their receipts. */
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import { isTrisealError, TrisealError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { holdsUntil, type UnixSeconds } from "../core/time.ts";
import type { ReadStatement, StatementSource } from "../paths/path.ts";
import type { Fact } from "../policy/index.ts";
import { decodeReceipt, eventOf, type Receipt, receiptDigest } from "../receipt/index.ts";
import type { StoredReceipt } from "./ledger-reader.ts";
import type { GatewayOptions } from "./options.ts";

/** A statement that holds for the tenant that cites it. */
export interface CitedStatement {
  /** What policy is told, with origin `evidence`. */
  readonly facts: readonly Fact[];
  /** The event of the receipt that rests on it. */
  readonly event: JsonObject;
  /** Its leg, and what the leg's appraiser needs. */
  readonly blobs: readonly Uint8Array[];
}

const unknown = () => new TrisealError("STATEMENT_UNKNOWN", "no statement of this tenant has that receipt");

/** What the source makes of the leg; a receipt of something else is no statement. */
function readStatement(
  source: StatementSource,
  leg: Uint8Array,
  blobs: ReadonlyMap<Sha256Digest, Uint8Array>,
): ReadStatement | null {
  try {
    return source.read(leg, (digest) => blobs.get(digest) ?? null);
  } catch (error) {
    if (isTrisealError(error, "FORMAT_INVALID")) return null;
    throw error;
  }
}

/** The final leg of a receipt that states something, with the path's reader. */
function statedBy(receipt: Receipt, { paths }: Pick<GatewayOptions, "paths">) {
  const leg = eventOf(receipt, "leg.sealed");
  if (leg === null || leg.status !== "final") throw unknown();
  const source = paths.find(({ id }) => id === leg.path)?.statements;
  if (source === undefined || source.legMediaType !== leg.leg_media_type) throw unknown();
  return { leg, source };
}

function citation({ document, blobs }: StoredReceipt, options: Pick<GatewayOptions, "paths">) {
  const receipt = decodeReceipt(document);
  const { leg, source } = statedBy(receipt, options);
  const byDigest = new Map(blobs.map((blob) => [digestOf(blob), blob]));
  const bytes = byDigest.get(leg.leg_digest);
  const read = bytes === undefined ? null : readStatement(source, bytes, byDigest);
  if (bytes === undefined || read === null) throw unknown();
  const { leg_digest, leg_media_type, evidence_digest, evidence_media_type, path } = leg;
  const event = {
    type: "statement.cited",
    receipt_id: receipt.receipt_id,
    receipt_digest: receiptDigest(receipt),
    path,
    leg_digest,
    leg_media_type,
    evidence_digest,
    evidence_media_type,
  };
  return { read, event, blobs: [bytes, ...read.cites.flatMap((digest) => byDigest.get(digest) ?? [])] };
}

/**
 * The statement whose receipt is `id`; null where the request cites none.
 * @throws TrisealError `STATEMENT_UNKNOWN` for a receipt that is none of this tenant, or states nothing: one answer for all;
 *   `STATEMENT_EXPIRED`; `STORE_UNAVAILABLE`.
 */
export async function findStatement(
  options: Pick<GatewayOptions, "ledger" | "paths">,
  id: string | undefined,
  tenant: string,
  at: UnixSeconds,
): Promise<CitedStatement | null> {
  if (id === undefined) return null;
  const stored = await options.ledger.stored(id);
  if (stored === null || stored.tenant !== tenant) throw unknown();
  const { read, event, blobs } = citation(stored, options);
  if (read.tenant !== tenant) throw unknown();
  if (!holdsUntil(read.expiry, at)) throw new TrisealError("STATEMENT_EXPIRED", "the cited statement no longer holds");
  const facts = Object.entries(read.facts).map(([name, value]) => ({
    name: `request.${name}`,
    origin: "evidence" as const,
    value,
  }));
  return { facts, event, blobs };
}
