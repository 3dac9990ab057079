/** The files of encrypted inference, as far as whoever cannot decrypt them can check them (SPEC 9.1). */
import { encodeHex, equalBytes, utf8 } from "../../../core/bytes.ts";
import { fheError } from "./codes.ts";

const INPUT_MAGIC = utf8("triseal-lwe-in-1");
const TAG_BYTES = 16;
/** A ring ciphertext of degree 2048 without its mask, which follows from the seed. */
const CONTENT_BYTES = 16 + 8 * 2048;

/** Length of an input, whatever the model. */
export const LWE_INPUT_BYTES: number = INPUT_MAGIC.length + TAG_BYTES + CONTENT_BYTES;

/**
 * Refuses what is no input under the key set of that tag. What it encrypts nobody but the key's holder can tell.
 * @param tag 32 hexadecimal digits.
 * @throws TrisealError `FHE_INPUT_MALFORMED`, `FHE_INPUT_FOREIGN_KEY`.
 */
export function assertLweInput(bytes: Uint8Array, tag: string): void {
  if (bytes.length !== LWE_INPUT_BYTES || !equalBytes(bytes.subarray(0, INPUT_MAGIC.length), INPUT_MAGIC))
    throw fheError("FHE_INPUT_MALFORMED", `the input of a model is a file of ${LWE_INPUT_BYTES} bytes that says so`);
  if (encodeHex(bytes.subarray(INPUT_MAGIC.length, INPUT_MAGIC.length + TAG_BYTES)) !== tag)
    throw fheError("FHE_INPUT_FOREIGN_KEY", "the input is of another key set than the run names");
}
