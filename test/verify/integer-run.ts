/** An integer run in a bundle: a worker that commits to an input and states outputs, and what opens that. */
import { parseHex } from "../../src/core/bytes.ts";
import { inputCommitment, outputCommitment } from "../../src/model/commitment/leg-commitment.ts";
import { encodeInput } from "../../src/model/integer/encode-input.ts";
import type { IntegerModel } from "../../src/model/integer/integer-model.ts";
import { checkIntegerModel } from "../../src/model/integer/parse-model.ts";
import type { Opening } from "../../src/verify/index.ts";
import type { Changes } from "../fixtures/bundle.ts";
import type { ServiceEntry } from "../fixtures/world.ts";

function modelOf(zero: number): IntegerModel {
  return {
    v: 1,
    input: { name: "x", shape: [2], encoding: { kind: "affine", multiplier: 4, zero, max: 15 } },
    ops: [{ op: "linear", x: 0, rows: 1, bits: 4, weights: Int8Array.of(1, -2), bias: [3] }],
    output: { name: "y", meaning: "scores", scale: 1, offset: 0 },
  };
}

/** The model that ran, and one that encodes alike and is another. */
export const integerModel = checkIntegerModel(modelOf(0));
export const anotherModel = checkIntegerModel(modelOf(1));

export const SALT = parseHex("5a".repeat(16));
export const opening: Opening = { salt: SALT, model: async () => integerModel };

/** The fixtures' request is [0.5, 0.25]: [2, 1] on the model's grid, and 3 comes out. */
const ENCODED = encodeInput(integerModel.model.input, [0.5, 0.25]);
export const OUTPUTS: readonly number[] = [3];
export const RESPONSE = `{"model_name":"risk","outputs":[{"name":"y","shape":[1,1],"datatype":"INT32","data":[3]}]}`;

export const commitment = inputCommitment(integerModel, SALT, ENCODED);
/** That of another input, which the model maps to the same output. */
export const otherCommitment = inputCommitment(integerModel, SALT, Int32Array.of(4, 2));
export const committedOutputs = outputCommitment(SALT, OUTPUTS);

const digest = integerModel.digest;

/** A run of the integer model on the fixtures' request; `leg` changes what the worker states of it. */
export function integerRun(leg: NonNullable<Changes["leg"]> = (same) => same): Changes {
  return {
    evidence: { statement: (plain) => ({ ...plain, modelDigests: [...plain.modelDigests, digest].sort() }) },
    response: RESPONSE,
    facts: (facts) => facts.map((fact) => (fact.name === "model.digest" ? { ...fact, value: digest } : fact)),
    leg: (statement) =>
      leg({
        ...statement,
        binding: { ...statement.binding, modelDigest: digest },
        inputCommitment: commitment,
        outputs: OUTPUTS,
      }),
  };
}

/** Trusts the integer model, too. */
export function trustInteger(entry: ServiceEntry): void {
  entry.paths.tee.models.push({ name: "risk", digest });
}
