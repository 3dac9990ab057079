/** Appraises every leg and compares what it states with receipt, decision and the other legs (receipt/SPEC.md section 5.3). */
import type { Check } from "../core/check.ts";
import { digestOf } from "../core/digest.ts";
import { canonicalJson } from "../core/jcs.ts";
import type { JsonObject } from "../core/json.ts";
import { callerFacts, factsDigest, parseInferenceRequest } from "../core/oip.ts";
import { outputCommitment } from "../model/commitment/leg-commitment.ts";
import type { Appraiser, LegClaims, RevokedSet } from "../paths/path.ts";
import { callerFactsOf, type FactValue } from "../policy/fact.ts";
import type { EventOf, FinalLeg } from "../receipt/receipt.ts";
import { type AttestedSession, decodeSession } from "../receipt/session.ts";
import { pathSection, type TrustedService } from "../trust/trust-file.ts";
import type { Moment, VerifyContext } from "./context.ts";
import type { VerifiedDecision } from "./verify-policy.ts";
import type { ReceiptStory } from "./verify-receipt.ts";

/** A leg that was appraised, with the checks of its path. */
export interface VerifiedLeg {
  readonly event: FinalLeg;
  readonly claims: LegClaims;
  readonly checks: readonly Check[];
  readonly factsBoundBy: Appraiser["factsBoundBy"];
}

/** What the legs are judged with. */
export interface LegInputs {
  readonly appraisers: readonly Appraiser[];
  readonly service: TrustedService;
  readonly story: ReceiptStory;
  /** Legs that supplements brought, by path. */
  readonly completed: ReadonlyMap<string, FinalLeg>;
  readonly decision: VerifiedDecision | null;
  readonly session: AttestedSession | null;
  /** Moment for which evidence is judged. */
  readonly evidenceAt: Moment;
  /** Moment for which the leg's key is judged: that of the receipt. */
  readonly answeredAt: Moment;
  readonly revoked: RevokedSet;
}

/** The session that the receipt cites, checked against its id; null where none is cited or it does not check. */
export function readSession(story: ReceiptStory, context: VerifyContext): AttestedSession | null {
  const id = story.upstream?.session_id;
  if (id === undefined) return null;
  context.use("session", id);
  const session = context.checks.attempt("session.cited", "signature", () => decodeSession(context.bundle.sessions.get(id)));
  if (session === null) return null;
  return context.checks.expect("session.cited", session.id === id, "signature") ? session : null;
}

/** Appraises and compares all legs of an answer. Checks of the paths are returned beside the verifier's own. */
export async function verifyLegs(inputs: LegInputs, context: VerifyContext): Promise<readonly VerifiedLeg[]> {
  const legs: VerifiedLeg[] = [];
  for (const event of inputs.story.legs) {
    const final = finalLeg(event, inputs, context);
    const leg = final === null ? null : await appraiseLeg(final, inputs, context);
    if (leg !== null) legs.push(leg);
  }
  // A refusal after an allowing decision, such as that of a lost worker, has no leg: `receipt.events` sees to that.
  if (inputs.decision !== null && inputs.story.refused === null) expectObligations(inputs, context);
  const isWired = legs.some(({ claims }) => claims.wire !== null);
  for (const leg of legs) compareLeg(leg, isWired, inputs, context);
  expectAgreement(
    legs.map(({ claims }) => claims),
    context,
  );
  return legs;
}

/** Legs of one exchange state one request, one input and one answer. What one leg states, no other may leave out. */
function expectAgreement(claims: readonly LegClaims[], { checks, options }: VerifyContext): void {
  const [first, ...others] = claims;
  if (first === undefined) return;
  const bodies = others.every(
    (other) => other.requestDigest === first.requestDigest && other.responseDigest === first.responseDigest,
  );
  checks.expect("binding.legs-agree", bodies, "signature");
  const input = others.every((other) => other.inputCommitment === first.inputCommitment);
  checks.expect("binding.inputs-agree", input, "signature");
  const stated = new Set(claims.map((leg) => statedOutputs(leg, null)));
  const salt = options.opening?.salt ?? null;
  // A leg that commits to its outputs and one that states them can be compared under the salt only.
  const same = stated.size === 1 || (salt !== null && new Set(claims.map((leg) => statedOutputs(leg, salt))).size === 1);
  const mixed = claims.some((leg) => leg.outputCommitment !== null) && claims.some((leg) => leg.outputs !== null);
  const detail = mixed && salt === null ? "one leg states them, another commits to them, and no salt is shown" : "";
  checks.expect("binding.outputs-agree", same, "signature", detail);
}

/** A text that is equal for equal outputs: as the leg states them, or under a salt as a commitment. */
function statedOutputs({ outputs, outputCommitment: commitment }: LegClaims, salt: Uint8Array | null): string {
  if (salt === null || commitment !== null || !isIntegers(outputs)) return canonicalJson({ outputs, commitment });
  return canonicalJson({ outputs: null, commitment: outputCommitment(salt, outputs) });
}

function isIntegers(outputs: LegClaims["outputs"]): outputs is readonly number[] {
  return Array.isArray(outputs) && outputs.every((item) => Number.isInteger(item));
}

/** The leg itself: the receipt's, or the one that a supplement brought; null where it is still to come. */
function finalLeg(event: EventOf<"leg.sealed">, { completed }: LegInputs, { checks, options }: VerifyContext): FinalLeg | null {
  const leg = event.status === "final" ? event : completed.get(event.path);
  if (leg !== undefined) {
    checks.expect("leg.final", true, "signature");
    return leg;
  }
  const overdue = event.status === "pending" && event.deadline < options.now;
  if (checks.expect("leg.not-overdue", !overdue, "signature", `path ${event.path}`))
    checks.expect("leg.final", options.allowPending, "signature", `path ${event.path} is pending`);
  return null;
}

async function appraiseLeg(event: FinalLeg, inputs: LegInputs, context: VerifyContext): Promise<VerifiedLeg | null> {
  const appraiser = inputs.appraisers.find(
    (candidate) => candidate.path === event.path && candidate.legMediaType === event.leg_media_type,
  );
  if (
    !context.checks.expect("leg.known-path", appraiser !== undefined, "signature", `path ${event.path}`) ||
    appraiser === undefined
  )
    return null;
  const bytes = context.blob(event.leg_digest);
  const { session } = inputs;
  const evidenceCited =
    !appraiser.attestedUpstream ||
    (session !== null &&
      session.evidence.digest === event.evidence_digest &&
      session.evidenceMediaType === event.evidence_media_type);
  const cited = bytes !== null && evidenceCited;
  if (!context.checks.expect("leg.cited", cited, "signature") || bytes === null) return null;
  // The receipt cites it: whether the appraiser gets as far as to ask for it does not make it an unused part.
  if (!appraiser.attestedUpstream) context.blob(event.evidence_digest);
  const appraisal = await appraiser.appraise(bytes, {
    trust: pathSection(inputs.service, event.path),
    revoked: inputs.revoked,
    model: context.bundle.receipt.model,
    tenant: tenantIn(inputs.decision),
    session: inputs.session?.document ?? null,
    programs: context.options.programs?.get(event.path) ?? new Map(),
    blob: (digest) => context.blob(digest),
    at: inputs.evidenceAt,
    answeredAt: inputs.answeredAt,
    now: context.options.now,
  });
  waivePathEntries(event.path, pathSection(inputs.service, event.path), context);
  context.addPathChecks(appraisal.checks, appraiser.optionalChecks);
  const { claims, checks } = appraisal;
  return claims === null ? null : { event, claims, checks, factsBoundBy: appraiser.factsBoundBy };
}

/** Every `because` of the path's section is repeated: the section was relied on. */
export function waivePathEntries(path: string, section: JsonObject | null, context: VerifyContext): void {
  const visit = (value: unknown, place: string): void => {
    if (typeof value !== "object" || value === null) return;
    if ("because" in value && typeof value.because === "string") context.waive(place, value.because);
    for (const [name, member] of Object.entries(value)) visit(member, `${place}.${name}`);
  };
  visit(section, `paths.${path}`);
}

function expectObligations(inputs: LegInputs, context: VerifyContext): void {
  const chosen = (inputs.decision?.decision.chosen ?? []).map(({ path }) => path).sort();
  const present = inputs.story.legs.map(({ path }) => path).sort();
  const complete = JSON.stringify(chosen) === JSON.stringify(present);
  const inTime = inputs.story.legs.every((event) => event.status === "final" || mayFollow(event, inputs.decision));
  context.checks.expect("decision.obligations", complete && inTime, "signature", `wanted ${chosen.join(", ")}`);
}

/** Whether policy allows that this leg follows, by the deadline that it states. */
function mayFollow(event: EventOf<"leg.sealed">, decided: VerifiedDecision | null): boolean {
  const allowed = decided?.decision.obligations?.async.find(({ path }) => path === event.path);
  if (decided === null || allowed === undefined || event.status !== "pending") return false;
  return event.deadline <= decided.decision.at + allowed.deadlineSeconds;
}

function compareLeg(leg: VerifiedLeg, isWired: boolean, inputs: LegInputs, context: VerifyContext): void {
  const { checks } = context;
  const { event, claims } = leg;
  const { story, decision } = inputs;
  const evidence = claims.evidence.digest === event.evidence_digest && claims.evidence.mediaType === event.evidence_media_type;
  if (!evidence) checks.expect("leg.cited", false, "signature", "the evidence is another");
  compareBodies(event, claims, isWired, story, context);
  if (decision === null || story.policy === null) return;
  checks.expect("binding.decision", claims.decisionDigest === story.policy.decision_digest, "signature");
  checks.expect("binding.nonce", claims.nonce === decision.decision.nonce, "signature");
  compareFacts(leg, decision, context);
  compareModel(claims, inputs, context);
  compareSealing(event, inputs, context);
  compareSubmission(claims, inputs, context);
  compareBackend(event, claims, inputs, context);
}

/**
 * Which digest must equal which depends on who sealed: the caller, the gateway, or nobody. What was forwarded are the bytes of
 * the leg that states what came in on its wire. A leg without a wire beside it is tied to the same request by
 * `binding.request-received` and `binding.legs-agree`, and says nothing of what was forwarded.
 * @param isWired whether any leg states what was on its wire.
 */
function compareBodies(
  event: EventOf<"leg.sealed">,
  claims: LegClaims,
  isWired: boolean,
  story: ReceiptStory,
  context: VerifyContext,
): void {
  const { checks } = context;
  const byCaller = event.sealed_by === "caller";
  const wire = claims.wire ?? { requestDigest: claims.requestDigest, responseDigest: claims.responseDigest };
  // What a caller sealed somebody opened, who says what was on the wire: without that, a body in the clear would pass for sealed.
  const received = byCaller ? claims.wire?.requestDigest : claims.requestDigest;
  const returned = byCaller ? claims.wire?.responseDigest : claims.responseDigest;
  checks.expect("binding.request-received", story.received.body_hash === received, "signature");
  if (claims.wire !== null || !isWired)
    checks.expect("binding.request-forwarded", story.forwarded?.body_hash === wire.requestDigest, "signature");
  checks.expect("binding.response-returned", story.returned.body_hash === returned, "signature");
}

/** A fact that the decision rests on. */
function factIn({ decision }: LegInputs, name: string): FactValue | undefined {
  return decision?.decision.facts.find((candidate) => candidate.name === name)?.value;
}

/** Whose request it was, as policy was told; null where nothing says. */
export function tenantIn(decided: VerifiedDecision | null): string | null {
  const value = decided?.decision.facts.find(({ name }) => name === "tenant.id")?.value;
  return typeof value === "string" ? value : null;
}

function compareModel(claims: LegClaims, inputs: LegInputs, context: VerifyContext): void {
  context.checks.expect("binding.model", factIn(inputs, "model.digest") === claims.modelDigest, "signature");
}

/** What is not told to policy could have been what it forbids; and what a backend computed was made by no caller. */
function compareSubmission({ submission, tenant }: LegClaims, inputs: LegInputs, context: VerifyContext): void {
  const told = factIn(inputs, "request.submits");
  if (tenant !== undefined) context.checks.expect("statement.tenant", tenant === factIn(inputs, "tenant.id"), "signature");
  context.checks.expect("decision.submission", told === submission, "signature", `decided as ${String(told ?? "computed")}`);
}

/** A leg that says nothing of the caller's facts binds none, unless its request does: policy could have decided on any. */
function compareFacts({ claims, factsBoundBy }: VerifiedLeg, { decision }: VerifiedDecision, context: VerifyContext): void {
  const { checks } = context;
  const stated = checks.attempt("binding.facts", "signature", () => factsDigest(callerFactsOf(decision)));
  if (stated === null) return;
  if (factsBoundBy !== "request") {
    checks.expect("binding.facts", claims.factsDigest === stated, "signature");
    return;
  }
  const { request } = context.options;
  if (request === null || digestOf(request) !== claims.requestDigest) {
    checks.skip("binding.facts-in-request", "assertion", "the request that holds them was not shown");
    return;
  }
  const held = checks.attempt("binding.facts-in-request", "signature", () =>
    factsDigest(callerFacts(parseInferenceRequest(request).parameters)),
  );
  if (held !== null) checks.expect("binding.facts-in-request", held === stated, "signature");
}

/** Who sealed is one story in decision and receipt, and a caller that wanted its own seal or a refusal got no answer without it. */
function compareSealing(event: EventOf<"leg.sealed">, inputs: LegInputs, context: VerifyContext): void {
  const agreed = factIn(inputs, "request.sealed") === event.sealed_by;
  const granted = factIn(inputs, "request.seal") !== "caller" || event.sealed_by === "caller";
  context.checks.expect("decision.sealing", agreed && granted, "signature", `sealed by ${event.sealed_by}`);
}

/** The chosen backend's facts of origin `evidence` must be all that its evidence shows and no more; its age is recomputed. */
function compareBackend(event: EventOf<"leg.sealed">, claims: LegClaims, inputs: LegInputs, context: VerifyContext): void {
  const decision = inputs.decision?.decision;
  const chosen = decision?.chosen.find(({ path }) => path === event.path);
  const candidate = decision?.candidates.find(({ id, path }) => id === chosen?.backendId && path === event.path);
  if (decision === undefined || candidate === undefined) return;
  const shown: Record<string, string | number | boolean> = { ...claims.backendFacts };
  if (inputs.session !== null && shown["session_id"] === inputs.session.id)
    shown["evidence_age_seconds"] = decision.at - inputs.session.established_at;
  const wrong = candidate.facts.filter(
    (fact) => fact.origin === "evidence" && shown[fact.name.slice("backend.".length)] !== fact.value,
  );
  // What is not told to policy could have been what a guardrail forbids.
  const untold = Object.keys(shown).filter((name) => !candidate.facts.some((fact) => fact.name === `backend.${name}`));
  const detail = [...wrong.map(({ name }) => name), ...untold.map((name) => `no backend.${name}`)].join(", ");
  context.checks.expect("decision.backend", detail === "", "signature", detail);
}
