/** Values of platform configuration registers beside a quote, and whether they are the ones that it covers. */
import { concatBytes, encodeHex, equalBytes, parseHex } from "../../../../core/bytes.ts";
import { array, matching } from "../../../../core/decode.ts";
import { type JsonValue, parseJson } from "../../../../core/json.ts";
import type { RoleValue } from "../appraisal/appraiser.ts";
import { ByteCursor } from "../appraisal/byte-cursor.ts";
import { malformed } from "../appraisal/evidence-error.ts";
import type { HashName } from "../x509/algorithm.ts";
import { hashBytes } from "../x509/signature.ts";
import { DIGEST_BYTES, hashOfAlgorithm, type PcrSelection, selectedIndices } from "./attest.ts";

/** Largest list of values that is read. */
export const MAX_PCRS_BYTES = 65_536;

/** Values in order. A file says which registers they are of; a list does not. */
export interface PcrValues {
  readonly selections: readonly PcrSelection[] | null;
  readonly values: readonly Uint8Array[];
}

/** One register with its value. */
export interface Pcr {
  readonly hash: HashName;
  readonly index: number;
  readonly value: Uint8Array;
}

const digests = array(matching(/(?:[0-9a-fA-F]{2}){1,64}/, "a digest in hexadecimal"), 256);

function parseList(value: JsonValue): PcrValues {
  return { selections: null, values: digests(value, "pcrs").map((digest) => parseHex(digest.toLowerCase())) };
}

const MAX_BANKS = 16;
const DIGESTS_PER_LIST = 8;
const DIGEST_SLOT_BYTES = 64;
const MAX_LISTS = 32;

/** The file that `tpm2_quote --pcr` writes: structures of the library as they lie in the memory of a little-endian machine. */
function parseFile(bytes: Uint8Array): PcrValues {
  const cursor = new ByteCursor(bytes, "little-endian");
  const count = cursor.uint32();
  if (count > MAX_BANKS) malformed(`${count} banks of registers`);
  const slots = Array.from({ length: MAX_BANKS }, () => new ByteCursor(cursor.take(8), "little-endian"));
  const selections = slots.slice(0, count).map((slot) => {
    const hash = hashOfAlgorithm(slot.uint16());
    const size = slot.uint8();
    return { hash, indices: selectedIndices(slot.take(size)) };
  });
  const lists = cursor.uint32();
  if (lists > MAX_LISTS) malformed(`${lists} lists of digests`);
  const values: Uint8Array[] = [];
  for (let list = 0; list < lists; list++) {
    const used = cursor.uint32();
    if (used > DIGESTS_PER_LIST) malformed(`${used} digests in a list of ${DIGESTS_PER_LIST}`);
    for (let index = 0; index < DIGESTS_PER_LIST; index++) {
      const size = cursor.uint16();
      const slot = cursor.take(DIGEST_SLOT_BYTES);
      if (size > DIGEST_SLOT_BYTES) malformed("a digest longer than its place");
      if (index < used) values.push(slot.subarray(0, size));
    }
  }
  cursor.end("list of registers");
  return { selections, values };
}

const OPEN_BRACKET = 0x5b;

/** The values of a role: a JSON list of hexadecimal digests, or the PCR file of tpm2_quote. @throws TrisealError `EVIDENCE_MALFORMED`, `EVIDENCE_UNSUPPORTED`, `FORMAT_INVALID`. */
export function parsePcrValues(value: RoleValue | Uint8Array): PcrValues {
  if (!(value instanceof Uint8Array)) return "json" in value ? parseList(value.json) : malformed("not one list of registers");
  return value[0] === OPEN_BRACKET ? parseList(parseJson(value)) : parseFile(value);
}

function sameSelections(left: readonly PcrSelection[], right: readonly PcrSelection[]): boolean {
  const form = (selections: readonly PcrSelection[]) =>
    selections.map(({ hash, indices }) => `${hash}:${indices.join()}`).join(" ");
  return form(left) === form(right);
}

/** The registers that `selections` name, with their values, in the order of the quote; null where the values are of others, or not of their bank's length. */
export function pcrsOf({ selections, values }: PcrValues, quoted: readonly PcrSelection[]): readonly Pcr[] | null {
  if (selections !== null && !sameSelections(selections, quoted)) return null;
  const wanted = quoted.flatMap(({ hash, indices }) => indices.map((index) => ({ hash, index })));
  const isExact = values.length === wanted.length;
  // A list may hold a whole bank of which the quote covers a part; then the place in the list is the index.
  if (!isExact && (selections !== null || quoted.length !== 1)) return null;
  const found = wanted.map(({ hash, index }, place) => ({ hash, index, value: values[isExact ? place : index] }));
  // The digest covers values without their lengths: cut elsewhere, one register's bytes would be another's.
  const known = found.filter((pcr): pcr is Pcr => pcr.value?.length === DIGEST_BYTES[pcr.hash]);
  return known.length === wanted.length ? known : null;
}

/** Whether `digest` is the hash over the values in order. @param hash that of the quote's signature (part 3, TPM2_Quote). */
export async function isDigestOf(pcrs: readonly Pcr[], hash: HashName, digest: Uint8Array): Promise<boolean> {
  return equalBytes(await hashBytes(hash, concatBytes(...pcrs.map(({ value }) => value))), digest);
}

/** Whether the register of that index has one of the values, in lower-case hexadecimal, in a bank of the value's length. */
export function hasPcr(pcrs: readonly Pcr[], index: number, allowed: readonly string[]): boolean {
  const values = pcrs.filter((pcr) => pcr.index === index).map(({ value }) => encodeHex(value));
  return values.some((value) => allowed.includes(value));
}
