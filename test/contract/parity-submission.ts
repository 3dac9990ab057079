/**
 * What the made-up path `parity` offers beside inference: its callers may sum on their own machines, if the authority vouches for
 * their key. Nothing outside this folder knows it.
 */
import { concatBytes, encodeHex, parseHex, utf8 } from "../../src/core/bytes.ts";
import { Checklist, type CheckTable } from "../../src/core/check.ts";
import { boolean, type Decoded, digest, hexText, object, oneOf, text } from "../../src/core/decode.ts";
import { digestHex, digestOf } from "../../src/core/digest.ts";
import { type Signer, verifyEd25519 } from "../../src/core/ed25519.ts";
import { TrisealError } from "../../src/core/errors.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import { callerFacts, encodeInferenceResponse, factsDigest } from "../../src/core/oip.ts";
import type { Appraisal, AppraisalInputs, Appraiser, InferencePath, PathRoute } from "../../src/paths/path.ts";
import { NOTHING_STATED } from "../../src/paths/path.ts";
import { createParityPath, PARITY_EVIDENCE_TYPE, parityError, parityModel } from "./parity-path.ts";

const OWN_LEG_TYPE = "application/vnd.triseal.parity-own-leg+json";

const decodeStatement = object({
  modelDigest: digest,
  decisionDigest: digest,
  factsDigest: digest,
  nonce: hexText(16),
  even: boolean,
});
const decodeDocument = object({ v: oneOf(1), statement: decodeStatement, signature: hexText(64) });
const decodeLeg = object({ v: oneOf(1), requestDigest: digest, responseDigest: digest, evidenceDigest: digest });
const decodeAsked = object({ model: text(128), parameters: (value) => (value ?? {}) as JsonObject });

type Statement = Decoded<typeof decodeStatement>;

const message = (statement: Statement) => concatBytes(utf8("parity.own.v1\0"), encodeJcs(statement as unknown as JsonObject));

/** What a caller submits. */
export function ownDocument(statement: Statement, signer: Signer): Uint8Array {
  return encodeJcs({
    v: 1,
    statement: statement as unknown as JsonObject,
    signature: encodeHex(signer.sign(message(statement))),
  });
}

function malformed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new TrisealError("REQUEST_MALFORMED", "no such document", { cause });
  }
}

function routesOf(evidence: Uint8Array, callerKey: string): readonly PathRoute[] {
  return [
    {
      kind: "challenge",
      address: "sums",
      maxBodyBytes: 1000,
      submits: "sum",
      parse: (body) => {
        const { model, parameters } = malformed(() => decodeAsked(parseJson(body), "challenge"));
        return { modelName: model, facts: callerFacts(parameters) };
      },
      offer: (name) => {
        if (name !== parityModel.name) throw new TrisealError("MODEL_UNKNOWN", "no such model");
        const facts = [{ name: "evidence_type", origin: "evidence", value: "parity-vouched" }] as const;
        return { model: parityModel, backend: { id: "parity:caller", path: "parity", facts }, terms: {} };
      },
    },
    {
      kind: "submission",
      address: "own",
      maxBodyBytes: 2000,
      submits: "sum",
      parse: (body) => malformed(() => decodeDocument(parseJson(body), "document")).statement,
      accept: async ({ context, facts, model, body }) => {
        const { statement, signature } = decodeDocument(parseJson(body), "document");
        const fits =
          statement.modelDigest === context.modelDigest &&
          statement.decisionDigest === context.decisionDigest &&
          statement.factsDigest === factsDigest(facts);
        if (!fits || !verifyEd25519(callerKey, message(statement), parseHex(signature)))
          throw parityError("PARITY_NOT_SIGNED", "the sum is not signed for this decision");
        const outputs = [{ name: "even", datatype: "BOOL" as const, shape: [1], data: Uint8Array.of(Number(statement.even)) }];
        const response = encodeInferenceResponse({ modelName: model.name, modelVersion: "1", id: null, outputs });
        const digests = { requestDigest: digestOf(body), responseDigest: digestOf(response), evidenceDigest: digestOf(evidence) };
        return {
          body: response,
          mediaType: "application/json",
          forwardedDigest: digestOf(body),
          leg: {
            bytes: encodeJcs({ v: 1, ...digests }),
            mediaType: OWN_LEG_TYPE,
            sessionId: null,
            evidenceDigest: digestOf(evidence),
            evidenceMediaType: PARITY_EVIDENCE_TYPE,
            blobs: [body, evidence],
            requestGuessable: false,
            states: NOTHING_STATED,
          },
        };
      },
    },
    {
      kind: "document",
      address: "evidence",
      find: (name) =>
        name === digestHex(digestOf(evidence))
          ? { byteLength: evidence.length, mediaType: "application/json", read: async () => evidence }
          : null,
    },
  ];
}

/** The path, with the addresses `sums`, `own` and `evidence`. */
export function createOwnParityPath(
  signers: { readonly legSigner: Signer; readonly authority: Signer },
  evidence: Uint8Array,
  callerKey: string,
): InferencePath {
  return { ...createParityPath(signers), routes: routesOf(evidence, callerKey) };
}

const ownChecks = {
  "parity-own.readable": { code: "PARITY_LEG_MALFORMED", spec: "PARITY 4", states: "leg, document and evidence can be read" },
  "parity-own.signed": { code: "PARITY_LEG_INVALID", spec: "PARITY 4", states: "the caller's signature verifies" },
  "parity-own.trusted": { code: "PARITY_AUTHORITY_UNKNOWN", spec: "PARITY 4", states: "a trusted authority is named" },
} as const satisfies CheckTable;

/** The auditor's side of what callers summed themselves. */
export const ownParityAppraiser: Appraiser = {
  path: "parity",
  legMediaType: OWN_LEG_TYPE,
  attestedUpstream: false,
  appraise: async (leg, inputs) => appraise(leg, inputs),
};

function appraise(bytes: Uint8Array, { blob, trust }: AppraisalInputs): Appraisal {
  const checks = new Checklist(ownChecks);
  const read = checks.attempt("parity-own.readable", "assertion", () => {
    const leg = decodeLeg(parseJson(bytes), "leg");
    const evidence = parseJson(blob(leg.evidenceDigest) ?? new Uint8Array()) as { legKey: string; authority: string };
    return { leg, evidence, document: decodeDocument(parseJson(blob(leg.requestDigest) ?? new Uint8Array()), "document") };
  });
  if (read === null) return { checks: checks.all(), claims: null };
  const { leg, evidence, document } = read;
  const { statement, signature } = document;
  checks.expect("parity-own.signed", verifyEd25519(evidence.legKey, message(statement), parseHex(signature)), "signature");
  checks.expect("parity-own.trusted", JSON.stringify(trust).includes(evidence.authority), "assertion");
  const { even: _, ...bound } = statement;
  return {
    checks: checks.all(),
    claims: {
      ...bound,
      requestDigest: leg.requestDigest,
      responseDigest: leg.responseDigest,
      evidence: { digest: leg.evidenceDigest, mediaType: PARITY_EVIDENCE_TYPE },
      wire: null,
      inputCommitment: null,
      outputs: null,
      outputCommitment: null,
      submission: "sum",
      backendFacts: { evidence_type: "parity-vouched" },
      confidentiality: { text: "the caller showed a sum and nothing else", basis: "signature" },
      correctness: { text: "summed by the caller, for whom an authority vouches", basis: "signature" },
    },
  };
}
