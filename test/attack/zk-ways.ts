/** Keys whose secrets are known, proofs of other requests, and statements of other tenants. */
import { bn254 } from "@noble/curves/bn254.js";
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf, digestOfJson } from "../../src/core/digest.ts";
import { FIELD_ORDER } from "../../src/paths/zk/wire/field.ts";
import type { ZkLeg } from "../../src/paths/zk/wire/leg.ts";
import type { Setup } from "../../src/paths/zk/wire/setup.ts";
import type { Changes } from "../fixtures/bundle.ts";
import { withCallerProof } from "../fixtures/caller-proof.ts";
import { provenRun, trustProven } from "../fixtures/proven-run.ts";
import { stranger as otherBank, trustStatement, withStatement } from "../fixtures/statement.ts";
import { at } from "../fixtures/world.ts";
import {
  honestKey,
  knownKey,
  MODEL,
  otherKey,
  trustCommitted,
  trustZk,
  withZk,
  type ZkChanges,
  type ZkEntry,
} from "../fixtures/zk-leg.ts";
import { otherBody, withFact } from "../verify/attack-part.ts";
import { otherCommitment } from "../verify/integer-run.ts";
import { forged, type Way } from "./way.ts";

const stranger = digestOfJson("another");
const because = "a test";

interface Proven {
  readonly zk?: ZkChanges;
  readonly more?: Changes;
  readonly section?: (section: ZkEntry) => void;
}

function proof(way: string, stop: string, code: string, { zk, more, section }: Proven): Way {
  return forged("zk", way, stop, code, { changes: () => withZk(zk, more), trust: (entry) => trustZk(entry, section) });
}

/** Every key and every model: all that is left to refuse is mathematics. */
const anyKey = (section: ZkEntry): void => {
  section.keys = { accept: "any", because };
  section.models = { accept: "any", because };
};

const bare = knownKey(3_000_003n, 3, 1n);
const own = knownKey(9_000_003n);

/** A proof with its first point on the other side of the axis: another one of the same statement, or none. */
const negated = (leg: ZkLeg): ZkLeg => ({
  ...leg,
  proof: { ...leg.proof, a: { ...leg.proof.a, y: bn254.fields.Fp.neg(leg.proof.a.y) } },
});

const keys: readonly Way[] = [
  proof("foreign verification key: one whose secrets the adversary chose", "zk.key-accepted", "ZK_KEY_NOT_ACCEPTED", {
    zk: { key: own },
  }),
  proof("foreign verification key: that of another model of the service", "zk.key-accepted", "ZK_KEY_NOT_ACCEPTED", {
    zk: { key: otherKey },
    section: (section) => {
      section.keys = [
        { digest: honestKey.digest, model: MODEL },
        { digest: otherKey.digest, model: stranger },
      ];
    },
  }),
  proof("missing phase 2: a key under which anyone can forge, where any key is accepted", "zk.key-sound", "ZK_KEY_INVALID", {
    zk: { key: bare },
    section: anyKey,
  }),
  proof(
    "a development key that calls itself nothing else, where only ceremonies are accepted",
    "zk.setup-accepted",
    "ZK_SETUP_NOT_ACCEPTED",
    {
      section: (section) => {
        section.setups = [{ state: "ceremony", accept: "any", because }];
      },
    },
  ),
  proof("a development key that calls itself a ceremony", "zk.setup-readable", "EVIDENCE_MALFORMED", {
    zk: { setupBytes: (bytes) => utf8(new TextDecoder().decode(bytes).replace("dev-insecure", "ceremony")) },
    section: anyKey,
  }),
  proof("the setup document of another key", "zk.setup-sound", "ZK_SETUP_INVALID", {
    zk: { setup: (setup: Setup) => ({ ...setup, keyDigest: otherKey.digest }) },
  }),
  proof("a withdrawn key in another spelling, so that its bytes have another digest", "zk.key-readable", "EVIDENCE_MALFORMED", {
    zk: {
      keyBytes: utf8(`${new TextDecoder().decode(honestKey.bytes)}\n`),
      setup: (setup: Setup) => ({ ...setup, keyDigest: honestKey.digest }),
    },
    section: anyKey,
  }),
];

const proofs: readonly Way[] = [
  proof("another request's proof, with its own honest leg", "zk.context-bound", "ZK_CONTEXT_MISMATCH", {
    zk: {
      contextBinding: (binding) => ({
        ...binding,
        requestDigest: digestOf(utf8(JSON.stringify(otherBody))),
        nonce: "c".repeat(32),
      }),
    },
  }),
  proof("a proof of another answer than the one that is stated", "zk.proof", "ZK_PROOF_INVALID", {
    zk: { leg: (leg) => ({ ...leg, publicSignals: leg.publicSignals.with(1, 5n) }) },
  }),
  proof("the proven answer under an alias of its number, beyond the field order", "zk.leg-readable", "LEG_MALFORMED", {
    zk: {
      legBytes: (bytes) =>
        utf8(new TextDecoder().decode(bytes).replace('"publicSignals":["77"', `"publicSignals":["${77n + FIELD_ORDER}"`)),
    },
    more: { parts: (parts) => ({ ...parts, blobs: parts.blobs.slice(0, -1) }) },
  }),
  proof("a proof with one point negated", "zk.proof", "ZK_PROOF_INVALID", { zk: { leg: negated } }),
  forged(
    "zk",
    "an honest proof of another input, beside a worker's answer to this one",
    "binding.inputs-agree",
    "LEG_INPUT_MISMATCH",
    {
      changes: () => provenRun({ commitment: otherCommitment }),
      trust: trustProven,
    },
  ),
  forged("zk", "the proof of another decision, brought later in a supplement", "zk.context-bound", "ZK_CONTEXT_MISMATCH", {
    changes: () =>
      provenRun({ when: "in a supplement", zk: { contextBinding: (binding) => ({ ...binding, decisionDigest: stranger }) } }),
    trust: trustProven,
  }),
  forged("zk", "other private weights under the key of the same architecture", "zk.weights-accepted", "ZK_WEIGHTS_NOT_ACCEPTED", {
    changes: () => withZk({ committed: true, signals: (signals) => signals.with(1, 4343n) }),
    trust: (entry) => trustCommitted(entry),
  }),
];

const claims: readonly Way[] = [
  forged(
    "zk",
    "a caller's own proof that policy took for the service's answer",
    "decision.submission",
    "DECISION_SUBMISSION_MISMATCH",
    {
      changes: () => withCallerProof({ submits: null }),
      trust: (entry) => trustZk(entry),
    },
  ),
  forged("zk", "a caller's own proof made for no decision at all", "binding.decision", "BINDING_DECISION_MISMATCH", {
    changes: () => withCallerProof({ statement: (statement) => ({ ...statement, decisionDigest: stranger }) }),
    trust: (entry) => trustZk(entry),
  }),
  forged("zk", "another tenant's threshold statement", "statement.tenant", "STATEMENT_TENANT_MISMATCH", {
    changes: () => withStatement({ credential: { subject: "other" } }),
    trust: (entry) => trustStatement(entry),
  }),
  forged("zk", "a threshold statement that has ended", "zk.statement-current", "ZK_STATEMENT_EXPIRED", {
    changes: () => withStatement({ stated: { expiry: at(102) } }),
    trust: (entry) => trustStatement(entry),
  }),
  forged(
    "zk",
    "a bank of the adversary's own under the name of the trusted one",
    "zk.credential-signed",
    "ZK_CREDENTIAL_INVALID",
    {
      changes: () => withStatement({ signed: (signed) => ({ ...signed, publicKey: otherBank.publicKey }) }),
      trust: (entry) =>
        trustStatement(entry, (section) => section.signers.push({ name: "First Bank", publicKey: otherBank.publicKey, because })),
    },
  ),
  forged(
    "zk",
    "a decision on a threshold that nothing in the bundle shows",
    "decision.statement",
    "DECISION_STATEMENT_MISMATCH",
    {
      changes: () =>
        withZk({}, { facts: (facts) => [...facts, { name: "request.proven_threshold", origin: "evidence", value: 1_000_000 }] }),
      trust: (entry) => trustZk(entry),
    },
  ),
  forged(
    "zk",
    "facts that the shown request does not state, where only the request binds them",
    "binding.facts-in-request",
    "BINDING_FACTS_MISMATCH",
    {
      changes: () => withZk({}, { facts: withFact("request.value_usd", 1) }),
      trust: (entry) => trustZk(entry),
      options: (_, { request }) => ({ request: request.opened }),
    },
  ),
];

/** All of them. */
export const zkWays: readonly Way[] = [...keys, ...proofs, ...claims];
