/** Checks the receipt itself: keyset, signature, report, and that its events tell one consistent story. */

import { encodeHex } from "../core/bytes.ts";
import { parseJson } from "../core/json.ts";
import { holdsUntil } from "../core/time.ts";
import type { RevokedSet } from "../paths/path.ts";
import { decodeReport, keysetDigest, reportData } from "../receipt/keyset.ts";
import { type EventOf, eventOf, eventsOf, type Receipt, verifyReceiptSignature } from "../receipt/receipt.ts";
import type { TrustedService } from "../trust/trust-file.ts";
import type { Moment, VerifyContext } from "./context.ts";

/** The receipt's events by role. `leg.sealed` may stand several times, every other one once. */
export interface ReceiptStory {
  readonly received: EventOf<"request.received">;
  readonly forwarded: EventOf<"request.forwarded"> | null;
  readonly upstream: EventOf<"upstream.verified"> | null;
  readonly returned: EventOf<"response.returned">;
  readonly service: EventOf<"service.described">;
  /** The earlier statement that the decision also rests on. */
  readonly statement: EventOf<"statement.cited"> | null;
  readonly policy: EventOf<"policy.decided"> | null;
  readonly legs: readonly EventOf<"leg.sealed">[];
  readonly refused: EventOf<"request.refused"> | null;
}

/** Checks the gateway's signature under the key that the keyset lists, and that the keyset is the receipt's. */
export function verifySignedReceipt(receiptKey: string, context: VerifyContext): void {
  const { receipt, keyset } = context.bundle;
  context.checks.expect("keyset.digest", keysetDigest(keyset) === receipt.workload_keyset_digest, "signature");
  context.checks.expect("receipt.signature", verifyReceiptSignature(receipt, receiptKey), "signature");
}

/** Checks what the trust file says about this gateway: revocation, attestation type, development mode, expiry. */
export function verifyGateway(
  service: TrustedService,
  receiptKey: string,
  story: ReceiptStory,
  at: Moment,
  revoked: RevokedSet,
  context: VerifyContext,
): void {
  const { checks } = context;
  checks.expect("receipt.key-not-revoked", !revoked.keys.has(receiptKey), "assertion");
  const key = service.gateway.keys.find((entry) => entry.publicKey === receiptKey);
  context.waive(`gateway key ${receiptKey.slice(0, 16)}…`, key?.because);
  checks.expect("keyset.current", holdsUntil(context.bundle.keyset.not_after, at.seconds), at.basis);
  const dev = story.service.mode === "dev";
  checks.expect("trust.mode", !dev || service.dev !== undefined, "assertion", dev ? "development mode" : "production mode");
  if (dev) context.waive("development mode", service.dev?.because);
  verifyReport(service, story, context);
}

function verifyReport(service: TrustedService, story: ReceiptStory, context: VerifyContext): void {
  const { checks } = context;
  const bytes = context.blob(story.service.report_digest);
  const report = checks.attempt("report.bound", "signature", () => decodeReport(parseJson(bytes ?? new Uint8Array()), "report"));
  if (report === null) return;
  const digest = keysetDigest(context.bundle.keyset);
  const bound =
    report.workload_keyset_digest === digest &&
    keysetDigest(report.attestation.workload_keyset) === digest &&
    report.attestation.report_data === encodeHex(reportData(digest, null));
  checks.expect("report.bound", bound, "signature");
  const type = report.attestation.tee_type;
  const accepted = service.gateway.teeTypes.find((entry) => entry.accept === type);
  // No appraiser for a gateway's own TEE evidence exists yet: only the type that claims no TEE can be accepted.
  checks.expect("trust.tee-type", accepted !== undefined && type === "triseal-none", "assertion", `tee_type ${type}`);
  context.waive(`gateway attestation ${type}`, accepted?.because);
}

/**
 * The receipt's story, or null where its events contradict each other: an answer has legs and no refusal, a refusal
 * has a code and no leg, and each role is filled at most once.
 */
export function readStory(receipt: Receipt, context: VerifyContext): ReceiptStory | null {
  const story = {
    received: eventOf(receipt, "request.received"),
    forwarded: eventOf(receipt, "request.forwarded"),
    upstream: eventOf(receipt, "upstream.verified"),
    returned: eventOf(receipt, "response.returned"),
    service: eventOf(receipt, "service.described"),
    statement: eventOf(receipt, "statement.cited"),
    policy: eventOf(receipt, "policy.decided"),
    legs: eventsOf(receipt, "leg.sealed"),
    refused: eventOf(receipt, "request.refused"),
  };
  const problem = contradiction(receipt, story);
  const unknown = receipt.event_log.flatMap((event) => ("content" in event ? [event.type.slice("unknown:".length)] : []));
  if (unknown.length > 0) context.notes.push(`events that this version does not know, and ignored: ${unknown.join(", ")}`);
  context.checks.expect("receipt.events", problem === null, "signature", problem ?? "");
  const { received, returned, service } = story;
  if (problem !== null || received === null || returned === null || service === null) return null;
  return { ...story, received, returned, service };
}

const SINGLE_EVENTS = [
  "request.received",
  "request.forwarded",
  "upstream.verified",
  "response.returned",
  "service.described",
  "statement.cited",
  "policy.decided",
  "request.refused",
] as const;

function contradiction(receipt: Receipt, story: { readonly [K in keyof ReceiptStory]: ReceiptStory[K] | null }): string | null {
  const doubled = SINGLE_EVENTS.find((type) => eventsOf(receipt, type).length > 1);
  if (doubled !== undefined) return `${doubled} stands more than once`;
  if (story.received === null || story.returned === null || story.service === null) return "a required event is missing";
  if (eventsOf(receipt, "parent").length > 0) return "a receipt of its own continues no other";
  if (!isInOrder(receipt)) return "the events are not in the order in which they happen";
  if (story.statement !== null && story.policy === null) return "a statement is cited, and nothing was decided on it";
  const legs = story.legs ?? [];
  return story.refused === null ? answerContradiction(story, legs.length) : refusalContradiction(story, legs.length);
}

/** Steps of an exchange; events of one step may stand in any order. */
const EVENT_STEPS: Readonly<Record<string, number>> = {
  "request.received": 0,
  "service.described": 1,
  "statement.cited": 2,
  "policy.decided": 2,
  "request.forwarded": 3,
  "upstream.verified": 3,
  "leg.sealed": 4,
  "request.refused": 4,
  "response.returned": 5,
};

function isInOrder(receipt: Receipt): boolean {
  const steps = receipt.event_log.flatMap(({ type }) => EVENT_STEPS[type] ?? []);
  return steps.every((step, index) => index === 0 || step >= (steps[index - 1] ?? 0));
}

type Partial = { readonly [K in keyof ReceiptStory]: ReceiptStory[K] | null };

function answerContradiction(story: Partial, legs: number): string | null {
  if (story.policy === null || story.policy.effect !== "allow") return "an answer without a policy that allows it";
  if (legs === 0 || story.forwarded === null) return "an answer without a leg";
  if (story.upstream === null) return "an answer that says nothing of its upstream";
  const { result, required, session_id: session } = story.upstream;
  if ((result === "verified") !== (session !== undefined) || (result === "failed" && required)) {
    return "an answer from an upstream that was not verified";
  }
  return null;
}

function refusalContradiction(story: Partial, legs: number): string | null {
  if (legs > 0) return "a refusal with a leg";
  if (story.upstream === null) return "a refusal that says nothing of its upstream";
  if (story.policy === null && story.forwarded !== null) return "a request was forwarded before policy decided";
  if (story.policy?.effect === "deny" && story.forwarded !== null) return "a denied request was forwarded";
  const denied = story.policy?.effect === "deny";
  if (!denied && (story.refused?.code === "POLICY_DENIED" || story.refused?.rule_id !== null)) {
    return "a denial without a decision that denies";
  }
  // Nothing appraises the session of a refusal, so none may be cited as verified.
  if (story.upstream.result === "verified" || story.upstream.session_id !== undefined) {
    return "a refusal that cites a verified upstream";
  }
  return null;
}
