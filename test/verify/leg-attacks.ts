import { teeAppraiser } from "../../src/paths/tee/evidence/tee-appraiser.ts";
import { parseTeeLeg } from "../../src/paths/tee/wire/leg.ts";
import { type Attack, editEvent } from "../fixtures/attack.ts";
import { type BundleParts, buildBundle, type Changes, requestBody } from "../fixtures/bundle.ts";
import { echo, withEcho } from "../fixtures/echo-path.ts";
import { at, modelDigestOf, START } from "../fixtures/world.ts";

import { asyncPolicy, other, otherBody, withFact } from "./attack-part.ts";

/** Legs and bindings: the leg is a real worker's, about something else. */
export const splicedLegs: readonly Attack[] = [
  {
    name: "with another request's leg",
    check: "binding.decision",
    code: "BINDING_DECISION_MISMATCH",
    changes: async ({ world }) => {
      const { legBytes } = await buildBundle(world, { body: otherBody, nonce: "f".repeat(32) });
      return { legBytes: (own) => legBytes ?? own };
    },
  },
  {
    name: "with the leg of another request that was decided under the same decision",
    check: "binding.request-received",
    code: "BINDING_REQUEST_MISMATCH",
    changes: { workerBody: otherBody },
  },
  {
    name: "whose caller-sealed leg is another envelope's",
    check: "binding.request-received",
    code: "BINDING_REQUEST_MISMATCH",
    changes: { kind: "caller-sealed", leg: (leg) => ({ ...leg, wire: { ...leg.wire, requestDigest: other } }) },
  },
  {
    name: "that forwarded other bytes than the worker opened",
    check: "binding.request-forwarded",
    code: "BINDING_FORWARDED_MISMATCH",
    changes: { events: editEvent("request.forwarded", { body_hash: other }) },
  },
  {
    name: "that returned another response",
    check: "binding.response-returned",
    code: "BINDING_RESPONSE_MISMATCH",
    changes: { events: editEvent("response.returned", { body_hash: other }) },
  },
  {
    name: "that returned another sealed response",
    check: "binding.response-returned",
    code: "BINDING_RESPONSE_MISMATCH",
    changes: { kind: "caller-sealed", events: editEvent("response.returned", { body_hash: other }) },
  },
  {
    name: "whose leg has the wire digests swapped",
    check: "binding.request-forwarded",
    code: "BINDING_FORWARDED_MISMATCH",
    changes: {
      leg: (leg) => ({
        ...leg,
        wire: { requestDigest: leg.wire.responseDigest, responseDigest: leg.wire.requestDigest },
      }),
    },
  },
  {
    name: "that calls a gateway-sealed request caller-sealed in the leg event",
    check: "decision.sealing",
    code: "DECISION_SEALING_MISMATCH",
    changes: { events: editEvent("leg.sealed", { sealed_by: "caller" }) },
  },
  {
    name: "that calls a gateway-sealed request caller-sealed everywhere",
    check: "binding.request-received",
    code: "BINDING_REQUEST_MISMATCH",
    changes: { facts: withFact("request.sealed", "caller"), events: editEvent("leg.sealed", { sealed_by: "caller" }) },
  },
  {
    name: "that calls a caller-sealed request gateway-sealed",
    check: "decision.sealing",
    code: "DECISION_SEALING_MISMATCH",
    changes: { kind: "caller-sealed", events: editEvent("leg.sealed", { sealed_by: "gateway" }) },
  },
  {
    name: "that tells policy that the caller sealed what the gateway sealed",
    check: "decision.sealing",
    code: "DECISION_SEALING_MISMATCH",
    changes: { facts: withFact("request.sealed", "caller") },
  },
  {
    name: "that answers a clear request whose caller asked to be refused unless it sealed",
    check: "decision.sealing",
    code: "DECISION_SEALING_MISMATCH",
    changes: { body: requestBody({ parameters: { seal: "caller" } }) },
  },
  {
    name: "whose leg has the nonce of another decision",
    check: "binding.nonce",
    code: "BINDING_NONCE_MISMATCH",
    changes: { leg: (leg) => ({ ...leg, binding: { ...leg.binding, nonce: "a".repeat(32) } }) },
  },
  {
    name: "whose leg is about another model of the same worker",
    check: "binding.model",
    code: "BINDING_MODEL_MISMATCH",
    changes: { leg: (leg) => ({ ...leg, binding: { ...leg.binding, modelDigest: modelDigestOf("other of alpha") } }) },
    trust: (entry) => void entry.paths.tee.models.push({ name: "other", digest: modelDigestOf("other of alpha") }),
  },
  {
    name: "whose leg is about another accepted version of the model than was decided on",
    check: "binding.model",
    code: "BINDING_MODEL_MISMATCH",
    changes: { leg: (leg) => ({ ...leg, binding: { ...leg.binding, modelDigest: modelDigestOf("other of alpha") } }) },
    trust: (entry) => void entry.paths.tee.models.push({ name: "risk", digest: modelDigestOf("other of alpha") }),
  },
  {
    name: "whose second leg says nothing of the caller's facts",
    check: "binding.facts",
    code: "BINDING_FACTS_MISMATCH",
    appraisers: [teeAppraiser, echo],
    changes: (_scene) => withEcho({ factsDigest: null }),
  },
  {
    name: "whose two legs are about two requests in one envelope",
    check: "binding.legs-agree",
    code: "BINDING_LEGS_DISAGREE",
    appraisers: [teeAppraiser, echo],
    changes: (_scene) => withEcho({ requestDigest: other }, { kind: "caller-sealed" }),
  },
  {
    name: "whose two legs are about two responses in one envelope",
    check: "binding.legs-agree",
    code: "BINDING_LEGS_DISAGREE",
    appraisers: [teeAppraiser, echo],
    changes: (_scene) => withEcho({ responseDigest: other }, { kind: "caller-sealed" }),
  },
  {
    name: "whose leg makes its appraiser throw",
    check: "bundle.verifiable",
    code: "VERIFIER_FAILED",
    appraisers: [{ ...teeAppraiser, appraise: async () => Promise.reject(new RangeError("a fault")) }],
  },
  {
    name: "whose leg was signed under another decision",
    check: "binding.decision",
    code: "BINDING_DECISION_MISMATCH",
    changes: { leg: (leg) => ({ ...leg, binding: { ...leg.binding, decisionDigest: other } }) },
  },
];

/** Calls every leg one that is still to come. */
export function awaiting(deadline: number): NonNullable<Changes["events"]> {
  return (events) =>
    events.map((event) => {
      if (event["type"] !== "leg.sealed") return event;
      return { type: "leg.sealed", path: event["path"] ?? "", status: "pending", sealed_by: event["sealed_by"] ?? "", deadline };
    });
}

function withoutLeg(parts: BundleParts): BundleParts {
  return { ...parts, blobs: parts.blobs.filter((blob) => !isLeg(blob)) };
}

function isLeg(blob: Uint8Array): boolean {
  try {
    parseTeeLeg(blob);
    return true;
  } catch {
    return false;
  }
}

/** Legs that are still to come. */
export const pendingLegs: readonly Attack[] = [
  {
    name: "whose leg is pending although policy wants it at once",
    check: "decision.obligations",
    code: "DECISION_OBLIGATION_UNMET",
    changes: { events: awaiting(START + 1500), parts: withoutLeg },
    options: { allowPending: true },
  },
  {
    name: "whose leg may be pending, where nobody allowed that",
    check: "leg.final",
    code: "LEG_PENDING",
    changes: { policyText: asyncPolicy, events: awaiting(at(900)), parts: withoutLeg },
    options: { now: at(500) },
  },
  {
    name: "whose pending leg is overdue",
    check: "leg.not-overdue",
    code: "LEG_OVERDUE",
    changes: { policyText: asyncPolicy, events: awaiting(at(900)), parts: withoutLeg },
    options: { allowPending: true, now: at(2000) },
  },
  {
    name: "whose pending leg has a later deadline than policy gives",
    check: "decision.obligations",
    code: "DECISION_OBLIGATION_UNMET",
    changes: {
      policyText: asyncPolicy,
      events: awaiting(at(1_000_000)),
      parts: withoutLeg,
    },
    options: { allowPending: true },
  },
  {
    name: "with two legs of one path",
    check: "decision.obligations",
    code: "DECISION_OBLIGATION_UNMET",
    changes: { events: (events) => events.flatMap((event) => (event["type"] === "leg.sealed" ? [event, event] : [event])) },
  },
  {
    name: "with a leg of a path that policy did not choose",
    check: "decision.obligations",
    code: "DECISION_OBLIGATION_UNMET",
    changes: { events: editEvent("leg.sealed", { path: "zk" }) },
  },
];

/** A pending leg that policy allows, and that the auditor accepts. */
export const allowedPending: Changes = {
  policyText: asyncPolicy,
  events: awaiting(at(900)),
  parts: withoutLeg,
};
