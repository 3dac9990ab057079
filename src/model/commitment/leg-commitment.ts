/** What a leg states about an integer run: commitments as text, under the salt that only the caller gets. receipt/SPEC.md section 3.1. */
import { encodeHex, utf8 } from "../../core/bytes.ts";
import type { CheckedModel } from "../integer/integer-model.ts";
import { commitInput, hashElements, inputPacking, packInput, packingOf, saltElement } from "./input-commitment.ts";

/** Keeps a commitment to outputs apart from one to an input under the same salt. */
const OUTPUT_DOMAIN = BigInt(`0x${encodeHex(utf8("triseal.outputs.v1"))}`);

/** A commitment as legs state it: a field element as 64 lower-case hexadecimal digits, most significant first. */
export function commitmentText(element: bigint): string {
  return element.toString(16).padStart(64, "0");
}

/**
 * The commitment to one encoded input of a model, as legs state it.
 * @throws TrisealError `FORMAT_INVALID` for a salt of another size than 16 to 31 bytes.
 */
export function inputCommitment(checked: CheckedModel, salt: Uint8Array, input: ArrayLike<number>): string {
  return commitmentText(commitInput(inputPacking(checked), salt, input));
}

/**
 * The commitment to outputs, as legs state it: `Poseidon(salt, "triseal.outputs.v1", packed)`, each int32 in two halves of
 * 16 bits, two's complement, the low half first.
 * @throws TrisealError `FORMAT_INVALID` for a salt of another size than 16 to 31 bytes.
 */
export function outputCommitment(salt: Uint8Array, outputs: readonly number[]): string {
  const halves = outputs.flatMap((value) => [value & 0xffff, (value >>> 16) & 0xffff]);
  const packed = packInput(packingOf(halves.length, 0xffff), halves);
  return commitmentText(hashElements([saltElement(salt), OUTPUT_DOMAIN, ...packed]));
}
