/** Checks supplement receipts: each continues this receipt, and brings a leg that it awaits (receipt/SPEC.md section 3.7). */
import { unixSeconds } from "../core/time.ts";
import type { RevokedSet } from "../paths/path.ts";
import { eventOf, eventsOf, type FinalLeg, type Receipt, receiptDigest, verifyReceiptSignature } from "../receipt/receipt.ts";
import type { TrustedService } from "../trust/trust-file.ts";
import { CLOCK_LAG_SECONDS, type Moment, type VerifyContext } from "./context.ts";
import { type Logged, verifyLogged, verifyLogOrder } from "./verify-log.ts";
import type { ReceiptStory } from "./verify-receipt.ts";

/** What the supplements of a receipt are judged with. */
export interface SupplementInputs {
  readonly service: TrustedService;
  readonly revoked: RevokedSet;
  /** The key that signed the receipt, in hexadecimal. */
  readonly receiptKey: string;
  readonly story: ReceiptStory;
  readonly receiptLogged: Logged | null;
}

const OPENING = ["request.received", "service.described", "parent"];

/** The legs that supplements bring, by the path that awaits them. Whether they may be relied on, the checks say. */
export function verifySupplements(inputs: SupplementInputs, context: VerifyContext): ReadonlyMap<string, FinalLeg> {
  const completed = new Map<string, FinalLeg>();
  for (const supplement of context.bundle.supplements) {
    const logged = verifyOne(supplement, inputs, context);
    for (const leg of eventsOf(supplement, "leg.sealed")) {
      if (leg.status === "final" && isAwaited(leg, completed, inputs.story, context)) {
        expectInTime(leg, supplement, logged?.moment ?? null, inputs.story, context);
        completed.set(leg.path, leg);
      }
    }
  }
  return completed;
}

function verifyOne(supplement: Receipt, inputs: SupplementInputs, context: VerifyContext): Logged | null {
  const { checks, bundle } = context;
  const { receipt } = bundle;
  checks.expect("supplement.events", isWellFormed(supplement), "signature");
  const signed =
    supplement.key_id === receipt.key_id &&
    supplement.workload_keyset_digest === receipt.workload_keyset_digest &&
    verifyReceiptSignature(supplement, inputs.receiptKey);
  checks.expect("supplement.signature", signed, "signature");
  checks.expect("supplement.parent", continues(supplement, receipt, inputs.story), "signature");
  const digest = receiptDigest(supplement);
  const logged = verifyLogged("log.supplement", "supplement", digest, inputs.service, inputs.revoked, context);
  verifyLogOrder(logged, [inputs.receiptLogged], context);
  expectServed(supplement, logged?.moment ?? null, context);
  return logged;
}

/** Its events are those of a supplement and no others, each leg final. */
function isWellFormed(supplement: Receipt): boolean {
  const types = supplement.event_log.map(({ type }) => type);
  const legs = eventsOf(supplement, "leg.sealed");
  return (
    OPENING.every((type, at) => types[at] === type) &&
    legs.length > 0 &&
    types.length === OPENING.length + legs.length &&
    legs.every(({ status }) => status === "final")
  );
}

function continues(supplement: Receipt, receipt: Receipt, story: ReceiptStory): boolean {
  const parent = eventOf(supplement, "parent");
  return (
    parent?.receipt_id === receipt.receipt_id &&
    parent.receipt_digest === receiptDigest(receipt) &&
    supplement.receipt_id !== receipt.receipt_id &&
    supplement.model === receipt.model &&
    eventOf(supplement, "request.received")?.body_hash === story.received.body_hash &&
    eventOf(supplement, "service.described")?.report_digest === story.service.report_digest
  );
}

/** Whether the receipt awaits this leg and none before brought it. */
function isAwaited(
  leg: FinalLeg,
  completed: ReadonlyMap<string, FinalLeg>,
  story: ReceiptStory,
  { checks }: VerifyContext,
): boolean {
  const awaited = story.legs.some(
    ({ path, status, sealed_by: sealedBy }) => path === leg.path && status === "pending" && sealedBy === leg.sealed_by,
  );
  return checks.expect("supplement.legs", awaited && !completed.has(leg.path), "signature", `path ${leg.path}`);
}

function expectServed(supplement: Receipt, logged: Moment | null, { bundle, checks, options }: VerifyContext): void {
  const { served_at: served } = supplement;
  const witnessed = logged?.seconds ?? unixSeconds(served);
  const ordered =
    bundle.receipt.served_at <= served && served <= witnessed + CLOCK_LAG_SECONDS && witnessed <= options.now + CLOCK_LAG_SECONDS;
  if (!ordered) checks.expect("log.time", false, logged?.basis ?? "assertion", "supplement");
}

/** A leg that came after its deadline was overdue, whatever it says: by the witnesses' word, else by the operator's. */
function expectInTime(
  leg: FinalLeg,
  supplement: Receipt,
  logged: Moment | null,
  story: ReceiptStory,
  { checks }: VerifyContext,
): void {
  const came = logged?.seconds ?? supplement.served_at;
  const late = story.legs.some(
    (awaited) => awaited.status === "pending" && awaited.path === leg.path && came > awaited.deadline + CLOCK_LAG_SECONDS,
  );
  checks.expect("leg.not-overdue", !late, logged?.basis ?? "assertion", `path ${leg.path}`);
}
