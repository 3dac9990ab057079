/**
 * A path that Triseal does not ship: `parity` says of each input tensor whether its elements sum to an even number. It
 * has its own evidence (an authority's signature over the key that signs legs), its own trust section and its own error
 * codes, and nothing outside this folder knows it.
 */
import { type Binding, decodeBinding, makeBinding } from "../../src/core/binding.ts";
import { concatBytes, encodeHex, parseHex, utf8 } from "../../src/core/bytes.ts";
import { Checklist, type CheckTable } from "../../src/core/check.ts";
import { array, type Decoded, digest, hexText, object, oneOf, text } from "../../src/core/decode.ts";
import { digestOf, type Sha256Digest } from "../../src/core/digest.ts";
import { type Signer, verifyEd25519 } from "../../src/core/ed25519.ts";
import { type ErrorTable, pathErrors, TrisealError } from "../../src/core/errors.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import { encodeInferenceResponse, factsDigest, parseInferenceRequest, parseInputs } from "../../src/core/oip.ts";
import {
  type Appraisal,
  type AppraisalInputs,
  type Appraiser,
  type Backend,
  type BoundRequest,
  type InferencePath,
  NOTHING_STATED,
  type PathAnswer,
  type ServedModel,
} from "../../src/paths/path.ts";

export const PARITY_LEG_TYPE = "application/vnd.triseal.parity-leg+json";
export const PARITY_EVIDENCE_TYPE = "application/vnd.triseal.parity-evidence+json";

/** Codes that only this path can answer. */
export const codes = {
  PARITY_NOT_SIGNED: { status: 400, retryable: false, action: "sign the sum for the challenge's decision" },
  PARITY_ODD_SIZED: { status: 422, retryable: false, action: "send tensors of an even number of elements" },
} as const satisfies ErrorTable;

/** Makes an error with a code of this path. */
export const parityError = pathErrors(codes);

/** The model that the path serves. */
export const parityModel = {
  name: "parity",
  version: "1",
  digest: digestOf(utf8("the parity of a sum")),
  platform: "parity",
  inputs: [{ name: "x", datatype: "INT32", shape: [-1] }],
  outputs: [{ name: "even", datatype: "BOOL", shape: [1] }],
} as const;

const decodeStatement = object({ binding: decodeBinding, factsDigest: digest, evidenceDigest: digest });
const decodeLeg = object({ v: oneOf(1), statement: decodeStatement, signature: hexText(64) });
const decodeEvidence = object({
  v: oneOf(1),
  legKey: hexText(32),
  models: array(digest, 16),
  authority: hexText(32),
  signature: hexText(64),
});
const decodeTrust = object({ authorities: array(object({ publicKey: hexText(32), because: text(500) }), 8) });

type Statement = Decoded<typeof decodeStatement>;

const legMessage = (statement: Statement): Uint8Array =>
  concatBytes(utf8("parity.leg.v1\0"), encodeJcs(statement as unknown as JsonObject));
const evidenceMessage = (legKey: string, models: readonly string[]): Uint8Array =>
  concatBytes(utf8("parity.evidence.v1\0"), encodeJcs({ legKey, models }));

/** The evidence of a backend: the authority vouches for its leg key and its models. */
export function makeEvidence(legKey: string, models: readonly Sha256Digest[], authority: Signer): Uint8Array {
  const signature = encodeHex(authority.sign(evidenceMessage(legKey, models)));
  return encodeJcs({ v: 1, legKey, models, authority: authority.publicKey, signature });
}

/** A leg over `statement`. */
export function signLeg(statement: Statement, signer: Signer): Uint8Array {
  return encodeJcs({
    v: 1,
    statement: statement as unknown as JsonObject,
    signature: encodeHex(signer.sign(legMessage(statement))),
  });
}

/** How a dishonest backend spoils what it answers. */
export interface Malice {
  readonly evidence?: (honest: Uint8Array) => Uint8Array;
  readonly statement?: (honest: Statement) => Statement;
  readonly leg?: (honest: Uint8Array) => Uint8Array;
  readonly answer?: (honest: PathAnswer) => PathAnswer;
}

/** The server's side. */
export function createParityPath(options: {
  readonly legSigner: Signer;
  readonly authority: Signer;
  readonly malice?: Malice;
}): InferencePath {
  const { legSigner, authority, malice = {} } = options;
  const honest = makeEvidence(legSigner.publicKey, [parityModel.digest], authority);
  const evidence = malice.evidence?.(honest) ?? honest;
  let closed = false;
  const backend: Backend = {
    id: "parity:one",
    path: "parity",
    facts: [{ name: "evidence_type", origin: "evidence", value: "parity-vouched" }],
  };
  return {
    id: "parity",
    attestedUpstream: false,
    sealed: null,
    models: () => [parityModel],
    backends: (model: ServedModel) => (model.digest === parityModel.digest ? [backend] : []),
    ready: async () => (closed ? { ready: false, reason: "the path is closed" } : { ready: true }),
    async infer(request, { signal }) {
      if (closed) throw new TrisealError("PATH_UNAVAILABLE", "the path is closed");
      if (signal.aborted) throw new TrisealError("CLIENT_ABORTED", "the request was aborted");
      if (request.backendId !== backend.id) throw new TrisealError("PATH_UNAVAILABLE", "no such backend");
      const body = compute(request);
      const statement: Statement = {
        binding: makeBinding(request.context, digestOf(request.body), digestOf(body)),
        factsDigest: factsDigest(request.facts),
        evidenceDigest: digestOf(evidence),
      };
      const leg = signLeg(malice.statement?.(statement) ?? statement, legSigner);
      const answer: PathAnswer = {
        body,
        mediaType: "application/json",
        forwardedDigest: digestOf(request.body),
        leg: {
          bytes: malice.leg?.(leg) ?? leg,
          mediaType: PARITY_LEG_TYPE,
          sessionId: null,
          evidenceDigest: digestOf(evidence),
          evidenceMediaType: PARITY_EVIDENCE_TYPE,
          blobs: [evidence],
          requestGuessable: false,
          states: NOTHING_STATED,
        },
      };
      return malice.answer?.(answer) ?? answer;
    },
    confirmer: null,
    contradicted: () => undefined,
    sessions: () => [],
    close: async () => {
      closed = true;
    },
  };
}

function compute(request: BoundRequest): Uint8Array {
  const parsed = parseInferenceRequest(request.body);
  const [tensor] = parseInputs(parsed, parityModel.inputs);
  const numbers = Array.from<unknown, number>(tensor?.data ?? [], Number);
  if (numbers.length % 2 !== 0)
    throw parityError("PARITY_ODD_SIZED", "an odd number of elements", { details: { forwarded: false } });
  const even = numbers.reduce((sum, item) => sum + Math.abs(item % 2), 0) % 2 === 0;
  const outputs = [{ name: "even", datatype: "BOOL" as const, shape: [1], data: Uint8Array.of(Number(even)) }];
  return encodeInferenceResponse({ modelName: request.model.name, modelVersion: "1", id: parsed.id ?? null, outputs });
}

const parityChecks = {
  "parity.trust-readable": { code: "TRUST_FILE_INVALID", spec: "PARITY 1", states: "the trust section can be read" },
  "parity.leg-readable": { code: "PARITY_LEG_MALFORMED", spec: "PARITY 2", states: "the leg can be read" },
  "parity.evidence-readable": {
    code: "PARITY_EVIDENCE_MISSING",
    spec: "PARITY 3",
    states: "the evidence is there and can be read",
  },
  "parity.authority-trusted": { code: "PARITY_AUTHORITY_UNKNOWN", spec: "PARITY 3", states: "a trusted authority vouches" },
  "parity.authority-signed": { code: "PARITY_EVIDENCE_INVALID", spec: "PARITY 3", states: "the authority's signature verifies" },
  "parity.key-not-revoked": { code: "KEY_REVOKED", spec: "PARITY 3", states: "no key is revoked" },
  "parity.leg-signed": { code: "PARITY_LEG_INVALID", spec: "PARITY 2", states: "the leg's signature verifies" },
  "parity.model-vouched": { code: "PARITY_MODEL_UNKNOWN", spec: "PARITY 3", states: "the model is vouched for" },
} as const satisfies CheckTable;

/** The auditor's side. */
export const parityAppraiser: Appraiser = {
  path: "parity",
  legMediaType: PARITY_LEG_TYPE,
  attestedUpstream: false,
  appraise: async (leg, inputs) => appraise(leg, inputs),
};

function appraise(bytes: Uint8Array, inputs: AppraisalInputs): Appraisal {
  const checks = new Checklist(parityChecks);
  const { trust: section } = inputs;
  const trust =
    section === null
      ? { authorities: [] }
      : checks.attempt("parity.trust-readable", "assertion", () => decodeTrust(section, "paths.parity"));
  const leg = checks.attempt("parity.leg-readable", "assertion", () => decodeLeg(parseJson(bytes), "leg"));
  if (trust === null || leg === null) return { checks: checks.all(), claims: null };
  const { statement } = leg;
  const evidence = checks.attempt("parity.evidence-readable", "assertion", () =>
    decodeEvidence(parseJson(inputs.blob(statement.evidenceDigest) ?? new Uint8Array()), "evidence"),
  );
  if (evidence === null) return { checks: checks.all(), claims: null };
  const { authority, legKey, models, signature } = evidence;
  checks.expect(
    "parity.authority-trusted",
    trust.authorities.some(({ publicKey }) => publicKey === authority),
    "assertion",
  );
  checks.expect(
    "parity.authority-signed",
    verifyEd25519(authority, evidenceMessage(legKey, models), parseHex(signature)),
    "signature",
  );
  checks.expect("parity.key-not-revoked", !inputs.revoked.keys.has(legKey) && !inputs.revoked.keys.has(authority), "assertion");
  checks.expect("parity.leg-signed", verifyEd25519(legKey, legMessage(statement), parseHex(leg.signature)), "signature");
  checks.expect("parity.model-vouched", models.includes(statement.binding.modelDigest), "signature");
  return { checks: checks.all(), claims: claimsOf(statement.binding, statement) };
}

function claimsOf(binding: Binding, statement: Statement): NonNullable<Appraisal["claims"]> {
  const { requestDigest, responseDigest, modelDigest, decisionDigest, nonce } = binding;
  return {
    requestDigest,
    responseDigest,
    modelDigest,
    decisionDigest,
    nonce,
    factsDigest: statement.factsDigest,
    evidence: { digest: statement.evidenceDigest, mediaType: PARITY_EVIDENCE_TYPE },
    wire: null,
    inputCommitment: null,
    outputs: null,
    outputCommitment: null,
    backendFacts: { evidence_type: "parity-vouched" },
    confidentiality: { text: "from nobody", basis: "assertion" },
    correctness: { text: "computed by a backend that an authority vouches for", basis: "signature" },
  };
}
