/** Known answers of an integer model: what a worker runs before it serves. SPEC section 7. */
import { array, type Decoded, digest, finite, integer, object, oneOf } from "../../core/decode.ts";
import { isTrisealError, TrisealError } from "../../core/errors.ts";
import { encodeJcs } from "../../core/jcs.ts";
import { parseJson } from "../../core/json.ts";
import { encodeInput } from "./encode-input.ts";
import { type CheckedModel, MAX_MAGNITUDE } from "./integer-model.ts";
import { runInteger } from "./run.ts";
import { MAX_VALUE_ELEMENTS } from "./shape.ts";

/** Largest file, in bytes. */
export const MAX_KNOWN_ANSWERS_BYTES = 16 * 1024 * 1024;

/** Most answers in a file. */
const MAX_ANSWERS = 64;

const decodeAnswers = object({
  v: oneOf(1),
  /** Of the integer model. */
  digest,
  answers: array(
    object({
      x: array(finite, MAX_VALUE_ELEMENTS),
      y: array(integer(-MAX_MAGNITUDE, MAX_MAGNITUDE), MAX_VALUE_ELEMENTS),
    }),
    MAX_ANSWERS,
  ),
});

/** Known answers. */
export type KnownAnswers = Decoded<typeof decodeAnswers>;

/** One answer in integers: the encoded input, and what must come out. */
export interface EncodedAnswer {
  readonly x: Int32Array;
  readonly y: Int32Array;
}

/** The known answers of a model for some samples, without those that its encoding refuses. */
export function makeKnownAnswers(checked: CheckedModel, samples: readonly (readonly number[])[]): KnownAnswers {
  const answers: { x: number[]; y: number[] }[] = [];
  for (const sample of samples.slice(0, MAX_ANSWERS)) {
    const x = sample.map((item) => Math.fround(item) + 0);
    try {
      answers.push({ x, y: [...runInteger(checked, encodeInput(checked.model.input, x))] });
    } catch (error) {
      if (!isTrisealError(error, "INPUT_OUT_OF_RANGE")) throw error;
    }
  }
  if (answers.length === 0) throw new TrisealError("MODEL_UNSUPPORTED", "no sample is in the range of the integer model");
  return { v: 1, digest: checked.digest, answers };
}

/** The bytes of the file. */
export function encodeKnownAnswers(answers: KnownAnswers): Uint8Array {
  return encodeJcs({ ...answers, answers: answers.answers.map(({ x, y }) => ({ x, y })) });
}

function invalid(reason: string): never {
  throw new TrisealError("MODEL_INVALID", `known answers: ${reason}`);
}

/**
 * Reads known answers and runs each in the reference executor.
 * @throws TrisealError `MODEL_INVALID`: malformed, of another model, none, or one that the reference does not give.
 */
export function parseKnownAnswers(bytes: Uint8Array, checked: CheckedModel): readonly EncodedAnswer[] {
  if (bytes.length > MAX_KNOWN_ANSWERS_BYTES) invalid(`more than ${MAX_KNOWN_ANSWERS_BYTES} bytes`);
  let known: KnownAnswers;
  try {
    known = decodeAnswers(parseJson(bytes), "known answers");
  } catch (cause) {
    return invalid(cause instanceof Error ? cause.message : "malformed");
  }
  if (known.digest !== checked.digest) invalid("they belong to another model");
  if (known.answers.length === 0) invalid("there is none");
  return known.answers.map(({ x, y }, at) => {
    const answer = encoded(checked, x, at);
    const want = runInteger(checked, answer);
    if (want.length !== y.length || want.some((item, column) => item !== y[column])) {
      invalid(`answer ${at} is not what the model gives`);
    }
    return { x: answer, y: want };
  });
}

function encoded(checked: CheckedModel, x: readonly number[], at: number): Int32Array {
  try {
    return encodeInput(checked.model.input, x);
  } catch {
    return invalid(`answer ${at} has an input that the model refuses`);
  }
}
