/** Decisions that were swapped, policies that were downgraded, facts that were never stated, and stories that do not hold. */
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import { dropEvent, editEvent, strangeKey } from "../fixtures/attack.ts";
import { buildBundle, type Changes, requestBody } from "../fixtures/bundle.ts";
import { at } from "../fixtures/world.ts";
import { trustZk, withZk } from "../fixtures/zk-leg.ts";
import { asyncPolicy, backendFact, other, otherBody, withFact } from "../verify/attack-part.ts";
import { awaiting } from "../verify/leg-attacks.ts";
import { forged, type Way } from "./way.ts";

/** A policy that lets anything pass: all that stands in the way is what the leg says of the caller's facts. */
const anything = utf8(`apiVersion: triseal.dev/v1
defaults: { effect: deny }
rules:
  - { id: any, when: "true", require: { all: [tee], maxEvidenceAge: 15m, evidence: { accept: [simulated] } } }
`);

const stated = (classification: string) => requestBody({ parameters: { classification } });

const policies: readonly Way[] = [
  forged(
    "any",
    "downgraded policy: an older signed one, laxer than the one in force",
    "policy.not-rolled-back",
    "POLICY_ROLLED_BACK",
    {
      changes: { statement: (body) => ({ ...body, sequence: 2 }) },
    },
  ),
  forged(
    "any",
    "downgraded policy: the signed statement of one policy over the text of another",
    "policy.signed",
    "POLICY_UNSIGNED",
    {
      changes: { policyText: asyncPolicy, statement: (body) => ({ ...body, policyDigest: other }) },
    },
  ),
  forged("any", "downgraded policy: signed with the gateway's own receipt key", "policy.signed", "POLICY_UNSIGNED", {
    changes: ({ world }) => ({ policySigner: world.gateway }),
  }),
  forged("any", "a policy signed by somebody whom nobody named", "policy.signed", "POLICY_UNSIGNED", {
    changes: { policySigner: strangeKey },
  }),
];

const decisions: readonly Way[] = [
  forged(
    "any",
    "swapped decision: that of another request, which policy did allow",
    "binding.decision",
    "BINDING_DECISION_MISMATCH",
    {
      changes: async ({ world }) => {
        const { decision } = await buildBundle(world, { body: otherBody, nonce: "e".repeat(32) });
        const { encodeDecision } = await import("../../src/policy/index.ts");
        const bytes = encodeDecision(decision ?? (undefined as never));
        const own = (parts: Parameters<NonNullable<Changes["parts"]>>[0]) => ({
          ...parts,
          blobs: [...parts.blobs.filter((blob) => !new TextDecoder().decode(blob).includes('"rejectedFacts"')), bytes],
        });
        return { events: editEvent("policy.decided", { decision_digest: digestOf(bytes) }), parts: own };
      },
    },
  ),
  forged("any", "a denial that is receipted as an answer", "decision.replayed", "DECISION_NOT_REPRODUCED", {
    // All of an honest decision but the facts, which say what was denied.
    changes: ({ honest }) => ({
      body: stated("secret"),
      decision: (made) => ({ ...made, ...honest.decision, facts: made.facts, nonce: made.nonce }),
    }),
  }),
  forged(
    "any",
    "decided on a fact that its caller did not state, so that a laxer rule applies",
    "binding.facts",
    "BINDING_FACTS_MISMATCH",
    {
      changes: { facts: withFact("request.value_usd", 1) },
    },
  ),
  forged(
    "any",
    "decided on a fact that looks alike: another Unicode form of what the caller stated",
    "binding.facts",
    "BINDING_FACTS_MISMATCH",
    {
      changes: { policyText: anything, body: stated("caf\u00e9"), facts: withFact("request.classification", "cafe\u0301") },
    },
  ),
  forged("any", "decided on a fact that looks alike: a Cyrillic letter in it", "binding.facts", "BINDING_FACTS_MISMATCH", {
    changes: { policyText: anything, body: stated("internal"), facts: withFact("request.classification", "int\u0435rnal") },
  }),
  forged("any", "decided on a number that differs in its last bit", "binding.facts", "BINDING_FACTS_MISMATCH", {
    changes: { facts: withFact("request.value_usd", 25_000.000000000004) },
  }),
  forged("any", "a fact of the gateway's own under the name of a caller's", "decision.replayed", "DECISION_NOT_REPRODUCED", {
    changes: {
      decision: (made) => ({
        ...made,
        facts: made.facts.map((fact) => (fact.name === "request.value_usd" ? { ...fact, origin: "gateway" as const } : fact)),
      }),
    },
  }),
  forged(
    "any",
    "one fact told twice, so that policy and caller each find theirs",
    "decision.replayed",
    "DECISION_NOT_REPRODUCED",
    {
      changes: {
        decision: (made) => ({
          ...made,
          facts: made.facts.flatMap((fact) => (fact.name === "request.value_usd" ? [fact, { ...fact, value: 1 }] : [fact])),
        }),
      },
    },
  ),
  forged(
    "any",
    "a backend that policy forbids, told to policy as another kind",
    "decision.backend",
    "DECISION_BACKEND_MISMATCH",
    {
      changes: { candidates: backendFact("simulated", false) },
    },
  ),
  forged("any", "a model that was decided on, and another one that ran", "binding.model", "BINDING_MODEL_MISMATCH", {
    changes: { leg: (leg) => ({ ...leg, binding: { ...leg.binding, modelDigest: other } }) },
    trust: (entry) => void entry.paths.tee.models.push({ name: "risk", digest: other }),
  }),
  forged("any", "a leg that policy wants at once, called one that follows", "decision.obligations", "DECISION_OBLIGATION_UNMET", {
    changes: {
      events: awaiting(at(900)),
      parts: (parts) => ({ ...parts, blobs: parts.blobs.slice(0, -1) }),
    },
    options: { allowPending: true },
  }),
];

const stories: readonly Way[] = [
  forged("any", "an answer and a refusal of one request in one receipt", "receipt.events", "RECEIPT_EVENTS_INVALID", {
    changes: {
      events: (events) => [
        ...events.slice(0, -1),
        { type: "request.refused", code: "WORKER_LOST", rule_id: null },
        ...events.slice(-1),
      ],
    },
  }),
  forged("any", "two responses in one receipt, of which each reader takes one", "receipt.events", "RECEIPT_EVENTS_INVALID", {
    changes: { events: (events) => [...events, { type: "response.returned", body_hash: other }] },
  }),
  forged("any", "a refusal that hides that the request had left", "receipt.events", "RECEIPT_EVENTS_INVALID", {
    changes: {
      kind: "lost-after-forwarding",
      events: (events) =>
        editEvent("upstream.verified", { result: "verified", session_id: "d".repeat(64) })(
          dropEvent("request.forwarded")(events),
        ),
    },
  }),
  forged(
    "zk",
    "a proof whose receipt says that an upstream was verified which nobody appraised",
    "receipt.events",
    "RECEIPT_EVENTS_INVALID",
    {
      changes: () => {
        const proven = withZk();
        let cited: Record<string, unknown> | undefined;
        return {
          ...proven,
          events: (events) => {
            cited = events.find((event) => event["type"] === "upstream.verified");
            const made = proven.events?.(events) ?? events;
            return made.map((event) =>
              event["type"] === "upstream.verified" ? { ...event, ...cited, required: false, result: "verified" } : event,
            );
          },
          parts: (parts) => ({ ...(proven.parts?.(parts) ?? parts), sessions: parts.sessions, log: parts.log }),
        };
      },
      trust: (entry) => trustZk(entry),
    },
  ),
  forged("any", "bytes that no signed document cites, beside an honest receipt", "bundle.all-used", "BUNDLE_UNUSED_PART", {
    changes: { parts: (parts) => ({ ...parts, blobs: [...parts.blobs, new TextEncoder().encode("audited and found good")] }) },
  }),
  forged("any", "the honest receipt of another request", "exchange.request", "EXCHANGE_REQUEST_MISMATCH", {
    options: () => ({ request: new TextEncoder().encode(JSON.stringify(otherBody)) }),
  }),
  forged("any", "the honest receipt of the request, and another answer", "exchange.response", "EXCHANGE_RESPONSE_MISMATCH", {
    options: (_, { request }) => ({ request: request.wire, response: new TextEncoder().encode('{"outputs":[]}') }),
  }),
  forged("any", "the promise of a leg, long after its deadline", "leg.not-overdue", "LEG_OVERDUE", {
    changes: {
      policyText: asyncPolicy,
      events: awaiting(at(900)),
      parts: (parts) => ({ ...parts, blobs: parts.blobs.slice(0, -1) }),
    },
    options: { allowPending: true, now: at(5000) },
  }),
];

/** All of them. */
export const decisionWays: readonly Way[] = [...policies, ...decisions, ...stories];
