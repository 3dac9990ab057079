/** Compares bytes that the auditor shows with the receipt. */
import { digestOf, type Sha256Digest } from "../core/digest.ts";
import type { VerifyContext } from "./context.ts";
import type { VerifiedLeg } from "./verify-legs.ts";
import type { ReceiptStory } from "./verify-receipt.ts";

/** Checks the shown request and response, opened or as they were on the wire; what is not shown is skipped, and said so. */
export function verifyExchange(story: ReceiptStory, legs: readonly VerifiedLeg[], context: VerifyContext): void {
  const { request, response } = context.options;
  const opened = legs[0]?.claims ?? null;
  compare("exchange.request", request, story.received.body_hash, opened?.requestDigest ?? null, context);
  compare("exchange.response", response, story.returned.body_hash, opened?.responseDigest ?? null, context);
  if (request === null) context.notes.push(`about request ${story.received.body_hash}, content not shown`);
  if (response === null) context.notes.push(`about response ${story.returned.body_hash}, content not shown`);
}

function compare(
  id: "exchange.request" | "exchange.response",
  bytes: Uint8Array | null,
  wire: Sha256Digest,
  opened: Sha256Digest | null,
  context: VerifyContext,
): void {
  if (bytes === null) {
    context.checks.skip(id, "assertion", "not shown");
    return;
  }
  const digest = digestOf(bytes);
  const matched = digest === wire ? "the bytes on the wire" : digest === opened ? "the opened bytes" : "";
  context.checks.expect(id, matched !== "", "signature", matched === "" ? `shown ${digest}` : `matched ${matched}`);
}
