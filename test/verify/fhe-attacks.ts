/** Attacks on a receipt whose only leg is a claim of an engine about a run. */
import { utf8 } from "../../src/core/bytes.ts";
import { digestOfJson } from "../../src/core/digest.ts";
import { claimOfBundle } from "../../src/paths/fhe/evidence/receipted-claim.ts";
import type { Claim } from "../../src/paths/fhe/wire/claim.ts";
import { seedOf } from "../../src/paths/fhe/wire/handle.ts";
import { parseBundle } from "../../src/receipt/bundle.ts";
import { type Attack, editEvent } from "../fixtures/attack.ts";
import type { Changes } from "../fixtures/bundle.ts";
import {
  account,
  BUILD,
  engine,
  type FheChanges,
  type FheEntry,
  KEY_ID,
  otherEngine,
  PROGRAM,
  trustFhe,
  withFhe,
} from "../fixtures/fhe-leg.ts";

const stranger = digestOfJson("another");
const strange = "99".repeat(32);

interface FheAttack extends Omit<Attack, "changes" | "trust"> {
  readonly fhe?: FheChanges;
  readonly more?: Changes;
  readonly section?: (section: FheEntry) => void;
  readonly revoke?: { readonly keys?: readonly string[]; readonly measurements?: readonly string[] };
}

function attack({ fhe, more, section, revoke = {}, ...rest }: FheAttack): Attack {
  const because = "withdrawn";
  const revoked = {
    keys: (revoke.keys ?? []).map((publicKey) => ({ publicKey, because })),
    measurements: (revoke.measurements ?? []).map((digest) => ({ digest, because })),
  };
  return {
    ...rest,
    changes: () => withFhe(fhe, more),
    trust: (entry) => {
      trustFhe(entry, section);
      Object.assign(entry, { revoked });
    },
  };
}

/** Where a leg cannot be read, nothing cites the accounts. */
const withoutAccounts = { without: "accounts" } as const;

const input = (change: (inputs: Claim["inputs"]) => Claim["inputs"]): FheChanges => ({
  claim: (claim) => ({ ...claim, inputs: change(claim.inputs) }),
});
const output = (at: number, change: Partial<Claim["outputs"][number]>): FheChanges => ({
  claim: (claim) => ({ ...claim, outputs: claim.outputs.map((made, index) => (index === at ? { ...made, ...change } : made)) }),
});
const write = (name: string, change: Partial<Claim["writes"][number]>, more: FheChanges = {}): FheChanges => ({
  ...more,
  claim: (claim) => ({
    ...claim,
    writes: claim.writes.map((made) => (made.account === name ? { ...made, ...change } : made)),
  }),
});

const state = { check: "fhe.state-linked", code: "FHE_STATE_MISMATCH" };
const opened = { check: "fhe.account-opened", code: "FHE_ACCOUNT_MISMATCH" };
const values = { check: "fhe.values-fit", code: "FHE_VALUES_MISMATCH" };
const signature = { check: "fhe.claim-signed", code: "FHE_CLAIM_INVALID" };
const revoked = { check: "fhe.not-revoked", code: "MEASUREMENT_REVOKED" };
const handles = { check: "fhe.handles-derived", code: "FHE_HANDLE_MISMATCH" };

const ofTheClaim: readonly FheAttack[] = [
  {
    name: "under a section that cannot be read",
    check: "fhe.section-readable",
    code: "TRUST_FILE_INVALID",
    section: (section) => void Object.assign(section, { everything: true }),
  },
  {
    name: "under a section that accepts any build of an engine without a reason",
    check: "fhe.section-readable",
    code: "TRUST_FILE_INVALID",
    section: (section) => void Object.assign(section, { engines: [{ publicKey: engine.publicKey }] }),
  },
  {
    name: "under a section that names nobody as holder",
    check: "fhe.section-readable",
    code: "TRUST_FILE_INVALID",
    section: (section) => void Object.assign(section, { keys: [{ keyId: KEY_ID }] }),
  },
  {
    name: "whose claim is cut short",
    check: "fhe.leg-readable",
    code: "LEG_MALFORMED",
    fhe: { legBytes: (bytes) => bytes.subarray(0, -1), ...withoutAccounts },
  },
  {
    name: "whose claim says more than claims say",
    check: "fhe.leg-readable",
    code: "LEG_MALFORMED",
    fhe: { claim: (claim) => ({ ...claim, more: true }), ...withoutAccounts },
  },
  {
    name: "whose claim another engine signed",
    ...signature,
    fhe: { signer: otherEngine, claim: (claim) => ({ ...claim, engine: { ...claim.engine, key: engine.publicKey } }) },
  },
  {
    name: "whose claim was changed after it was signed",
    ...signature,
    fhe: { signed: ({ claim, signature: made }) => ({ claim: { ...claim, parameters: "others" }, signature: made }) },
  },
  {
    name: "whose lists were changed after they were signed for",
    ...signature,
    fhe: { signed: ({ claim, signature: made }) => ({ claim: { ...claim, lists: [stranger] }, signature: made }) },
  },
  {
    name: "of an engine that nobody named",
    check: "fhe.engine-accepted",
    code: "FHE_ENGINE_UNKNOWN",
    fhe: { signer: otherEngine },
  },
  {
    name: "under a trust file that names no engine",
    check: "fhe.engine-accepted",
    code: "FHE_ENGINE_UNKNOWN",
    section: (section) => void Object.assign(section, { engines: [] }),
  },
  {
    name: "of an engine built otherwise",
    check: "fhe.build-accepted",
    code: "FHE_BUILD_UNKNOWN",
    fhe: { claim: (claim) => ({ ...claim, engine: { ...claim.engine, build: stranger } }) },
  },
  {
    name: "of an engine whose builds are another engine's",
    check: "fhe.build-accepted",
    code: "FHE_BUILD_UNKNOWN",
    section: (section) =>
      void Object.assign(section, {
        engines: [
          { publicKey: engine.publicKey, builds: [stranger] },
          { publicKey: otherEngine.publicKey, builds: [BUILD] },
        ],
      }),
  },
  { name: "of a revoked engine", check: "fhe.engine-not-revoked", code: "KEY_REVOKED", revoke: { keys: [engine.publicKey] } },
  { name: "of a revoked build", ...revoked, revoke: { measurements: [BUILD] } },
  { name: "of a revoked program", ...revoked, revoke: { measurements: [PROGRAM] } },
  { name: "under a revoked server key", ...revoked, revoke: { measurements: [`sha256:${KEY_ID}`] } },
  {
    name: "under a key of which nobody knows who holds it",
    check: "fhe.key-holder-named",
    code: "FHE_KEY_HOLDER_UNKNOWN",
    section: (section) => void Object.assign(section, { keys: [{ keyId: strange, holder: "somebody" }] }),
  },
];

const ofTheProgram: readonly FheAttack[] = [
  {
    name: "whose program is not shown",
    check: "fhe.program-readable",
    code: "EVIDENCE_MALFORMED",
    fhe: { without: "program" },
  },
  {
    name: "whose program is none",
    check: "fhe.program-readable",
    code: "EVIDENCE_MALFORMED",
    fhe: {
      program: utf8("{}"),
      account: { acl: { ...account.acl, programs: "any" } },
      asset: { acl: { ...account.acl, programs: "any" } },
    },
    section: (section) => void Object.assign(section, { programs: { accept: "any", because: "a test" } }),
  },
  {
    name: "of a program that nobody named",
    check: "fhe.program-accepted",
    code: "TRUST_UNKNOWN_MODEL",
    section: (section) => void Object.assign(section, { programs: [{ name: "risk", digest: stranger }] }),
  },
  {
    name: "of a program that is known by another name",
    check: "fhe.program-accepted",
    code: "TRUST_UNKNOWN_MODEL",
    section: (section) => void Object.assign(section, { programs: [{ name: "other", digest: PROGRAM }] }),
  },
  {
    name: "whose exchange is about another model",
    check: "fhe.program-bound",
    code: "FHE_PROGRAM_MISMATCH",
    fhe: {
      claim: (claim) => {
        const binding = { ...claim.binding, modelDigest: stranger };
        return { ...claim, binding, seed: seedOf(binding) };
      },
    },
    more: { facts: (facts) => facts.map((fact) => (fact.name === "model.digest" ? { ...fact, value: stranger } : fact)) },
  },
  {
    name: "whose circuit is another",
    check: "fhe.circuit-recompiled",
    code: "FHE_CIRCUIT_MISMATCH",
    fhe: { claim: (claim) => ({ ...claim, circuitDigest: stranger }) },
  },
  {
    name: "that ran fewer bootstraps",
    check: "fhe.price-recomputed",
    code: "FHE_PRICE_MISMATCH",
    fhe: { claim: (claim) => ({ ...claim, pbs: claim.pbs - 1 }) },
  },
  {
    name: "that ran none",
    check: "fhe.price-recomputed",
    code: "FHE_PRICE_MISMATCH",
    fhe: { claim: (claim) => ({ ...claim, pbs: 0 }) },
  },
  { name: "of an output of another type", ...values, fhe: output(0, { t: "u32" }) },
];

const ofTheDerived: readonly FheAttack[] = [
  {
    name: "under a seed that was chosen",
    check: "fhe.seed-derived",
    code: "FHE_SEED_MISMATCH",
    fhe: { claim: (claim) => ({ ...claim, seed: strange }) },
  },
  {
    name: "under the seed of another nonce",
    check: "fhe.seed-derived",
    code: "FHE_SEED_MISMATCH",
    fhe: { claim: (claim) => ({ ...claim, seed: claim.seed.replace(/^./, (digit) => (digit === "0" ? "1" : "0")) }) },
  },
  {
    name: "whose input was another state",
    ...handles,
    fhe: input((inputs) => inputs.map((given) => (given.n === "to" ? { ...given, digest: stranger } : given))),
  },
  {
    name: "whose input has a handle that it had not",
    ...handles,
    fhe: input((inputs) => inputs.map((given) => (given.n === "amount" ? { ...given, handle: strange } : given))),
  },
];

const ofTheState: readonly FheAttack[] = [
  {
    name: "that read a state which did not go in",
    ...state,
    fhe: { claim: (claim) => ({ ...claim, reads: [...claim.reads, { account: "carol", version: 2, handle: strange }] }) },
  },
  { name: "that skipped a version", ...state, fhe: write("alice", { version: 6 }) },
  { name: "that wrote the version that it read", ...state, fhe: write("alice", { version: 4 }) },
  { name: "that wrote what did not come out", ...state, fhe: write("alice", { digest: stranger }) },
  {
    name: "that wrote one output twice",
    ...state,
    fhe: {
      claim: (claim) => {
        const [paid] = claim.outputs;
        const same = { handle: paid?.handle ?? null, digest: paid?.digest ?? null };
        return { ...claim, writes: claim.writes.map((made) => (made.account === "bob" ? { ...made, ...same } : made)) };
      },
    },
  },
  { name: "whose accounts are not shown", ...opened, fhe: withoutAccounts },
  { name: "that opens the account of another name", ...opened, fhe: { account: { account: "bobby" } } },
  { name: "that opens an account under another key", ...opened, fhe: { account: { keyId: strange } } },
  {
    name: "of a program that the account does not permit",
    ...opened,
    fhe: { account: { acl: { ...account.acl, programs: [stranger] } } },
  },
  { name: "that writes a type that is not the account's", ...opened, fhe: { account: { type: "u32" } } },
  { name: "that encrypts the state of an asset", ...opened, fhe: { account: { kind: "asset" } } },
  { name: "that mints more than the cap", ...opened, fhe: { asset: { cap: "699" } } },
];

const ofTheExchange: readonly FheAttack[] = [
  {
    name: "that cites another document as evidence",
    check: "leg.cited",
    code: "LEG_MISMATCH",
    more: { events: (events) => editEvent("leg.sealed", { evidence_media_type: "text/plain" })(events) },
  },
  {
    name: "that policy took for a computation of the service",
    check: "decision.submission",
    code: "DECISION_SUBMISSION_MISMATCH",
    fhe: { submits: null },
  },
  {
    name: "that policy took for a proof",
    check: "decision.submission",
    code: "DECISION_SUBMISSION_MISMATCH",
    fhe: { submits: "proof" },
  },
  {
    name: "on other facts than policy decided on",
    check: "binding.facts",
    code: "BINDING_FACTS_MISMATCH",
    fhe: { claim: (claim) => ({ ...claim, factsDigest: stranger }) },
  },
];

const replays: readonly Attack[] = [
  { name: "gives another ciphertext when it is executed again", change: { outputs: [stranger, stranger] } },
  { name: "went through another circuit when it was executed again", change: { circuitDigest: stranger } },
  { name: "took other inputs when it was executed again", change: { inputs: [stranger] } },
].map(
  ({ name, change }): Attack => ({
    ...attack({ name: `whose run ${name}`, check: "fhe.re-executed", code: "FHE_REPLAY_MISMATCH" }),
    options: (_, built) => {
      const { claim } = claimOfBundle(parseBundle(built.bundle)) ?? { claim: null };
      if (claim === null) throw new Error("the bundle has no claim");
      const given = claim.inputs.flatMap((one) => ("clear" in one ? [] : [one.digest]));
      const made = {
        seed: claim.seed,
        circuitDigest: claim.circuitDigest,
        inputs: given,
        outputs: claim.outputs.map(({ digest }) => digest),
      };
      return { programs: new Map([["fhe", new Map([[PROGRAM, { ...made, ...change }]])]]) };
    },
  }),
);

/** All of them. */
export const fheAttacks: readonly Attack[] = [
  ...[ofTheClaim, ofTheProgram, ofTheDerived, ofTheState, ofTheExchange].flat().map(attack),
  ...replays,
];
