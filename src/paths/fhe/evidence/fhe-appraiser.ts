/** The auditor's side of the fhe path: one run of one program, as the engine claims it. */
import { Checklist } from "../../../core/check.ts";
import { digestFromHex } from "../../../core/digest.ts";
import { TrisealError } from "../../../core/errors.ts";
import type { Appraisal, AppraisalInputs, Appraiser, LegClaims } from "../../path.ts";
import { type Claim, FHE_EVIDENCE_TYPE, FHE_MODEL_TYPE, FHE_PROGRAM_TYPE, parseClaim, verifyClaim } from "../wire/claim.ts";
import { handleOf, type InputName, seedOf } from "../wire/handle.ts";
import { SUBMITS_RUN } from "../wire/run.ts";
import { type FheChecklist, fheChecks } from "./check-table.ts";
import { fheLegs } from "./leg-kind.ts";
import { appraiseModel, isModelRun, replayedModel, statefulModel } from "./model-run.ts";
import { type CompiledRun, recompile } from "./recompile.ts";
import { decodeReplayed, type Replayed } from "./replayed.ts";
import { assertOpened, firstWrites, unlinkedState } from "./state-checks.ts";
import { type FheTrust, holderOf, parseFheTrust } from "./trust-section.ts";

/** The fhe path's appraiser. Offline. */
export const fheAppraiser: Appraiser = { ...fheLegs, appraise: async (leg, inputs) => appraiseClaim(leg, inputs) };

function appraiseClaim(bytes: Uint8Array, inputs: AppraisalInputs): Appraisal {
  const checks: FheChecklist = new Checklist(fheChecks);
  const trust = checks.attempt("fhe.section-readable", "assertion", () => parseFheTrust(inputs.trust));
  if (trust !== null) checks.expect("fhe.section-readable", true, "assertion");
  const signed = checks.attempt("fhe.leg-readable", "assertion", () => parseClaim(bytes));
  if (signed === null) return { checks: checks.all(), claims: null };
  checks.expect("fhe.leg-readable", true, "assertion");
  checks.expect("fhe.claim-signed", verifyClaim(signed), "signature");
  const { claim } = signed;
  const compiled = isModelRun(claim) ? appraiseModel(claim, inputs, checks) : appraiseProgram(claim, inputs, checks);
  appraiseDerived(claim, checks);
  appraiseState(claim, inputs, checks);
  const replayed = appraiseReplay(claim, inputs, checks);
  if (trust !== null) appraiseTrust(claim, trust, inputs, checks);
  return { checks: checks.all(), claims: trust === null ? null : claimsOf(claim, trust, { replayed, compiled }) };
}

/** Who signed, who can decrypt, and whether both and the program are accepted. */
function appraiseTrust(claim: Claim, trust: FheTrust, inputs: AppraisalInputs, checks: FheChecklist): void {
  const { engine, keyId, programDigest, circuitDigest } = claim;
  const { keys, measurements } = inputs.revoked;
  const named = trust.engines.filter(({ publicKey }) => publicKey === engine.key);
  const accepted = named.some((entry) => !("builds" in entry) || entry.builds.includes(engine.build));
  checks.expect("fhe.engine-accepted", named.length > 0, "assertion", `signed by ${engine.key.slice(0, 16)}…`);
  if (named.length > 0) checks.expect("fhe.build-accepted", accepted, "assertion", engine.build);
  checks.expect("fhe.engine-not-revoked", !keys.has(engine.key), "assertion");
  const cited: readonly string[] = [engine.build, programDigest, circuitDigest, `sha256:${keyId}`];
  checks.expect("fhe.not-revoked", !cited.some((digest) => measurements.has(digest)), "assertion");
  const holder = holderOf(trust, keyId);
  checks.expect("fhe.key-holder-named", holder !== undefined, "assertion", holder ?? `key ${keyId.slice(0, 16)}…`);
  const { programs, models = [] } = trust;
  const entries = isModelRun(claim) ? models : programs;
  const known = "accept" in entries || entries.some(({ name, digest }) => name === inputs.model && digest === programDigest);
  checks.expect("fhe.program-accepted", known, "assertion", "accept" in entries ? "any, by the trust file" : programDigest);
}

/** The chain from the program to the circuit that was run. */
function appraiseProgram(claim: Claim, inputs: AppraisalInputs, checks: FheChecklist): boolean {
  const { programDigest, circuitDigest, pbs, binding } = claim;
  const compiled = checks.attempt("fhe.program-readable", "assertion", () => {
    const document = inputs.blob(programDigest);
    if (document === null) throw new TrisealError("FORMAT_INVALID", `${programDigest} is not in the bundle`);
    return recompile(document, programDigest, clearOf(claim));
  });
  checks.expect("fhe.program-bound", binding.modelDigest === programDigest, "signature");
  if (compiled === null) return false;
  checks.expect("fhe.program-readable", true, "signature");
  checks.expect("fhe.values-fit", hasValuesOf(claim, compiled), "signature");
  const same = compiled.circuitDigest === circuitDigest;
  checks.expect("fhe.circuit-recompiled", same, "signature", `compiled ${compiled.circuitDigest}`);
  checks.expect("fhe.price-recomputed", compiled.pbs === pbs, "signature", `${pbs} of ${compiled.pbs}`);
  return same;
}

/** What the auditor did beside reading. */
interface Shown {
  readonly replayed: boolean;
  readonly compiled: boolean;
}

/** The clear values that went in, by name. */
function clearOf({ inputs }: Claim): ReadonlyMap<string, string> {
  return new Map(inputs.flatMap((input) => ("clear" in input ? [[input.n, input.clear] as const] : [])));
}

function hasValuesOf({ inputs, outputs }: Claim, compiled: CompiledRun): boolean {
  const given = inputs.map((input) => ({ n: input.n, clear: "clear" in input }));
  const made = outputs.map(({ n, t }) => ({ n, t }));
  return (
    JSON.stringify(given) === JSON.stringify(compiled.inputs.map(({ n, clear }) => ({ n, clear }))) &&
    JSON.stringify(made) === JSON.stringify(compiled.outputs.map(({ n, t }) => ({ n, t })))
  );
}

/** Names that nobody may choose. */
function appraiseDerived(claim: Claim, checks: FheChecklist): void {
  const { programDigest, keyId, binding, outputs, seed } = claim;
  checks.expect("fhe.seed-derived", seedOf(binding) === seed, "signature");
  const inputs = claim.inputs.map((input): InputName => {
    if ("clear" in input) return { clear: input.clear };
    return input.handle === null ? { digest: input.digest } : { handle: input.handle };
  });
  const parts = { programDigest, inputs, keyId, nonce: binding.nonce };
  const derived = outputs.every(({ n, handle }) => handleOf({ ...parts, output: n }) === handle);
  checks.expect("fhe.handles-derived", derived, "signature");
}

function appraiseState(claim: Claim, inputs: AppraisalInputs, checks: FheChecklist): void {
  const unlinked = isModelRun(claim) ? statefulModel(claim) : unlinkedState(claim);
  checks.expect("fhe.state-linked", unlinked === null, "signature", unlinked ?? "");
  const opened = firstWrites(claim).map((write) => {
    // Asked for, whatever can be made of it: it is no unused part.
    const document = inputs.blob(digestFromHex(write.prevHead));
    return checks.attempt("fhe.account-opened", "signature", () => {
      assertOpened(claim, write, inputs.tenant, document);
      return true;
    });
  });
  if (opened.every((holds) => holds !== null)) checks.expect("fhe.account-opened", true, "signature");
}

function replayedProgram({ programDigest }: Claim, { programs }: AppraisalInputs): Replayed | null {
  const shown = programs.get(programDigest);
  return shown === undefined ? null : decodeReplayed(shown, "programs");
}

/** Whether the auditor executed the run again, with the server key and the ciphertexts that the claim names. */
function appraiseReplay(claim: Claim, inputs: AppraisalInputs, checks: FheChecklist): boolean {
  const replayed = isModelRun(claim) ? replayedModel(claim, inputs) : replayedProgram(claim, inputs);
  if (replayed === null || replayed.seed !== claim.seed) {
    checks.skip("fhe.re-executed", "signature", "the run was not executed again: `triseal fhe replay` does");
    return false;
  }
  const given = claim.inputs.flatMap((input) => ("clear" in input ? [] : [input.digest]));
  const made = claim.outputs.map(({ digest }) => digest);
  const same =
    replayed.circuitDigest === claim.circuitDigest &&
    JSON.stringify(replayed.inputs) === JSON.stringify(given) &&
    JSON.stringify(replayed.outputs) === JSON.stringify(made);
  return checks.expect("fhe.re-executed", same, "proof");
}

function claimsOf(claim: Claim, trust: FheTrust, { replayed, compiled }: Shown): LegClaims {
  const { requestDigest, responseDigest, modelDigest, decisionDigest, nonce } = claim.binding;
  return {
    requestDigest,
    responseDigest,
    modelDigest,
    decisionDigest,
    nonce,
    factsDigest: claim.factsDigest,
    evidence: { digest: claim.programDigest, mediaType: isModelRun(claim) ? FHE_MODEL_TYPE : FHE_PROGRAM_TYPE },
    wire: null,
    inputCommitment: null,
    outputs: null,
    outputCommitment: null,
    submission: SUBMITS_RUN,
    backendFacts: { evidence_type: FHE_EVIDENCE_TYPE },
    correctness: {
      text: isModelRun(claim) ? modelText({ replayed, compiled }) : programText(replayed),
      basis: replayed ? "proof" : "signature",
    },
    confidentiality: confidentialityOf(claim, trust),
  };
}

function programText(replayed: boolean): string {
  const what = replayed
    ? "the run, executed again here, gave these ciphertexts"
    : "the engine signed that the circuit of the program gave these ciphertexts, and nobody executed it again here";
  return `arithmetic only; account history not shown: ${what}`;
}

function modelText({ replayed, compiled }: Shown): string {
  if (replayed && compiled) return "the circuit that the model compiles to here, executed again here, gave this ciphertext";
  const what = compiled ? "the circuit is the one that the model compiles to here" : "nobody compiled the model here";
  return `the engine signed that its circuit of the model gave this ciphertext; ${what}, and nobody executed it again`;
}

function confidentialityOf(claim: Claim, trust: FheTrust): LegClaims["confidentiality"] {
  const holder = holderOf(trust, claim.keyId) ?? null;
  const clear = [...clearOf(claim).keys()];
  const seen = clear.length === 0 ? "" : `; ${clear.join(", ")} went in clear`;
  const who = holder === null ? "whoever holds that key, whom the trust file does not name" : `${holder}, who holds that key`;
  return {
    text: `what went in and came out is encrypted under key ${claim.keyId.slice(0, 16)}… from everybody but ${who}${seen}`,
    basis: holder === null ? "assertion" : "signature",
  };
}
