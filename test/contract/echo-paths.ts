/**
 * Two made-up paths of one gateway: `first` answers as a path behind a wire of its own, `second` confirms what another path
 * answered. Their legs are their claims, so that a script can have each state what it likes, and a verifier reads it.
 */
import { makeBinding } from "../../src/core/binding.ts";
import { concatBytes, utf8 } from "../../src/core/bytes.ts";
import { digestOf } from "../../src/core/digest.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { type JsonObject, parseJson } from "../../src/core/json.ts";
import { factsDigest } from "../../src/core/oip.ts";
import type {
  Appraiser,
  Backend,
  BoundRequest,
  ConfirmingLeg,
  InferencePath,
  InferOptions,
  LegClaims,
  RunStatement,
} from "../../src/paths/path.ts";

/** The model that both serve. */
export const echoModel = {
  name: "echo",
  version: "1",
  digest: digestOf(utf8("an echo")),
  platform: "echo",
  inputs: [{ name: "x", datatype: "INT32", shape: [-1] }],
  outputs: [{ name: "x", datatype: "INT32", shape: [-1] }],
} as const;

const EVIDENCE = utf8('{"evidence":"none"}');
const LEG_TYPE = "application/x-echo";
const EVIDENCE_TYPE = "application/x-echo-evidence";

/** What a path does otherwise than an honest one. */
export interface EchoScript {
  /** What its legs state of the run. */
  states?: RunStatement;
  /** Called instead of an honest answer or confirmation; what it throws is thrown. */
  before?: (request: BoundRequest, options: InferOptions) => void | Promise<void>;
  /** What `assertConfirmable` throws. */
  unconfirmable?: Error;
  /** Type of evidence that its backend shows now. */
  evidenceType?: string;
}

/** A made-up path. */
export interface EchoPath extends InferencePath {
  /** What it was asked to do, in order. */
  readonly calls: string[];
  /** Backends that were said to have lied. */
  readonly blamed: (readonly [string, string | null, string])[];
  script: EchoScript;
}

/** Whom nobody contradicts: the honest statement of a run. */
export const HONEST: RunStatement = { inputCommitment: "5a".repeat(32), outputs: [1, 2], outputCommitment: null };

function legOf(request: BoundRequest, response: Uint8Array, wire: LegClaims["wire"], script: EchoScript): ConfirmingLeg {
  const states = script.states ?? HONEST;
  const { requestDigest, responseDigest, modelDigest, decisionDigest, nonce } = makeBinding(
    request.context,
    digestOf(request.body),
    digestOf(response),
  );
  const word = { text: "echoed", basis: "assertion" };
  const claims = {
    requestDigest,
    responseDigest,
    modelDigest,
    decisionDigest,
    nonce,
    wire,
    ...states,
    factsDigest: factsDigest(request.facts),
    evidence: { digest: digestOf(EVIDENCE), mediaType: EVIDENCE_TYPE },
    backendFacts: { evidence_type: script.evidenceType ?? "echoed" },
    confidentiality: word,
    correctness: word,
  };
  return {
    bytes: encodeJcs(claims as unknown as JsonObject),
    mediaType: LEG_TYPE,
    sessionId: null,
    evidenceDigest: digestOf(EVIDENCE),
    evidenceMediaType: EVIDENCE_TYPE,
    blobs: [EVIDENCE],
    requestGuessable: false,
    states,
  };
}

/** A path of this id; one that `confirms` is not behind a wire. @param calls where it notes what it does. */
export function createEchoPath(id: string, confirms: boolean, script: EchoScript = {}, calls: string[] = []): EchoPath {
  const blamed: (readonly [string, string | null, string])[] = [];
  const act = async (what: string, request: BoundRequest, options: InferOptions) => {
    calls.push(what);
    await path.script.before?.(request, options);
  };
  const backends = (): readonly Backend[] => [
    {
      id: `${id}:1`,
      path: id,
      facts: [{ name: "evidence_type", origin: "evidence", value: path.script.evidenceType ?? "echoed" }],
    },
  ];
  const path: EchoPath = {
    id,
    calls,
    blamed,
    script,
    attestedUpstream: false,
    sealed: null,
    models: () => [echoModel],
    backends,
    ready: async () => ({ ready: true }),
    async infer(request, options) {
      await act(`${id} answers`, request, options);
      const body = utf8(JSON.stringify({ model_name: "echo", id: "0".repeat(32), outputs: [], about: digestOf(request.body) }));
      const wired = {
        requestDigest: digestOf(concatBytes(utf8("sealed:"), request.body)),
        responseDigest: digestOf(utf8("sealed")),
      };
      const wire = confirms ? null : wired;
      const forwardedDigest = wire?.requestDigest ?? digestOf(request.body);
      return { body, mediaType: "application/json", forwardedDigest, leg: legOf(request, body, wire, path.script) };
    },
    confirmer: confirms
      ? {
          assertConfirmable: () => {
            calls.push(`${id} looks`);
            if (path.script.unconfirmable !== undefined) throw path.script.unconfirmable;
          },
          confirm: async (request, response, options) => {
            await act(`${id} confirms`, request, options);
            return legOf(request, response, null, path.script);
          },
        }
      : null,
    contradicted: (backendId, sessionId, reason) => void blamed.push([backendId, sessionId, reason]),
    sessions: () => [],
    close: async () => undefined,
  };
  return path;
}

/** The auditor's side of a path of this id. */
export function echoAppraiser(id: string): Appraiser {
  return {
    path: id,
    legMediaType: LEG_TYPE,
    attestedUpstream: false,
    appraise: async (leg) => ({ checks: [], claims: parseJson(leg) as unknown as LegClaims }),
  };
}
