/** One subject for every parser of the verifier, with examples out of valid bundles. */
import { readFileSync } from "node:fs";
import { parseBase64, parseHex, parseUtf8, utf8 } from "../../src/core/bytes.ts";
import { parseDigest } from "../../src/core/digest.ts";
import { isTrisealError } from "../../src/core/errors.ts";
import { encodeJcs } from "../../src/core/jcs.ts";
import { parseJson } from "../../src/core/json.ts";
import { parseInferenceResponse } from "../../src/core/oip.ts";
import { formatTime, parseTime } from "../../src/core/time.ts";
import {
  encodeEntries,
  encodeLeaf,
  encodeVerifierKey,
  parseCheckpointText,
  parseEntries,
  parseLeaf,
  parseNote,
  parseTilePath,
  parseTlogProof,
  parseVerifierKey,
  readCosignatures,
  verifyCheckpoint,
  verifyTlogProof,
} from "../../src/log/index.ts";
import { encodeWitnessRequest, parseWitnessRequest } from "../../src/log/store/witness-request.ts";
import { parseModelPackage } from "../../src/model/model-package.ts";
import { decodeHolderConfiguration, type HolderConfiguration } from "../../src/paths/fhe/wire/key-holder.ts";
import {
  encodeReveal,
  encodeRevealRequest,
  NO_REVEAL,
  parseReveal,
  parseRevealRequest,
  signReveal,
  verifyRevealSignature,
} from "../../src/paths/fhe/wire/reveal.ts";
import { parseTeeTrust } from "../../src/paths/tee/evidence/trust-section.ts";
import { parseEnvelope } from "../../src/paths/tee/wire/envelope.ts";
import { decodeAnswerHead, decodeInferHead, encodeFrame, parseFrame } from "../../src/paths/tee/wire/frame.ts";
import { parseWorkerEvidence } from "../../src/paths/tee/wire/keyset.ts";
import { parseTeeLeg, verifyTeeLeg } from "../../src/paths/tee/wire/leg.ts";
import { parseSimulatedEvidence, verifySimulatedEvidence } from "../../src/paths/tee/wire/simulated.ts";
import {
  decide,
  encodeDecision,
  parseDecision,
  parsePolicy,
  parsePolicyStatement,
  replayDecision,
} from "../../src/policy/index.ts";
import { decodeKeyset, decodeReport, decodeSession, parseBundle, parseReceipt } from "../../src/receipt/index.ts";
import type { Built } from "../fixtures/bundle.ts";
import { NOW, POLICY_TEXT, serviceEntry, type World } from "../fixtures/world.ts";
import { fullPolicyText, input, policyWhen, worker } from "../unit/policy/policy-fixture.ts";
import type { Judged, Subject } from "./fuzz-target.ts";

/** A subject that reads bytes: it may throw a `TrisealError`, which is one lower-case line, and nothing else. */
export function parsing(name: string, examples: readonly Uint8Array[], parse: (bytes: Uint8Array) => unknown): Subject {
  return {
    name,
    examples,
    judge: (bytes): Judged => {
      try {
        parse(bytes);
        return { outcome: "read", fault: null };
      } catch (error) {
        if (!isTrisealError(error)) throw error;
        const oneLine = error.message.length > 0 && error.message.length <= 1000 && !/[\n\r]/.test(error.message);
        return { outcome: error.code, fault: oneLine ? null : `message: ${JSON.stringify(error.message.slice(0, 80))}` };
      }
    },
  };
}

const asText =
  (parse: (text: string) => unknown) =>
  (bytes: Uint8Array): unknown =>
    parse(parseUtf8(bytes));

const asJson =
  (decode: (value: ReturnType<typeof parseJson>, place: string) => unknown) =>
  (bytes: Uint8Array): unknown =>
    decode(parseJson(bytes), "document");

/** Conditions: whatever is accepted can be decided on, with facts and without. */
function decidedOn(bytes: Uint8Array): void {
  const policy = parsePolicy(bytes);
  decide(policy, input([], []));
  decide(policy, input([{ name: "request.classification", origin: "caller", value: "secret" }], [worker("a")]));
}

const CONDITIONS = [
  'has(request.classification) && request.classification == "personal" && !(has(backend.jurisdiction) && backend.jurisdiction == "EU")',
  'has(request.value_usd) && request.value_usd >= 10000.0 && model.paths.exists(p, p == "zk")',
  'tenant.tier in ["gold", "silver"] || tenant.id.startsWith("ac")',
  'model.paths.all(p, p.size() > 1) ? request.bytes > 10.0 : model.name != "x"',
];

function policySubjects(built: readonly Built[]): readonly Subject[] {
  const decisions = built.flatMap(({ decision }) => (decision === null ? [] : [encodeDecision(decision)]));
  const shipped = readFileSync(new URL("../../policies/default.policy.yaml", import.meta.url));
  return [
    parsing("policy", [POLICY_TEXT, fullPolicyText, new Uint8Array(shipped)], decidedOn),
    parsing("condition", CONDITIONS.map(utf8), (bytes) => decidedOn(policyWhen(parseUtf8(bytes)))),
    parsing(
      "policy statement",
      built.map(({ statementBytes }) => statementBytes),
      parsePolicyStatement,
    ),
    parsing("decision", decisions, (bytes) => [parseDecision(bytes), replayDecision(POLICY_TEXT, bytes)]),
  ];
}

function logSubjects(world: World, built: readonly Built[]): readonly Subject[] {
  const proofs = built.flatMap(({ bundle }) => [...parseBundle(bundle).log.values()].map(({ proof }) => proof));
  const notes = proofs.map((proof) => proof.slice(proof.indexOf(`${world.log.origin}\n`)));
  const key = encodeVerifierKey(world.log.origin, 1, world.logSigner.publicKey);
  const witness = { name: world.witness.name, publicKey: world.witness.signer.publicKey };
  const hash = new Uint8Array(32);
  return [
    parsing(
      "tlog proof",
      proofs.map(utf8),
      asText((text) => verifyTlogProof(parseTlogProof(text), hash)),
    ),
    parsing(
      "note",
      notes.map(utf8),
      asText((text) => readCosignatures(parseNote(text), world.log.origin, [world.logSigner.publicKey], [witness])),
    ),
    parsing(
      "checkpoint",
      notes.map(utf8),
      asText((text) => verifyCheckpoint(text, world.log.origin, [world.logSigner.publicKey])),
    ),
    parsing(
      "checkpoint text",
      notes.map((note) => utf8(parseNote(note).text)),
      asText(parseCheckpointText),
    ),
    parsing("verifier key", [utf8(key)], asText(parseVerifierKey)),
    parsing("tile path", ["tile/0/x001/x234/067", "tile/entries/000.p/17", "tile/5/000"].map(utf8), asText(parseTilePath)),
    parsing("entries", [encodeEntries([utf8("a"), new Uint8Array(300), new Uint8Array(0)])], parseEntries),
    parsing("leaf", [encodeLeaf("receipt", `sha256:${"ab".repeat(32)}` as never, hash)], parseLeaf),
    parsing(
      "witness request",
      notes.map((note) => utf8(encodeWitnessRequest(3, [hash, hash], note))),
      parseWitnessRequest,
    ),
  ];
}

function teeSubjects(world: World, built: readonly Built[]): readonly Subject[] {
  const evidence = world.worker.evidence();
  const legs = built.flatMap(({ legBytes }) => (legBytes === null ? [] : [legBytes]));
  const envelopes = built.flatMap(({ request }) => (parseUtf8(request.wire).includes('"keysetDigest"') ? [request.wire] : []));
  const digest = `sha256:${"0".repeat(64)}`;
  const infer = { v: 1, decisionDigest: digest, nonce: "0".repeat(32), modelDigest: digest, deadlineMs: 10 };
  const answer = { v: 1, legLength: 3, requestGuessable: false };
  const publicKey = world.worker.leg.publicKey;
  return [
    parsing("worker evidence", [evidence], parseWorkerEvidence),
    parsing("simulated evidence", [parseWorkerEvidence(evidence).evidence], (bytes) =>
      verifySimulatedEvidence(parseSimulatedEvidence(bytes)),
    ),
    parsing("leg", legs, (bytes) => verifyTeeLeg(parseTeeLeg(bytes), publicKey)),
    parsing("envelope", envelopes, parseEnvelope),
    parsing("request frame", [encodeFrame(infer, utf8("body"))], (bytes) => parseFrame(bytes, decodeInferHead)),
    parsing("answer frame", [encodeFrame(answer, utf8("leg"), utf8("body"))], (bytes) => parseFrame(bytes, decodeAnswerHead)),
    parsing(
      "tee trust",
      [encodeJcs(serviceEntry(world).paths.tee as never)],
      asJson((value) => parseTeeTrust(value as never)),
    ),
  ];
}

/** What a key holder is asked, and what it says. */
function revealSubjects(world: World): readonly Subject[] {
  const [hash, digest] = ["ab".repeat(32), parseDigest(`sha256:${"ab".repeat(32)}`)];
  const engine = { key: hash, build: digest, basis: "signature" } as const;
  const about = { keyId: hash, configuration: digest, auction: hash, receiptId: "rcpt-1", claim: digest, programDigest: digest };
  const made = { output: "winner", type: "u2", digest, value: "1", sequence: 1, previous: NO_REVEAL, decidedAt: NOW };
  const said = signReveal({ statement: { ...about, engine, ...made }, attestedAt: NOW }, world.gateway);
  const configuration: HolderConfiguration = {
    v: 1,
    kind: "triseal.fhe.key-holder.v1",
    keyId: hash,
    decryptsWith: digest,
    programs: [{ name: "p", digest, outputs: ["winner"] }],
    engines: [{ publicKey: hash, builds: [digest] }],
    engineBasis: "signature",
    inputs: "proven-lists",
    service: { name: "a" },
  };
  const reveal = encodeReveal({ ...said, configuration, evidence: utf8("{}") });
  const request = encodeRevealRequest({ output: "winner", bundle: utf8("{}"), run: utf8("{}"), ciphertext: utf8("c") });
  return [
    parsing("reveal", [reveal], (bytes) => verifyRevealSignature(parseReveal(bytes))),
    parsing("reveal request", [request], parseRevealRequest),
    parsing(
      "key holder configuration",
      [encodeJcs({ ...configuration })],
      asJson((value) => decodeHolderConfiguration(value, "measured")),
    ),
  ];
}

/** Subjects for the parsers of receipts, log, policy, evidence, models and the words of core. */
export async function parserSubjects(world: World, built: readonly Built[]): Promise<readonly Subject[]> {
  const parsed = built.map(({ bundle }) => parseBundle(bundle));
  const reports = parsed.flatMap(({ blobs }) => [...blobs.values()].filter((blob) => parseUtf8(blob).includes('"report_data"')));
  const model = readFileSync(new URL("../../models/digits-mlp/model.json", import.meta.url));
  const response =
    '{"model_name":"m","model_version":"1","id":"x","outputs":[{"name":"y","shape":[2],"datatype":"FP32","data":[0.5,1]}]}';
  return [
    ...policySubjects(built),
    ...logSubjects(world, built),
    ...teeSubjects(world, built),
    ...revealSubjects(world),
    parsing(
      "bundle form",
      built.map(({ bundle }) => bundle),
      parseBundle,
    ),
    parsing(
      "receipt",
      built.map(({ receipt }) => encodeJcs(receipt.document)),
      parseReceipt,
    ),
    parsing(
      "session",
      built.map(({ session }) => encodeJcs(session)),
      asJson((value) => decodeSession(value)),
    ),
    parsing(
      "keyset",
      parsed.map(({ keyset }) => encodeJcs(keyset as never)),
      asJson(decodeKeyset),
    ),
    parsing("report", reports, asJson(decodeReport)),
    parsing("model package", [new Uint8Array(model)], parseModelPackage),
    parsing("oip response", [utf8(response)], parseInferenceResponse),
    parsing("base64", [utf8("AAECAwQFBgc="), utf8("+/+/")], asText(parseBase64)),
    parsing("hex", [utf8("00ff10")], asText(parseHex)),
    parsing("digest", [utf8(`sha256:${"ab".repeat(32)}`)], asText(parseDigest)),
    parsing("time", [utf8(formatTime(NOW))], asText(parseTime)),
  ];
}
