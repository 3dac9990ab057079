/** Attacks on a receipt about a proof that a caller made. */
import { utf8 } from "../../src/core/bytes.ts";
import { digestOfJson } from "../../src/core/digest.ts";
import { CALLER_LEG_TYPE, callerContext } from "../../src/paths/zk/wire/caller-proof.ts";
import { contextOf } from "../../src/paths/zk/wire/context.ts";
import { ZK_LEG_TYPE } from "../../src/paths/zk/wire/leg.ts";
import { standaloneContext } from "../../src/paths/zk/wire/standalone.ts";
import { type Attack, editEvent } from "../fixtures/attack.ts";
import type { Changes } from "../fixtures/bundle.ts";
import { type CallerChanges, withCallerProof } from "../fixtures/caller-proof.ts";
import { otherKey, trustZk, withZk, type ZkEntry } from "../fixtures/zk-leg.ts";
import { other } from "./attack-part.ts";

const stranger = digestOfJson("another");

interface CallerAttack extends Omit<Attack, "changes" | "trust"> {
  readonly made?: CallerChanges;
  readonly more?: Changes;
  readonly section?: (section: ZkEntry) => void;
}

function attack({ made, more, section, ...rest }: CallerAttack): Attack {
  return { ...rest, changes: () => withCallerProof(made, more), trust: (entry) => trustZk(entry, section) };
}

/** Where the leg cannot be read, nothing cites document and key. */
const withoutCited: Changes = {
  parts: (parts) => ({ ...parts, blobs: [...parts.blobs.slice(0, -3), ...parts.blobs.slice(-2, -1)] }),
};

const attacks: readonly CallerAttack[] = [
  {
    name: "whose leg names another kind of context",
    check: "zk.leg-readable",
    code: "LEG_MALFORMED",
    made: { legBytes: (bytes) => utf8(new TextDecoder().decode(bytes).replace("triseal.zk.caller.v1", "triseal.zk.v1")) },
    more: withoutCited,
  },
  {
    name: "whose leg is said to be a gateway's",
    check: "zk.leg-readable",
    code: "LEG_MALFORMED",
    made: { legType: ZK_LEG_TYPE, submits: null },
    more: withoutCited,
  },
  {
    name: "whose document is kept back",
    check: "zk.submission-readable",
    code: "EVIDENCE_MALFORMED",
    made: { withoutDocument: true },
  },
  {
    name: "whose document is of the standalone kind",
    check: "zk.submission-readable",
    code: "EVIDENCE_MALFORMED",
    made: { documentBytes: (bytes) => utf8(new TextDecoder().decode(bytes).replace("zk.caller.v1", "zk.standalone.v1")) },
  },
  {
    name: "whose commitment has a second spelling",
    check: "zk.submission-readable",
    code: "EVIDENCE_MALFORMED",
    made: { documentBytes: (bytes) => utf8(new TextDecoder().decode(bytes).replace('Signals":["77"', 'Signals":["077"')) },
  },
  {
    name: "made for a gateway's leg under the same decision",
    check: "zk.context-bound",
    code: "ZK_CONTEXT_MISMATCH",
    made: { context: (_, binding) => contextOf(binding) },
  },
  {
    name: "made by itself, for no decision",
    check: "zk.context-bound",
    code: "ZK_CONTEXT_MISMATCH",
    made: { context: ({ modelDigest }) => standaloneContext(modelDigest, new Uint8Array(32)) },
  },
  {
    name: "made on other facts than it states",
    check: "zk.context-bound",
    code: "ZK_CONTEXT_MISMATCH",
    made: { context: (statement) => callerContext({ ...statement, factsDigest: stranger }) },
  },
  {
    name: "made under another decision",
    check: "binding.decision",
    code: "BINDING_DECISION_MISMATCH",
    made: { statement: (statement) => ({ ...statement, decisionDigest: stranger }) },
  },
  {
    name: "made under another nonce",
    check: "binding.nonce",
    code: "BINDING_NONCE_MISMATCH",
    made: { statement: (statement) => ({ ...statement, nonce: "e".repeat(32) }) },
  },
  {
    name: "made on other facts than policy decided on",
    check: "binding.facts",
    code: "BINDING_FACTS_MISMATCH",
    made: { statement: (statement) => ({ ...statement, factsDigest: stranger }) },
  },
  {
    name: "that another request is said to have submitted",
    check: "binding.request-received",
    code: "BINDING_REQUEST_MISMATCH",
    more: { events: editEvent("request.received", { body_hash: other }) },
  },
  {
    name: "that states another output than was proven",
    check: "zk.proof",
    code: "ZK_PROOF_INVALID",
    made: { document: (document) => ({ ...document, publicSignals: document.publicSignals.with(1, 5n) }) },
  },
  {
    name: "that was proven under another key",
    check: "zk.proof",
    code: "ZK_PROOF_INVALID",
    made: { document: (document) => ({ ...document, proof: otherKey.prove(document.publicSignals) }) },
  },
  {
    name: "under a development key that nobody accepts",
    check: "zk.setup-accepted",
    code: "ZK_SETUP_NOT_ACCEPTED",
    section: (section) => {
      section.setups = [];
    },
  },
  {
    name: "that policy took for a backend's answer",
    check: "decision.submission",
    code: "DECISION_SUBMISSION_MISMATCH",
    made: { submits: null },
  },
];

/** All of them, and a gateway's leg and a worker's under the name of a caller's proof. */
export const callerProofAttacks: readonly Attack[] = [
  ...attacks.map(attack),
  {
    name: "whose proof by the gateway is bound as a caller's would be",
    check: "zk.context-bound",
    code: "ZK_CONTEXT_MISMATCH",
    changes: () =>
      withZk({
        signals: ([commitment = 0n, output = 0n]) => [
          commitment,
          output,
          callerContext({ modelDigest: other, decisionDigest: other, factsDigest: other, nonce: "0".repeat(32) }),
        ],
      }),
    trust: (entry) => trustZk(entry),
  },
  {
    name: "whose gateway's leg is said to be a caller's",
    check: "zk.leg-readable",
    code: "LEG_MALFORMED",
    changes: () =>
      withZk(
        {},
        {
          events: editEvent("leg.sealed", { leg_media_type: CALLER_LEG_TYPE }),
          parts: (parts) => ({ ...parts, blobs: parts.blobs.slice(0, -1) }),
        },
      ),
    trust: (entry) => trustZk(entry),
  },
  {
    name: "that a worker computed, and policy took for a caller's own",
    check: "decision.submission",
    code: "DECISION_SUBMISSION_MISMATCH",
    changes: {
      policyText: utf8(`apiVersion: triseal.dev/v1
defaults: { effect: deny }
rules:
  - { id: any, when: "true", require: { all: [tee], maxEvidenceAge: 15m, evidence: { accept: [simulated] } } }
`),
      facts: (facts) => [...facts, { name: "request.submits", origin: "gateway", value: "proof" }],
    },
  },
];
