/** A refusal as the caller gets it, durable in the log before it leaves. */
import { utf8 } from "../core/bytes.ts";
import type { TrisealError } from "../core/errors.ts";
import type { UnixSeconds } from "../core/time.ts";
import type { PathId } from "../paths/path.ts";
import { type Decided, ReceiptWriter, type ReceivedRequest } from "./exchange.ts";
import { logFault } from "./fault.ts";
import type { KeyedRequest } from "./idempotency.ts";
import type { GatewayOptions } from "./options.ts";
import { type ErrorProtocol, PROBLEM_TYPE, problemOf } from "./problem.ts";
import type { ServiceIdentity } from "./service-identity.ts";

/** What is refused. */
export interface RefusedRequest {
  readonly receiptId: string;
  readonly requestId: string;
  readonly identity: ServiceIdentity;
  readonly received: ReceivedRequest;
  /** The decision, where policy was asked. */
  readonly made: Decided | null;
  /** The key that is used up unless a retry can succeed. */
  readonly keyed: KeyedRequest | null;
  readonly protocol: ErrorProtocol;
}

/** A refusal that was logged. */
export interface ReceiptedRefusal {
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array;
  readonly retryable: boolean;
}

/** Signs and logs a refusal. @throws TrisealError `error` itself where it is `LOG_UNAVAILABLE`, or else that. */
export async function receiptRefusal(
  options: GatewayOptions,
  { receiptId, requestId, identity, received, made, keyed, protocol }: RefusedRequest,
  error: TrisealError,
): Promise<ReceiptedRefusal> {
  if (error.code === "LOG_UNAVAILABLE") throw error;
  const { codes, ledger, log } = options;
  logFault(log, error, requestId);
  const { status, retryable, body: document } = problemOf(error, codes, protocol, requestId, receiptId);
  const body = utf8(JSON.stringify(document));
  const usedKey = keyed === null || retryable ? null : { ...keyed, status };
  const writer = receiptWriter(options, identity);
  await ledger.logExchange(writer.refusal(receiptId, received, made, error, body, servedAt(options, made)), usedKey);
  return { status, mediaType: PROBLEM_TYPE, body, retryable };
}

/** The writer of receipts under an identity. */
export function receiptWriter({ paths }: Pick<GatewayOptions, "paths">, identity: ServiceIdentity): ReceiptWriter {
  const attested: readonly PathId[] = paths.filter((path) => path.attestedUpstream).map((path) => path.id);
  return new ReceiptWriter(identity, new Set(attested));
}

/** The time of a receipt: a clock that stepped back must not date it before its decision. */
export function servedAt({ clock }: Pick<GatewayOptions, "clock">, made: Decided | null): UnixSeconds {
  const now = clock();
  return made !== null && made.decision.at > now ? made.decision.at : now;
}
