/** Checks the policy: who signed it, whether it was in force, and that the decision is what it says, by replaying it. */
import type { Sha256Digest } from "../core/digest.ts";
import type { RevokedSet } from "../paths/path.ts";
import { ATTRIBUTES } from "../policy/attribute.ts";
import { type Decision, parseDecision } from "../policy/decision.ts";
import { isInForce, type PolicyStatement, parsePolicyStatement, verifyPolicyStatement } from "../policy/statement.ts";
import type { TrustedService } from "../trust/trust-file.ts";
import type { Moment, VerifyContext } from "./context.ts";
import type { ReceiptStory } from "./verify-receipt.ts";

/** A decision together with the statement that its policy was in force under. */
export interface VerifiedDecision {
  readonly decision: Decision;
  readonly statement: PolicyStatement;
}

/** Facts that a gateway states about every request: leaving one out would change what policy could see. */
const ALWAYS_STATED = ATTRIBUTES.filter(({ name, optional }) => !optional && !name.startsWith("backend.")).map(
  ({ name }) => name,
);

interface PolicyParts extends VerifiedDecision {
  readonly policyText: Uint8Array;
  readonly decisionBytes: Uint8Array;
}

function readParts(event: NonNullable<ReceiptStory["policy"]>, context: VerifyContext): PolicyParts | null {
  const blob = (digest: Sha256Digest): Uint8Array => {
    const bytes = context.blob(digest);
    if (bytes === null) throw new Error(`${digest} is not in the bundle`);
    return bytes;
  };
  return context.checks.attempt("policy.readable", "signature", () => {
    const decisionBytes = blob(event.decision_digest);
    const statement = parsePolicyStatement(blob(event.statement_digest));
    return { policyText: blob(event.policy_digest), decisionBytes, statement, decision: parseDecision(decisionBytes) };
  });
}

/** Verifies policy and decision; null where they cannot be read. What replays is loaded with the first decision. */
export async function verifyPolicy(
  story: ReceiptStory,
  service: TrustedService,
  at: Moment,
  revoked: RevokedSet,
  context: VerifyContext,
): Promise<VerifiedDecision | null> {
  if (story.policy === null) return null;
  const event = story.policy;
  const parts = readParts(event, context);
  if (parts === null) return null;
  context.checks.expect("policy.readable", true, "signature");
  const { decision } = parts;
  verifyStatement(parts, event.policy_digest, service, at, revoked, context);
  const cited =
    decision.policyDigest === event.policy_digest &&
    decision.effect === event.effect &&
    JSON.stringify(decision.ruleIds) === JSON.stringify(event.rule_ids) &&
    (event.effect === "allow" || story.refused?.code === decision.code) &&
    (event.effect === "allow" || story.refused?.rule_id === (decision.ruleIds[0] ?? null));
  context.checks.expect("decision.cited", cited, "signature");
  const model = decision.facts.find(({ name }) => name === "model.name")?.value;
  const upstream = story.upstream?.model_id ?? model;
  context.checks.expect("decision.model", model === context.bundle.receipt.model && model === upstream, "signature");
  const { replayDecision } = await import("../policy/replay.ts");
  const replay = replayDecision(parts.policyText, parts.decisionBytes);
  const absent = ALWAYS_STATED.filter((name) => !decision.facts.some((fact) => fact.name === name));
  const reason = replay.ok ? absent.map((name) => `no ${name}`).join(", ") : replay.reason;
  context.checks.expect("decision.replayed", replay.ok && absent.length === 0, "signature", reason);
  return parts;
}

function verifyStatement(
  { statement: signed, decision }: VerifiedDecision,
  policyDigest: Sha256Digest,
  service: TrustedService,
  at: Moment,
  revoked: RevokedSet,
  context: VerifyContext,
): void {
  const { checks } = context;
  const signer = service.policySigners.find((candidate) => verifyPolicyStatement(signed, candidate.publicKey));
  const { statement } = signed;
  checks.expect("policy.signed", signer !== undefined && statement.policyDigest === policyDigest, "signature");
  const inForce = isInForce(statement, at.seconds) && isInForce(statement, decision.at);
  checks.expect("policy.in-force", inForce, at.basis);
  if (signer === undefined) return;
  context.waive(`policy signer ${signer.publicKey.slice(0, 16)}…`, signer.because);
  checks.expect("policy.signer-not-revoked", !revoked.keys.has(signer.publicKey), "assertion");
  const detail = `sequence ${statement.sequence}, at least ${signer.minSequence} wanted`;
  checks.expect("policy.not-rolled-back", statement.sequence >= signer.minSequence, "signature", detail);
}
