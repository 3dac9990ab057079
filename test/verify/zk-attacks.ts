/** Attacks on a receipt whose only leg is a proof. */
import { concatBytes, utf8 } from "../../src/core/bytes.ts";
import { digestOfJson } from "../../src/core/digest.ts";
import { type Attack, editEvent } from "../fixtures/attack.ts";
import type { Changes } from "../fixtures/bundle.ts";
import {
  CIRCUIT,
  honestKey,
  knownKey,
  MODEL,
  otherKey,
  trustZk,
  withZk,
  type ZkChanges,
  type ZkEntry,
} from "../fixtures/zk-leg.ts";
import { withFact } from "./attack-part.ts";

const stranger = digestOfJson("another");
const open = knownKey(3_000_003n, 3, 1n);
const revoked = (digest: string) => ({ keys: [], measurements: [{ digest, because: "withdrawn" }] });

interface ZkAttack extends Omit<Attack, "changes" | "trust"> {
  readonly zk?: ZkChanges;
  readonly more?: Changes;
  readonly section?: (section: ZkEntry) => void;
  readonly revoke?: string;
}

function attack({ zk, more, section, revoke, ...rest }: ZkAttack): Attack {
  return {
    ...rest,
    changes: () => withZk(zk, more),
    trust: (entry) => {
      trustZk(entry, section);
      if (revoke !== undefined) Object.assign(entry, { revoked: revoked(revoke) });
    },
  };
}

/** Where a leg cannot be read, nothing cites the key. */
const withoutKey: Changes = { parts: (parts) => ({ ...parts, blobs: parts.blobs.slice(0, -1) }) };

const anyKey = (section: ZkEntry): void => {
  section.keys = { accept: "any", because: "a test" };
};

const attacks: readonly ZkAttack[] = [
  {
    name: "under a section that cannot be read",
    check: "zk.section-readable",
    code: "TRUST_FILE_INVALID",
    section: (section) => void Object.assign(section, { everything: true }),
  },
  {
    name: "whose leg is cut short",
    check: "zk.leg-readable",
    code: "LEG_MALFORMED",
    zk: { legBytes: (bytes) => bytes.subarray(0, -1) },
    more: withoutKey,
  },
  {
    name: "whose commitment is not below the field order",
    check: "zk.leg-readable",
    code: "LEG_MALFORMED",
    zk: {
      legBytes: (bytes) =>
        utf8(
          new TextDecoder()
            .decode(bytes)
            .replace(
              '"publicSignals":["77"',
              '"publicSignals":["21888242871839275222246405745257275088548364400416034343698204186575808495694"',
            ),
        ),
    },
    more: withoutKey,
  },
  {
    name: "whose output no integer model gives",
    check: "zk.leg-readable",
    code: "LEG_MALFORMED",
    zk: { signals: ([commitment = 0n, , context = 0n]) => [commitment, 2n ** 31n, context] },
  },
  {
    name: "without its setup document",
    check: "zk.setup-readable",
    code: "EVIDENCE_MALFORMED",
    more: { parts: (parts) => ({ ...parts, blobs: parts.blobs.toSpliced(-2, 1) }) },
  },
  {
    name: "whose setup document is of no known state",
    check: "zk.setup-readable",
    code: "EVIDENCE_MALFORMED",
    zk: { setupBytes: (bytes) => utf8(new TextDecoder().decode(bytes).replace("dev-insecure", "trust-us-all")) },
  },
  {
    name: "without its verification key",
    check: "zk.key-readable",
    code: "EVIDENCE_MALFORMED",
    more: withoutKey,
  },
  {
    name: "under a key without a second phase",
    check: "zk.key-sound",
    code: "ZK_KEY_INVALID",
    zk: { key: open },
    section: (section) => {
      section.keys = [{ digest: open.digest, model: MODEL }];
    },
  },
  {
    name: "whose setup document is about another key",
    check: "zk.setup-sound",
    code: "ZK_SETUP_INVALID",
    zk: { setup: (setup) => ({ ...setup, keyDigest: otherKey.digest }) },
  },
  {
    name: "whose setup document is about another circuit",
    check: "zk.setup-fits",
    code: "ZK_SETUP_MISMATCH",
    zk: { setup: (setup) => ({ ...setup, circuitDigest: stranger }) },
  },
  {
    name: "whose setup document is about another model",
    check: "zk.setup-fits",
    code: "ZK_SETUP_MISMATCH",
    zk: { setup: (setup) => ({ ...setup, modelDigest: stranger }) },
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
    name: "under a development key where a single party is accepted",
    check: "zk.setup-accepted",
    code: "ZK_SETUP_NOT_ACCEPTED",
    section: (section) => {
      section.setups = [
        { state: "single-party", because: "a test" },
        { state: "ceremony", accept: "any", because: "a test" },
      ];
    },
  },
  {
    name: "under another model's key",
    check: "zk.key-accepted",
    code: "ZK_KEY_NOT_ACCEPTED",
    zk: { key: otherKey },
    section: (section) => {
      section.keys = [
        { digest: honestKey.digest, model: MODEL },
        { digest: otherKey.digest, model: stranger },
      ];
    },
  },
  { name: "under a revoked key", check: "zk.key-not-revoked", code: "MEASUREMENT_REVOKED", revoke: honestKey.digest },
  {
    name: "under a revoked key that is spelled otherwise, so that its bytes have another digest",
    check: "zk.key-readable",
    code: "EVIDENCE_MALFORMED",
    zk: { keyBytes: concatBytes(honestKey.bytes, utf8("\n")), setup: (setup) => ({ ...setup, keyDigest: honestKey.digest }) },
    section: anyKey,
    revoke: honestKey.digest,
  },
  { name: "of a revoked circuit", check: "zk.key-not-revoked", code: "MEASUREMENT_REVOKED", revoke: CIRCUIT },
  {
    name: "of a model that the trust file names otherwise",
    check: "zk.model-accepted",
    code: "TRUST_UNKNOWN_MODEL",
    section: (section) => {
      section.models = [{ name: "other", digest: MODEL }];
    },
  },
  { name: "of a revoked model", check: "zk.model-not-revoked", code: "MEASUREMENT_REVOKED", revoke: MODEL },
  {
    name: "of a circuit that the model does not compile to",
    check: "zk.circuit-recompiled",
    code: "ZK_CIRCUIT_MISMATCH",
    section: anyKey,
    options: { programs: new Map([["zk", new Map([[MODEL, { circuitDigest: stranger, committed: null }]])]]) },
  },
  ...(["requestDigest", "modelDigest", "decisionDigest"] as const).map((member) => ({
    name: `whose proof is about another ${member}`,
    check: "zk.context-bound",
    code: "ZK_CONTEXT_MISMATCH",
    zk: { contextBinding: (binding) => ({ ...binding, [member]: stranger }) } satisfies ZkChanges,
  })),
  {
    name: "whose proof was made under another nonce",
    check: "zk.context-bound",
    code: "ZK_CONTEXT_MISMATCH",
    zk: { contextBinding: (binding) => ({ ...binding, nonce: "e".repeat(32) }) },
  },
  {
    name: "that states another output than was proven",
    check: "zk.proof",
    code: "ZK_PROOF_INVALID",
    zk: { leg: (leg) => ({ ...leg, publicSignals: leg.publicSignals.with(1, 5n) }) },
  },
  {
    name: "that states another commitment than was proven",
    check: "zk.proof",
    code: "ZK_PROOF_INVALID",
    zk: { leg: (leg) => ({ ...leg, publicSignals: leg.publicSignals.with(0, 78n) }) },
  },
  {
    name: "with one public signal more",
    check: "zk.proof",
    code: "ZK_PROOF_INVALID",
    zk: { signals: ([commitment = 0n, ...rest]) => [commitment, 0n, ...rest] },
  },
  {
    name: "with a proof of another key",
    check: "zk.proof",
    code: "ZK_PROOF_INVALID",
    zk: { leg: (leg) => ({ ...leg, proof: otherKey.prove(leg.publicSignals) }) },
  },
  {
    name: "that says of a body which nobody opened that the caller sealed it",
    check: "binding.request-received",
    code: "BINDING_REQUEST_MISMATCH",
    more: { facts: withFact("request.sealed", "caller"), events: editEvent("leg.sealed", { sealed_by: "caller" }) },
  },
  {
    name: "whose shown request states other facts than policy decided on",
    check: "binding.facts-in-request",
    code: "BINDING_FACTS_MISMATCH",
    more: { facts: (facts) => facts.map((fact) => (fact.name === "request.value_usd" ? { ...fact, value: 1 } : fact)) },
    options: (_, built) => ({ request: built.request.opened }),
  },
];

/** All of them. */
export const zkAttacks: readonly Attack[] = attacks.map(attack);
