/** Attacks on a receipt whose only leg is a proof with private weights. */
import { digestOfJson } from "../../src/core/digest.ts";
import { commitmentText } from "../../src/paths/zk/wire/leg.ts";
import type { Attack } from "../fixtures/attack.ts";
import type { Changes } from "../fixtures/bundle.ts";
import {
  ARCHITECTURE,
  CIRCUIT,
  committedKey,
  honestKey,
  MODEL,
  trustCommitted,
  WEIGHTS,
  withZk,
  type ZkChanges,
  type ZkEntry,
} from "../fixtures/zk-leg.ts";

const stranger = digestOfJson("another");
const OTHER_WEIGHTS = 4343n;

interface CommittedAttack extends Omit<Attack, "changes" | "trust"> {
  readonly zk?: Omit<ZkChanges, "committed">;
  readonly more?: Changes;
  readonly section?: (section: ZkEntry) => void;
  readonly revoke?: string;
}

function attack({ zk, more, section, revoke, ...rest }: CommittedAttack): Attack {
  return {
    ...rest,
    changes: () => withZk({ committed: true, ...zk }, more),
    trust: (entry) => {
      trustCommitted(entry, section);
      if (revoke === undefined) return;
      Object.assign(entry, { revoked: { keys: [], measurements: [{ digest: revoke, because: "withdrawn" }] } });
    },
  };
}

/** What an auditor has who compiled the model and knows the salt of its weights. */
const shown = (change: object = {}, circuitDigest = stranger) => {
  const committed = { architectureDigest: ARCHITECTURE, circuitDigest: CIRCUIT, weights: commitmentText(WEIGHTS), ...change };
  return { programs: new Map([["zk", new Map([[MODEL, { circuitDigest, committed }]])]]) };
};

function withoutArchitecture<T extends { readonly architectureDigest?: unknown }>(document: T): Omit<T, "architectureDigest"> {
  const { architectureDigest: _, ...rest } = document;
  return rest;
}

const unnamed = (section: ZkEntry): void => {
  section.models = [{ name: "risk", digest: MODEL }];
};

const attacks: readonly CommittedAttack[] = [
  {
    name: "of another model's weights under the key of their architecture",
    check: "zk.weights-accepted",
    code: "ZK_WEIGHTS_NOT_ACCEPTED",
    zk: { signals: (signals) => signals.with(1, OTHER_WEIGHTS) },
  },
  {
    name: "whose two commitments changed places, proven so",
    check: "zk.weights-accepted",
    code: "ZK_WEIGHTS_NOT_ACCEPTED",
    zk: { signals: ([input = 0n, weights = 0n, ...rest]) => [weights, input, ...rest] },
  },
  {
    name: "of weights that the trust file names for another model",
    check: "zk.weights-accepted",
    code: "ZK_WEIGHTS_NOT_ACCEPTED",
    section: (section) => {
      section.models = [
        { name: "risk", digest: MODEL, weights: [commitmentText(OTHER_WEIGHTS)] },
        { name: "other", digest: stranger, weights: [commitmentText(WEIGHTS)] },
      ];
    },
  },
  {
    name: "of weights that are not those of the auditor's model",
    check: "zk.weights-recomputed",
    code: "ZK_WEIGHTS_MISMATCH",
    section: unnamed,
    options: () => shown({ weights: commitmentText(OTHER_WEIGHTS) }),
  },
  {
    name: "whose two commitments changed places after it was proven",
    check: "zk.proof",
    code: "ZK_PROOF_INVALID",
    zk: {
      leg: (leg) => {
        const [input = 0n, weights = 0n, ...rest] = leg.publicSignals;
        return { ...leg, publicSignals: [weights, input, ...rest] };
      },
    },
    section: (section) => {
      section.models = [{ name: "risk", digest: MODEL }];
    },
  },
  {
    name: "that states other weights than were proven",
    check: "zk.proof",
    code: "ZK_PROOF_INVALID",
    zk: { leg: (leg) => ({ ...leg, publicSignals: leg.publicSignals.with(1, OTHER_WEIGHTS) }) },
    section: unnamed,
  },
  {
    name: "whose setup is of another architecture",
    check: "zk.setup-fits",
    code: "ZK_SETUP_MISMATCH",
    zk: { setup: (setup) => ({ ...setup, architectureDigest: stranger }) },
  },
  {
    name: "whose setup is of a model with baked weights",
    check: "zk.setup-fits",
    code: "ZK_SETUP_MISMATCH",
    zk: { setup: (setup) => ({ ...withoutArchitecture(setup), modelDigest: MODEL }) },
  },
  {
    name: "that states another architecture than its setup and key",
    check: "zk.setup-fits",
    code: "ZK_SETUP_MISMATCH",
    zk: { leg: (leg) => ({ ...leg, architectureDigest: stranger }) },
    section: (section) => {
      section.keys = { accept: "any", because: "a test" };
    },
  },
  {
    name: "under a key of another architecture",
    check: "zk.key-accepted",
    code: "ZK_KEY_NOT_ACCEPTED",
    section: (section) => {
      section.keys = [{ digest: committedKey.digest, architecture: stranger }];
    },
  },
  {
    name: "of baked weights that is presented as one of private weights: its key is named for the model itself",
    check: "zk.key-accepted",
    code: "ZK_KEY_NOT_ACCEPTED",
    section: (section) => {
      section.keys = [{ digest: committedKey.digest, model: MODEL }];
    },
  },
  {
    name: "of a revoked architecture",
    check: "zk.key-not-revoked",
    code: "MEASUREMENT_REVOKED",
    revoke: ARCHITECTURE,
  },
  {
    name: "of a circuit that the architecture does not compile to",
    check: "zk.circuit-recompiled",
    code: "ZK_CIRCUIT_MISMATCH",
    options: () => shown({ circuitDigest: stranger }, CIRCUIT),
  },
  {
    name: "of an architecture that is not that of the auditor's model",
    check: "zk.circuit-recompiled",
    code: "ZK_CIRCUIT_MISMATCH",
    options: () => shown({ architectureDigest: stranger }),
  },
  {
    name: "of a model that cannot have private weights",
    check: "zk.circuit-recompiled",
    code: "ZK_CIRCUIT_MISMATCH",
    options: () => ({ programs: new Map([["zk", new Map([[MODEL, { circuitDigest: CIRCUIT, committed: null }]])]]) }),
  },
  {
    name: "under a section whose key is for a model and an architecture at once",
    check: "zk.section-readable",
    code: "TRUST_FILE_INVALID",
    section: (section) => {
      section.keys = [{ digest: committedKey.digest, architecture: ARCHITECTURE, model: MODEL }];
    },
  },
  {
    name: "under a section whose weights are no commitment",
    check: "zk.section-readable",
    code: "TRUST_FILE_INVALID",
    section: (section) => {
      section.models = [{ name: "risk", digest: MODEL, weights: ["4242"] }];
    },
  },
  {
    name: "of baked weights and one output that is presented as one of private weights",
    check: "zk.leg-readable",
    code: "LEG_MALFORMED",
    zk: { key: honestKey, signals: ([input = 0n, , ...rest]) => [input, ...rest] },
    section: (section) => {
      section.keys = [{ digest: honestKey.digest, model: MODEL }];
    },
  },
  {
    name: "that is presented as one of baked weights",
    check: "zk.leg-readable",
    code: "LEG_MALFORMED",
    zk: {
      signals: (signals) => signals.with(1, 2n ** 200n),
      leg: withoutArchitecture,
    },
  },
];

/** All of them. */
export const zkCommittedAttacks: readonly Attack[] = attacks.map(attack);
