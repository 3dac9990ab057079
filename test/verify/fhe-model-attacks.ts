/** Attacks on a receipt whose only leg is a claim of an engine about a run of an integer model. */
import { digestOfJson } from "../../src/core/digest.ts";
import { type Claim, FHE_PROGRAM_TYPE } from "../../src/paths/fhe/wire/claim.ts";
import type { Attack } from "../fixtures/attack.ts";
import { type FheEntry, PROGRAM, trustFhe, withFhe } from "../fixtures/fhe-leg.ts";
import { compiledModel, trustModel, withModelRun } from "../fixtures/fhe-model-leg.ts";

const stranger = digestOfJson("another");

interface ModelAttack extends Omit<Attack, "changes" | "trust"> {
  readonly claim?: (claim: Claim) => Claim;
  readonly mediaType?: string;
  readonly section?: (section: FheEntry) => void;
}

function attack({ claim, mediaType, section, ...rest }: ModelAttack): Attack {
  return { ...rest, changes: () => withModelRun(claim, mediaType), trust: (entry) => trustModel(entry, section) };
}

const values = { check: "fhe.values-fit", code: "FHE_VALUES_MISMATCH" };
const state = { check: "fhe.state-linked", code: "FHE_STATE_MISMATCH" };
const unknown = { check: "fhe.program-accepted", code: "TRUST_UNKNOWN_MODEL" };

const ofTheModel: readonly ModelAttack[] = [
  {
    name: "whose model compiles to another circuit",
    check: "fhe.circuit-recompiled",
    code: "FHE_CIRCUIT_MISMATCH",
    options: compiledModel({ circuitDigest: stranger }),
  },
  {
    name: "whose engine ran another circuit than the model's",
    check: "fhe.circuit-recompiled",
    code: "FHE_CIRCUIT_MISMATCH",
    claim: (claim) => ({ ...claim, circuitDigest: stranger }),
    options: compiledModel(),
  },
  {
    name: "whose engine ran fewer bootstraps than the model takes",
    check: "fhe.price-recomputed",
    code: "FHE_PRICE_MISMATCH",
    claim: (claim) => ({ ...claim, pbs: claim.pbs - 1 }),
    options: compiledModel(),
  },
  {
    name: "of a model whose digest is named as a program's only",
    ...unknown,
    section: (section) => void Object.assign(section, { programs: [{ name: "risk", digest: PROGRAM }], models: [] }),
  },
  {
    name: "of a model under a trust file that names none",
    ...unknown,
    section: (section) => void Object.assign(section, { models: [] }),
  },
  {
    name: "of a model that is known by another name",
    ...unknown,
    section: (section) => void Object.assign(section, { models: [{ name: "other", digest: PROGRAM }] }),
  },
  {
    name: "under a section that accepts any model without a reason",
    check: "fhe.section-readable",
    code: "TRUST_FILE_INVALID",
    section: (section) => void Object.assign(section, { models: { accept: "any" } }),
  },
  {
    name: "of a model that took a second input",
    ...values,
    claim: (claim) => ({ ...claim, inputs: [...claim.inputs, { n: "more", clear: "1" }] }),
  },
  {
    name: "of a model whose input has another name",
    ...values,
    claim: (claim) => ({ ...claim, inputs: claim.inputs.map((input) => ({ ...input, n: "other" })) }),
  },
  {
    name: "of a model that took the state of an account",
    ...values,
    claim: (claim) => ({ ...claim, inputs: claim.inputs.map((input) => ({ ...input, handle: "aa".repeat(32) })) }),
  },
  {
    name: "of a model with the output of a program beside its own",
    ...values,
    claim: (claim) => ({
      ...claim,
      outputs: [...claim.outputs, ...claim.outputs.map((made) => ({ ...made, n: "more", t: "u64" }))],
    }),
  },
  {
    name: "of a model that read an account",
    ...state,
    claim: (claim) => ({ ...claim, reads: [{ account: "alice", version: 0, handle: null }] }),
  },
  {
    name: "of a model that wrote an account",
    ...state,
    claim: (claim) => {
      const written = claim.outputs.map(({ handle, digest }) => ({ handle, digest, clear: null }));
      return { ...claim, writes: written.map((made) => ({ account: "alice", version: 2, prevHead: "ee".repeat(32), ...made })) };
    },
  },
  { name: "of a model that took a proven list", ...state, claim: (claim) => ({ ...claim, lists: [stranger] }) },
  {
    name: "of a model that the receipt cites as a program",
    check: "leg.cited",
    code: "LEG_MISMATCH",
    mediaType: FHE_PROGRAM_TYPE,
  },
];

/** All of them. */
export const fheModelAttacks: readonly Attack[] = [
  ...ofTheModel.map(attack),
  {
    name: "of a program whose digest is named as a model's only",
    ...unknown,
    changes: () => withFhe(),
    trust: (entry) =>
      trustFhe(entry, (section) => void Object.assign(section, { programs: [], models: [{ name: "risk", digest: PROGRAM }] })),
  },
];
