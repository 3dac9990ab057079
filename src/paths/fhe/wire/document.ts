/** What the parsers of the fhe path share: a document with a limit, and names that stand in several of them. */
import { type Decoder, matching } from "../../../core/decode.ts";
import { TrisealError } from "../../../core/errors.ts";
import { type JsonValue, parseJson } from "../../../core/json.ts";

/**
 * The JSON of `bytes`.
 * @param what the document, for the message.
 * @throws TrisealError `FORMAT_INVALID` for more than `maxBytes` bytes, and for what is no strict JSON.
 */
export function readDocument(bytes: Uint8Array, maxBytes: number, what: string): JsonValue {
  if (bytes.length > maxBytes) throw new TrisealError("FORMAT_INVALID", `${what} has at most ${maxBytes} bytes`);
  return parseJson(bytes);
}

/** Name of an input, an output or a result of a program (SPEC 2). */
export const valueName: Decoder<string> = matching(
  /[a-z][a-z0-9_]{0,31}/,
  "a name of lower-case letters, digits and underscores",
);

/** Name of a type (SPEC 1). */
export const typeName: Decoder<string> = matching(/bool|[ui](?:2|4|6|8|10|12|14|16|32|64)/, "the name of a type");

/** The output of a model's run: one file that holds all of its integers (SPEC 9.1). */
export const LWE_TYPE = "lwe";

/** Name of the one input of a model's run. */
export const MODEL_INPUT = "input";

/** Name of its one output. */
export const MODEL_OUTPUT = "output";

/** What a run's output can be: a value of a type, or the output of a model. */
export const outputType: Decoder<string> = (value, place) => (value === LWE_TYPE ? LWE_TYPE : typeName(value, place));

/** Name of an account or an asset (SPEC 5). */
export const accountName: Decoder<string> = matching(/[a-z0-9][a-z0-9._-]{0,63}/, "an account's name");

/** A clear value (SPEC 1). Whether it fits a type is for whoever knows the type. */
export const clearValue: Decoder<string> = matching(
  /true|false|0|-?[1-9][0-9]{0,19}/,
  "a decimal number as a string, `true` or `false`",
);

/** A decimal number of at most 64 bits, as a string in its only spelling. */
export const unsignedDecimal: Decoder<string> = (value, place) => {
  const text = matching(/0|[1-9][0-9]{0,19}/, "a decimal number as a string")(value, place);
  if (BigInt(text) < 2n ** 64n) return text;
  throw new TrisealError("FORMAT_INVALID", `${place}: expected a number below 2^64`);
};

/** Most inputs, and most outputs, of a program (SPEC 2). */
export const MAX_VALUES = 64;

/**
 * Refuses a list that names something twice.
 * @throws TrisealError `FORMAT_INVALID`.
 */
export function assertDistinct(names: readonly string[], place: string): void {
  if (new Set(names).size !== names.length) throw new TrisealError("FORMAT_INVALID", `${place}: something is named twice`);
}
