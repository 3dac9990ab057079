/** The sentences that an accepted bundle supports, each with the weakest thing it rests on. */
import { type Basis, weaker } from "../core/check.ts";
import { formatTime } from "../core/time.ts";
import type { LegClaims } from "../paths/path.ts";
import type { Moment, VerifyContext } from "./context.ts";
import type { Claim } from "./verdict.ts";
import type { VerifiedLeg } from "./verify-legs.ts";
import type { VerifiedDecision } from "./verify-policy.ts";
import type { ReceiptStory } from "./verify-receipt.ts";

/** What an answer's receipt says. */
export function claimsOfAnswer(
  story: ReceiptStory,
  decision: VerifiedDecision | null,
  legs: readonly VerifiedLeg[],
  logged: Moment | null,
  context: VerifyContext,
): readonly Claim[] {
  return [
    ...legs.flatMap((leg) => claimsOfLeg(leg, story, context)),
    ...story.legs.filter(({ path }) => !legs.some(({ event }) => event.path === path)).flatMap(pendingClaim),
    ...policyClaims(decision),
    timeClaim(logged, context),
  ];
}

function pendingClaim(leg: ReceiptStory["legs"][number]): readonly Claim[] {
  if (leg.status === "final") return [];
  const text = `the ${leg.path} leg is pending until ${formatTime(leg.deadline)}: nothing supports what it is to show`;
  return [{ about: "answer", text, basis: "assertion" }];
}

function claimsOfLeg({ event, claims }: VerifiedLeg, story: ReceiptStory, context: VerifyContext): readonly Claim[] {
  const facts = claims.backendFacts;
  const guessable = event.digest === "guessable" || story.received.digest === "guessable";
  return [
    {
      about: "answer",
      text: `the ${event.path} leg says: ${claims.correctness.text}, with model ${claims.modelDigest}${"session_id" in facts ? `, in session ${facts["session_id"]}` : ""}`,
      basis: weaker("signature", claims.correctness.basis),
    },
    {
      about: "input",
      text: `on request ${claims.requestDigest}, ${shownText(context.options.request)}, giving response ${claims.responseDigest}, ${shownText(context.options.response)}${guessable ? "; digest: guessable" : ""}`,
      basis: weaker("signature", claims.correctness.basis),
    },
    ...commitmentClaim(claims, context),
    {
      about: "confidentiality",
      text: confidentialityText(event, claims),
      basis: weaker("signature", claims.confidentiality.basis),
    },
  ];
}

function confidentialityText({ sealed_by: by }: VerifiedLeg["event"], { submission, confidentiality }: LegClaims): string {
  const { text } = confidentiality;
  if (submission !== undefined) return `the gateway saw what the caller submitted and its answer in the clear; ${text}`;
  if (by === "caller")
    return `the gateway forwarded a body that was sealed to the worker; beyond that it was kept ${text}. That the caller, and not the gateway, sealed it is known only to whoever has the exchange`;
  return `the gateway saw request and answer in the clear; behind it they were kept ${text}`;
}

/** What a commitment is worth here: without its opening it is one to some input. */
function commitmentClaim({ inputCommitment, correctness, submission }: LegClaims, context: VerifyContext): readonly Claim[] {
  if (inputCommitment === null) return [];
  const passed = new Set(context.checks.all().flatMap(({ id, status }) => (status === "pass" ? [id] : [])));
  const [input, outputs] = [passed.has("exchange.input-opens"), passed.has("exchange.outputs-match")];
  const checked =
    submission === undefined ? openedText(input, outputs) : "which input the caller took is known to the caller alone";
  const how = correctness.basis === "proof" ? "proven" : "signed";
  const text = `${how} for a committed input and stated outputs; ${checked}`;
  return [{ about: "input", text, basis: weaker("signature", correctness.basis) }];
}

function openedText(input: boolean, outputs: boolean): string {
  if (input && outputs) return "they are those of the exchange that you showed";
  if (input) return "the input is the shown request's; that the outputs are those of this exchange was not checked";
  if (outputs) return "the outputs are the shown response's; that the input is that of this exchange was not checked";
  return "that they are those of this exchange was not checked";
}

function shownText(bytes: Uint8Array | null): string {
  return bytes === null ? "content not shown" : "the one that you showed";
}

function policyClaims(decision: VerifiedDecision | null): readonly Claim[] {
  if (decision === null) return [];
  const { statement } = decision.statement;
  const { facts, candidates } = decision.decision;
  const read = [...facts, ...candidates.flatMap((candidate) => candidate.facts)];
  const origins = [...new Set(read.map(({ origin }) => origin))].sort().join(", ");
  return [
    {
      about: "policy",
      text: `decided ${decision.decision.effect} by rule ${decision.decision.ruleIds.join(", ") || "none"} of policy ${statement.policyDigest}, sequence ${statement.sequence}; replayed here on the recorded facts`,
      basis: "signature",
    },
    { about: "policy", text: `the recorded facts are as stated by: ${origins}`, basis: "assertion" },
  ];
}

function timeClaim(logged: Moment | null, context: VerifyContext): Claim {
  const served = formatTime(context.bundle.receipt.served_at);
  if (logged === null || logged.basis === "assertion") {
    return { about: "time", text: `served at ${served}, says the operator; no witness saw it`, basis: "assertion" };
  }
  return {
    about: "time",
    text: `in the log by ${formatTime(logged.seconds)}, say the trusted witnesses; served at ${served}, says the operator`,
    basis: "signature",
  };
}

/** What a refusal's receipt says. */
export function claimsOfRefusal(
  story: ReceiptStory,
  decision: VerifiedDecision | null,
  logged: Moment | null,
  context: VerifyContext,
): readonly Claim[] {
  const left: { text: string; basis: Basis } =
    story.forwarded === null
      ? { text: "no byte of it was forwarded", basis: "signature" }
      : { text: "the request had been forwarded, and no answer was returned", basis: "signature" };
  return [
    {
      about: "refusal",
      text: `the gateway says: request ${story.received.body_hash} was refused with ${story.refused?.code}; ${left.text}`,
      basis: left.basis,
    },
    ...policyClaims(decision),
    timeClaim(logged, context),
  ];
}
