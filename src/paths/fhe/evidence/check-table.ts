import type { Checklist, CheckTable } from "../../../core/check.ts";

/** Checks of the fhe path, in the order in which a failure is reported. */
export const fheChecks = {
  "fhe.section-readable": {
    code: "TRUST_FILE_INVALID",
    spec: "SPEC 5.1",
    states: "the trust file's section for this path can be read",
  },
  "fhe.leg-readable": { code: "LEG_MALFORMED", spec: "SPEC 3.11", states: "the engine's claim is well-formed" },
  "fhe.claim-signed": {
    code: "FHE_CLAIM_INVALID",
    spec: "SPEC 3.11",
    states: "the signature of the stated engine over its claim verifies",
  },
  "fhe.engine-accepted": { code: "FHE_ENGINE_UNKNOWN", spec: "SPEC 5.1", states: "the trust file names the engine's key" },
  "fhe.build-accepted": {
    code: "FHE_BUILD_UNKNOWN",
    spec: "SPEC 5.1",
    states: "the trust file accepts the program file that the engine says it is",
  },
  "fhe.engine-not-revoked": { code: "KEY_REVOKED", spec: "SPEC 5.1", states: "the engine's key is not revoked" },
  "fhe.not-revoked": {
    code: "MEASUREMENT_REVOKED",
    spec: "SPEC 5.1",
    states: "neither the engine's build nor program, circuit and server key are revoked",
  },
  "fhe.key-holder-named": {
    code: "FHE_KEY_HOLDER_UNKNOWN",
    spec: "SPEC 5.1",
    states: "the trust file says who holds the key that decrypts",
  },
  "fhe.program-readable": {
    code: "EVIDENCE_MALFORMED",
    spec: "SPEC 3.11",
    states: "the program is in the bundle and can be compiled",
  },
  "fhe.program-accepted": {
    code: "TRUST_UNKNOWN_MODEL",
    spec: "SPEC 5.1",
    states: "the trust file names the program that ran",
  },
  "fhe.program-bound": {
    code: "FHE_PROGRAM_MISMATCH",
    spec: "SPEC 3.11",
    states: "the program is the model of the exchange",
  },
  "fhe.values-fit": {
    code: "FHE_VALUES_MISMATCH",
    spec: "SPEC 3.11",
    states: "inputs and outputs are those of the program, in its order and types",
  },
  "fhe.circuit-recompiled": {
    code: "FHE_CIRCUIT_MISMATCH",
    spec: "SPEC 3.11",
    states: "the circuit is the one that the program or model compiles to",
    // Of a program it is never skipped: it is in the bundle. A model is its operator's.
    optional: true,
  },
  "fhe.price-recomputed": {
    code: "FHE_PRICE_MISMATCH",
    spec: "SPEC 3.11",
    states: "as many bootstraps were run as the circuit has nodes",
  },
  "fhe.seed-derived": {
    code: "FHE_SEED_MISMATCH",
    spec: "SPEC 3.11",
    states: "the seed of the re-randomisation derives from the exchange",
  },
  "fhe.handles-derived": {
    code: "FHE_HANDLE_MISMATCH",
    spec: "SPEC 3.11",
    states: "the outputs' handles derive from program, inputs, key and nonce",
  },
  "fhe.state-linked": {
    code: "FHE_STATE_MISMATCH",
    spec: "SPEC 3.11",
    states: "what was read went in, what was written came out, and versions follow",
  },
  "fhe.account-opened": {
    code: "FHE_ACCOUNT_MISMATCH",
    spec: "SPEC 3.11",
    states: "a first version follows the document of its account, the tenant's own, which permits the program",
  },
  "fhe.re-executed": {
    code: "FHE_REPLAY_MISMATCH",
    spec: "SPEC 5.4",
    states: "the run, executed again, gives the claimed ciphertexts byte for byte",
    optional: true,
  },
} as const satisfies CheckTable;

/** Checks of one claim, as they are made. */
export type FheChecklist = Checklist<typeof fheChecks>;

/** Ids of the checks that may be skipped without a waiver (SPEC section 5.4). */
export const optionalFheChecks: ReadonlySet<string> = new Set(
  Object.entries(fheChecks as CheckTable).flatMap(([id, { optional }]) => (optional === true ? [id] : [])),
);
