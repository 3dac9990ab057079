/**
 * Ties what a leg commits to to the exchange that the auditor shows (receipt/SPEC.md section 5.4): without this a commitment is
 * one to some input, and a proof over it a proof about some input. Knows no path: any leg may state a commitment.
 */

import { digestOf, type Sha256Digest } from "../core/digest.ts";
import { canonicalJson } from "../core/jcs.ts";
import { parseInferenceRequest, parseInferenceResponse, parseInputs } from "../core/oip.ts";
import { inputCommitment, outputCommitment } from "../model/commitment/leg-commitment.ts";
import { encodeInput } from "../model/integer/encode-input.ts";
import type { CheckedModel } from "../model/integer/integer-model.ts";
import type { LegClaims } from "../paths/path.ts";
import type { VerifyContext } from "./context.ts";
import type { VerifiedLeg } from "./verify-legs.ts";
import type { ReceiptStory } from "./verify-receipt.ts";

/** Largest magnitude of an output: int32. */
const MAX_OUTPUT = 2 ** 31;

/** Checks that commitment and outputs of all legs are those of the shown exchange; what is not shown is skipped. */
export async function verifyOpening(story: ReceiptStory, legs: readonly VerifiedLeg[], context: VerifyContext): Promise<void> {
  const stating = legs.map(({ claims }) => claims).filter(({ inputCommitment }) => inputCommitment !== null);
  const [first] = stating;
  if (first === undefined) {
    // Whoever shows a salt asks what it opens.
    if (context.options.opening !== null && legs.length > 0)
      context.checks.expect("exchange.input-opens", false, "signature", "no leg states a commitment");
    return;
  }
  await verifyInput(story, first, stating, context);
  for (const claims of stating) verifyOutputs(story, claims, context);
}

/** Why bytes cannot be compared: they are not there, or they are the sealed ones. */
function unreadable(bytes: Uint8Array | null, wire: Sha256Digest, opened: Sha256Digest): string | null {
  if (bytes === null) return "not shown";
  return digestOf(bytes) === wire && wire !== opened ? "shown sealed, not opened" : null;
}

/** @param claims of the first leg; one commitment is computed, and all legs must state it. */
async function verifyInput(
  story: ReceiptStory,
  claims: LegClaims,
  stating: readonly LegClaims[],
  { checks, options }: VerifyContext,
): Promise<void> {
  const { request, opening } = options;
  if (claims.submission !== undefined)
    return checks.skip("exchange.input-opens", "assertion", "the input stayed with the caller, who submitted a proof");
  const missing = unreadable(request, story.received.body_hash, claims.requestDigest);
  const model = opening === null ? null : await opening.model(claims.modelDigest);
  if (missing !== null || request === null) return checks.skip("exchange.input-opens", "assertion", `request ${missing}`);
  if (opening === null) return checks.skip("exchange.input-opens", "assertion", "no salt shown");
  if (model === null) return checks.skip("exchange.input-opens", "assertion", "the integer model is not shown");
  if (model.digest !== claims.modelDigest) {
    checks.expect("exchange.input-opens", false, "signature", "the shown model is another than the leg's");
    return;
  }
  const commitment = checks.attempt("exchange.input-opens", "signature", () => commitmentOf(request, model, opening.salt));
  if (commitment === null) return;
  const opens = stating.every(({ inputCommitment }) => inputCommitment === commitment);
  checks.expect("exchange.input-opens", opens, "signature");
}

/** The commitment to what the model makes of a request's one row. @throws TrisealError where the request is none for it. */
function commitmentOf(request: Uint8Array, model: CheckedModel, salt: Uint8Array): string {
  const { input } = model.model;
  const spec = { name: input.name, datatype: "FP32", shape: [1, ...input.shape] } as const;
  const [tensor] = parseInputs(parseInferenceRequest(request), [spec]);
  return inputCommitment(model, salt, encodeInput(input, Array.from<unknown, number>(tensor?.data ?? [], Number)));
}

function verifyOutputs(story: ReceiptStory, claims: LegClaims, { checks, options }: VerifyContext): void {
  const { response, opening } = options;
  const missing = unreadable(response, story.returned.body_hash, claims.responseDigest);
  if (missing !== null || response === null) return checks.skip("exchange.outputs-match", "assertion", `response ${missing}`);
  const outputs = checks.attempt("exchange.outputs-match", "signature", () => outputsOf(response));
  if (outputs === null) return;
  if (claims.outputCommitment === null) {
    checks.expect("exchange.outputs-match", canonicalJson(claims.outputs) === canonicalJson(outputs), "signature");
    return;
  }
  if (opening === null) return checks.skip("exchange.outputs-match", "assertion", "no salt shown");
  const commitment = checks.attempt("exchange.outputs-match", "signature", () => outputCommitment(opening.salt, outputs));
  if (commitment !== null) checks.expect("exchange.outputs-match", commitment === claims.outputCommitment, "signature");
}

/** The integers of a response's one output. @throws Error where it has another form. */
function outputsOf(response: Uint8Array): readonly number[] {
  const { outputs } = parseInferenceResponse(response);
  const integers = Array.from<unknown, number>(outputs[0]?.data ?? [], Number);
  const fits =
    outputs.length === 1 && integers.every((item) => Number.isInteger(item) && item >= -MAX_OUTPUT && item < MAX_OUTPUT);
  if (!fits) throw new RangeError("the response has not one output of integers");
  return integers;
}
