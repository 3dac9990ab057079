/** The caller's side of a run of an integer model: encoded here, encrypted by whoever holds the key, decrypted by the same. */
import { TrisealError } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import { encodeInput } from "../../../model/integer/encode-input.ts";
import { MODEL_INPUT, MODEL_OUTPUT } from "../wire/document.ts";
import { LWE_INPUT_BYTES } from "../wire/lwe-file.ts";
import { encodeRun, parseRunAnswer, type RunAnswer } from "../wire/run.ts";
import { type ModelTerms, parseModelTerms } from "./model-terms.ts";
import type { RunPurpose } from "./run.ts";

/** A run of a model that can be submitted. */
export interface StartedModelRun {
  readonly document: Uint8Array;
  readonly terms: ModelTerms;
  /** The answer to it. @throws TrisealError `FORMAT_INVALID`, also where it has another output than a model's. */
  readonly answer: (body: Uint8Array) => RunAnswer;
}

/**
 * A record as the integers that are encrypted: what the terms' package does to raw values, then the model's encoding.
 * @throws TrisealError `INPUT_OUT_OF_RANGE` for another number of values, or one that the encoding does not hold.
 */
export function encodeRecord({ input, standardize }: ModelTerms, record: readonly number[]): Int32Array {
  const { mean = [], std = [] } = standardize ?? {};
  return encodeInput(
    input,
    record.map((raw, at) => (raw - (mean[at] ?? 0)) / (std[at] ?? 1)),
  );
}

/**
 * The run document under a challenge.
 * @param encrypt makes the input, by the encoding and the frame of the terms; the record stays with it.
 * @throws TrisealError `VERIFICATION_FAILED` where the challenge shows another model than it is about; `FORMAT_INVALID`.
 */
export async function modelRunUnder(
  purpose: Omit<RunPurpose, "tenant" | "exp">,
  keyId: string,
  encrypt: (terms: ModelTerms) => Promise<Uint8Array>,
): Promise<StartedModelRun> {
  const { nonce, programDigest } = purpose;
  const terms = parseModelTerms(purpose.terms);
  if (terms.programDigest !== programDigest)
    throw new TrisealError("VERIFICATION_FAILED", "the challenge shows another model than it is about");
  if (elementCount(terms.input.shape) !== terms.frame.inputs.count)
    throw new TrisealError("FORMAT_INVALID", "the challenge's frame takes another number of values than its encoding");
  const ciphertext = await encrypt(terms);
  if (ciphertext.length !== LWE_INPUT_BYTES)
    throw new TrisealError("FORMAT_INVALID", "what was encrypted is no input of a model");
  const inputs = new Map([[MODEL_INPUT, { ciphertext }]]);
  const document = encodeRun({ nonce, programDigest, keyId, inputs, lists: [], writes: new Map() });
  return { document, terms, answer: modelAnswer };
}

function modelAnswer(body: Uint8Array): RunAnswer {
  const answer = parseRunAnswer(body);
  const [output] = answer.outputs;
  if (answer.outputs.length === 1 && output?.n === MODEL_OUTPUT) return answer;
  throw new TrisealError("FORMAT_INVALID", "the answer has another output than a model's");
}
