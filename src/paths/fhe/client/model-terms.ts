/**
 * What a challenge says of a model: all that the key's holder encodes, encrypts and decrypts by, and nothing of the weights. Where an
 * input is encoded by ranks, the thresholds of the trees stand in the encoding.
 */
import { array, type Decoded, digest, finite, integer, nullable, object, oneOf, text } from "../../../core/decode.ts";
import { encodeJcs } from "../../../core/jcs.ts";
import type { JsonObject } from "../../../core/json.ts";
import { decodeIntegerInput, decodeIntegerOutput } from "../../../model/integer/parse-model.ts";
import { decodePrice } from "../wire/run.ts";

const MAX_NAMES = 65_536;
const MAX_OUTPUTS = 1024;
const MAX_PARTS = 8;

const numbers = array(finite, MAX_NAMES);
const exponent = integer(0, 63);

const decodeFrame = object({
  parameters: text(128),
  inputs: object({ count: integer(1, 2048), exponent }),
  /** For each output, for each of its parts: the exponent and the weight. */
  outputs: array(array(array(integer(-(2 ** 40), 2 ** 40), 2), MAX_PARTS), MAX_OUTPUTS),
});

/** A circuit without what it computes: how inputs are encrypted and outputs decrypted. */
export type LweFrame = Decoded<typeof decodeFrame>;

const decodeTerms = object({
  kind: oneOf("lwe"),
  /** The integer model's. */
  programDigest: digest,
  circuitDigest: digest,
  price: decodePrice,
  input: decodeIntegerInput,
  output: decodeIntegerOutput,
  frame: decodeFrame,
  /** In the order of the outputs; none where the package names none. */
  labels: array(text(256), MAX_NAMES),
  /** What is done to raw values before they are encoded. */
  standardize: nullable(object({ mean: numbers, std: numbers })),
});

/** What a challenge says of a model. */
export type ModelTerms = Decoded<typeof decodeTerms>;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseModelTerms(terms: JsonObject): ModelTerms {
  return decodeTerms(terms, "challenge.terms");
}

/** The terms as JSON, without digest and price of the model, which stand in the terms of every run. */
export function modelTermsOf(terms: Omit<ModelTerms, "kind" | "programDigest" | "price">): JsonObject {
  const { input, output, ...rest } = terms;
  return { kind: "lwe", ...rest, input: { ...input, encoding: { ...input.encoding } }, output: { ...output } };
}

/**
 * The frame as a circuit that the native program encrypts and decrypts by: the wires of its outputs mean nothing there, as an output's
 * file holds the wires of all parts in order.
 */
export function frameCircuit({ parameters, inputs, outputs }: LweFrame): Uint8Array {
  const parts = outputs.map((output) => output.map(([up = 0, weight = 0]) => [0, up, weight]));
  return encodeJcs({ v: 1, kind: "lwe", parameters, inputs: { ...inputs }, tables: [], nodes: [], outputs: parts });
}
