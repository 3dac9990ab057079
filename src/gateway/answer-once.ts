/** A request under an idempotency key: answered once, and repeats of the same bytes get what was stored. */
import { TrisealError } from "../core/errors.ts";
import type { KeyUse } from "../store/receipt-index.ts";
import type { KeyClaims, KeyedRequest } from "./idempotency.ts";
import type { Ledger } from "./ledger.ts";
import type { StoredResponse } from "./ledger-reader.ts";

/** A request that could be parsed. */
export interface ParsedRequest<R> {
  /** Answers or refuses it, with a receipt that uses the key up unless a retry can change it. */
  answer(keyed: KeyedRequest | null): Promise<R>;
  /** Receipts a refusal that uses no key up. */
  refuse(error: TrisealError): Promise<R>;
}

/** How one kind of request is answered. */
export interface RequestKind<R> {
  /** @throws TrisealError for a request that gets no receipt. */
  readonly parse: () => ParsedRequest<R>;
  /** What a repeat gets; null where what is stored cannot be given. */
  readonly repeat: (stored: StoredResponse | "job", used: KeyUse) => Promise<R | null>;
}

/**
 * The answer to a request, or that to an earlier one of the same bytes under the same key. Nothing here uses a key again.
 * @throws TrisealError as `parse`; `IDEMPOTENCY_IN_FLIGHT`, which says nothing about the request but that another copy of
 *   it is being decided; `STORE_UNAVAILABLE`.
 */
export async function answerOnce<R>(
  { ledger, claims }: { readonly ledger: Ledger; readonly claims: KeyClaims },
  keyed: KeyedRequest | null,
  kind: RequestKind<R>,
): Promise<R> {
  if (keyed === null) return kind.parse().answer(null);
  const used = await ledger.keyUse(keyed.keyHash);
  if (used !== null) return repeated(ledger, keyed, used, kind);
  // No await from here to `hold`: between look and claim nobody else may come.
  const holder = claims.holder(keyed.keyHash);
  if (holder === keyed.requestHash)
    throw new TrisealError("IDEMPOTENCY_IN_FLIGHT", "the first request under this idempotency key is being answered");
  const parsed = kind.parse();
  if (holder !== null) return parsed.refuse(keyReused());
  return claims.hold(keyed, async () => {
    // Another one may have held the key, and been answered since the first look.
    const meanwhile = await ledger.keyUse(keyed.keyHash);
    return meanwhile === null ? parsed.answer(keyed) : repeated(ledger, keyed, meanwhile, kind);
  });
}

async function repeated<R>(ledger: Ledger, keyed: KeyedRequest, used: KeyUse, kind: RequestKind<R>): Promise<R> {
  const same = used.requestHash === keyed.requestHash;
  const stored = same ? await ledger.storedResponse(used) : null;
  const given = stored === null ? null : await kind.repeat(stored, used);
  if (given !== null) return given;
  const gone = "the request was answered before, and the stored answer was deleted";
  return kind.parse().refuse(same ? new TrisealError("IDEMPOTENCY_EXPIRED", gone) : keyReused());
}

function keyReused(): TrisealError {
  return new TrisealError("IDEMPOTENCY_KEY_REUSED", "this idempotency key was used for other bytes");
}
