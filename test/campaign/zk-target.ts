/**
 * The fuzz target `zk`: every parser of files and documents of the ZK path and of models, and behind the parsers what reads
 * their results: the verifier accepts no other proof than those it was given, and a changed integer model that is read still
 * has a circuit that its own witness satisfies.
 */
import { readFileSync } from "node:fs";
import { utf8 } from "../../src/core/bytes.ts";
import { digestOf, digestOfJson } from "../../src/core/digest.ts";
import { isTrisealError } from "../../src/core/errors.ts";
import { parseJson } from "../../src/core/json.ts";
import { unixSeconds } from "../../src/core/time.ts";
import { parseData } from "../../src/model/data/parse-data.ts";
import type { CheckedModel } from "../../src/model/integer/integer-model.ts";
import { parseKnownAnswers } from "../../src/model/integer/known-answers.ts";
import { parseIntegerModel } from "../../src/model/integer/parse-model.ts";
import { importOnnx } from "../../src/model/onnx/import-onnx.ts";
import { architectureOf, encodeArchitecture, parseArchitecture } from "../../src/paths/zk/compile/architecture.ts";
import { compileCircuit } from "../../src/paths/zk/compile/circuit.ts";
import { bindWeights, compileArchitecture } from "../../src/paths/zk/compile/committed-circuit.ts";
import { generateWitness } from "../../src/paths/zk/compile/witness.ts";
import { openVerifier } from "../../src/paths/zk/evidence/groth16.ts";
import { callerContext, encodeCallerProof, parseCallerProof } from "../../src/paths/zk/wire/caller-proof.ts";
import { firstBrokenRow } from "../../src/paths/zk/wire/constraint-system.ts";
import {
  decodeProofDocument,
  decodeSignalsDocument,
  type Proof,
  parseVerificationKey,
  proofDocument,
} from "../../src/paths/zk/wire/documents.ts";
import { FIELD_ORDER } from "../../src/paths/zk/wire/field.ts";
import { encodeR1cs, parseR1cs } from "../../src/paths/zk/wire/r1cs.ts";
import {
  encodeStatement,
  parseStatement,
  signCredential,
  statementSignals,
  verifyCredential,
} from "../../src/paths/zk/wire/statement.ts";
import { encodeWitness, parseWitness } from "../../src/paths/zk/wire/wtns.ts";
import { callerDocument } from "../fixtures/caller-proof.ts";
import { bank, credentialOf, proveStatement } from "../fixtures/statement.ts";
import { smallCircuit, smallWitness } from "../fixtures/zk-circuit.ts";
import { CIRCUIT } from "../fixtures/zk-leg.ts";
import type { FuzzTarget, Judged, Subject } from "./fuzz-target.ts";
import { parsing } from "./verify-parsers.ts";

const CASE_TIMEOUT_MS = 10_000;
/** Changed models are compiled up to so many elements in all values. */
const MAX_ELEMENTS = 2000;
const SALT = new Uint8Array(16).fill(9);

const file = (path: string) => new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));
const vector = JSON.parse(new TextDecoder().decode(file("test/vectors/zk/groth16.json")));

/** What verifies is a proof that was given, coordinate by coordinate. */
function proofSubject(): Subject {
  const verifier = openVerifier(parseVerificationKey(utf8(JSON.stringify(vector.key))));
  const signals = decodeSignalsDocument(vector.publicSignals);
  const form = (proof: Proof) => JSON.stringify(proofDocument(proof));
  const examples = [vector.proofs.rust, vector.proofs.snarkjs];
  const known = new Set(examples.map((example) => form(decodeProofDocument(example))));
  const decode = (bytes: Uint8Array) => decodeProofDocument(parseJson(bytes));
  const read = parsing(
    "proof",
    examples.map((example) => utf8(JSON.stringify(example))),
    decode,
  );
  return {
    ...read,
    judge: async (bytes): Promise<Judged> => {
      const judged = await read.judge(bytes);
      if (judged.outcome !== "read") return judged;
      const proof = decode(bytes);
      const [holds, same] = [verifier.verify(proof, signals), known.has(form(proof))];
      const fault = holds === same ? null : holds ? "accepted: a changed proof" : "refused: a proof in a free spelling";
      return { outcome: holds ? "accepted" : "rejected", fault };
    },
  };
}

/** A changed key is refused, or gives a verifier; only the original's accepts the proof. */
function keySubject(): Subject {
  const signals = decodeSignalsDocument(vector.publicSignals);
  const proof = decodeProofDocument(vector.proofs.rust);
  const text = (bytes: Uint8Array) =>
    JSON.stringify(parseVerificationKey(bytes), (_, item) => (typeof item === "bigint" ? `${item}` : item));
  const example = utf8(JSON.stringify(vector.key));
  const original = text(example);
  const read = parsing("verification key", [example], (bytes) => openVerifier(parseVerificationKey(bytes)));
  return {
    ...read,
    judge: async (bytes): Promise<Judged> => {
      const judged = await read.judge(bytes);
      if (judged.outcome !== "read") return judged;
      const holds = openVerifier(parseVerificationKey(bytes)).verify(proof, signals);
      const fault = holds && text(bytes) !== original ? "accepted: a proof under a changed key" : null;
      return { outcome: holds ? "accepted" : "rejected", fault };
    },
  };
}

/** A document that is read has one spelling, and a context below the field order. */
function callerProofSubject(): Subject {
  const statement = { modelDigest: CIRCUIT, decisionDigest: CIRCUIT, factsDigest: CIRCUIT, nonce: "0".repeat(32) };
  return parsing("caller's proof", [encodeCallerProof(callerDocument(statement))], (bytes) => {
    const document = parseCallerProof(bytes);
    if (callerContext(document) >= FIELD_ORDER) throw new Error("a context beyond the field");
    if (digestOfJson(parseJson(bytes)) !== digestOf(encodeCallerProof(document))) throw new Error("a second spelling was read");
  });
}

/** A statement that is read has one spelling, and signals below the field order. */
function statementSubject(): Subject {
  const signed = signCredential(credentialOf(), bank);
  const named = { modelDigest: CIRCUIT, decisionDigest: CIRCUIT, factsDigest: CIRCUIT, nonce: "0".repeat(32) };
  const example = encodeStatement(proveStatement({ ...named, threshold: 10, expiry: unixSeconds(1_790_000_100), signed }));
  return parsing("statement", [example], (bytes) => {
    const statement = parseStatement(bytes);
    if (statementSignals(statement).some((signal) => signal >= FIELD_ORDER)) throw new Error("a signal beyond the field");
    if (digestOfJson(parseJson(bytes)) !== digestOf(encodeStatement(statement))) throw new Error("a second spelling was read");
    verifyCredential(statement.signed);
  });
}

/** A model that is read: its circuit holds for the least input. */
function modelSubject(): Subject {
  const names = ["breast-cancer-logistic", "breast-cancer-mlp"];
  return parsing(
    "integer model",
    names.map((name) => file(`models/${name}/integer.json`)),
    (bytes) => {
      const checked = parseIntegerModel(bytes);
      if (checked.values.reduce((total, { lo }) => total + lo.length, 0) > MAX_ELEMENTS) return;
      const circuit = compileCircuit(checked);
      const input = new Int32Array(checked.values[0]?.lo.length ?? 0);
      const { file: witness } = generateWitness(circuit, checked, { input, salt: SALT, context: 1n });
      if (firstBrokenRow(circuit.system, parseWitness(witness)) >= 0) throw new Error("the witness breaks its circuit");
      proveHidden(checked, input);
    },
  );
}

/** Weights whose circuit is compiled for a case. */
const MAX_WEIGHTS = 100;

/** With private weights too the witness of a model that has an architecture holds. */
function proveHidden(checked: CheckedModel, input: Int32Array): void {
  const { weights } = architectureOf(checked);
  if (weights > MAX_WEIGHTS) return;
  const circuit = bindWeights(compileArchitecture(architectureOf(checked)), checked, SALT);
  const { file: witness } = generateWitness(circuit, checked, { input, salt: SALT, context: 1n });
  if (firstBrokenRow(circuit.system, parseWitness(witness)) >= 0) throw new Error("the witness breaks its circuit");
}

/** An architecture that is read compiles to a whole domain. */
function architectureSubject(): Subject {
  const names = ["breast-cancer-logistic", "breast-cancer-mlp"];
  const examples = names.map((name) =>
    encodeArchitecture(architectureOf(parseIntegerModel(file(`models/${name}/integer.json`))).document),
  );
  return parsing("architecture", examples, (bytes) => {
    const architecture = parseArchitecture(bytes);
    if (architecture.weights > MAX_WEIGHTS) return;
    const { system } = compileArchitecture(architecture);
    if (!Number.isInteger(Math.log2(system.rows + system.publicSignals + 1))) throw new Error("rows do not fill the domain");
  });
}

function subjects(): readonly Subject[] {
  const answers = file("models/breast-cancer-mlp/known-answers.json");
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }".padEnd(117, " ").concat("\n");
  const npy = Uint8Array.from(Buffer.from(`\x93NUMPY\x01\x00v\x00${header}${"\0".repeat(8)}`, "latin1"));
  const mlp = parseIntegerModel(file("models/breast-cancer-mlp/integer.json"));
  return [
    parsing("r1cs", [encodeR1cs(smallCircuit())], parseR1cs),
    parsing("witness", [encodeWitness(smallWitness(3n, 77n))], (bytes) => {
      const wires = parseWitness(bytes);
      try {
        firstBrokenRow(smallCircuit(), wires);
      } catch (error) {
        if (!isTrisealError(error)) throw error;
      }
    }),
    proofSubject(),
    keySubject(),
    parsing("signals", [utf8(JSON.stringify(vector.publicSignals))], (bytes) => decodeSignalsDocument(parseJson(bytes))),
    callerProofSubject(),
    statementSubject(),
    modelSubject(),
    architectureSubject(),
    parsing(
      "onnx",
      ["breast-cancer-mlp", "breast-cancer-forest"].map((name) => file(`models/${name}/model.onnx`)),
      importOnnx,
    ),
    parsing("known answers", [answers], (bytes) => parseKnownAnswers(bytes, mlp)),
    parsing("data csv", [utf8("1,2,3\n4,5,6\n")], (bytes) => parseData("x.csv", bytes)),
    parsing("data json", [utf8('{"rows":[{"x":[1,2],"label":"a"}]}'), utf8("[[1,2],[3,4]]")], (bytes) =>
      parseData("x.json", bytes),
    ),
    parsing("data npy", [npy], (bytes) => parseData("x.npy", bytes)),
  ];
}

/** The target. */
export const zkTarget: FuzzTarget = {
  name: "zk",
  startsPrograms: false,
  open: async () => {
    const verifier = openVerifier(parseVerificationKey(utf8(JSON.stringify(vector.key))));
    const [proof, signals] = [decodeProofDocument(vector.proofs.rust), decodeSignalsDocument(vector.publicSignals)];
    return {
      subjects: subjects(),
      concurrency: 1,
      caseTimeoutMs: CASE_TIMEOUT_MS,
      inspect: async () => (verifier.verify(proof, signals) ? null : "a good proof is rejected after a batch"),
      numbers: () => ({ rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20) }),
      close: async () => undefined,
    };
  },
};
