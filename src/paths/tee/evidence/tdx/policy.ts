import { array, boolean, type Decoded, integer, object, text } from "../../../../core/decode.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { expected, hex, hexAlternatives, oneTrailing, orElse } from "../appraisal/policy-members.ts";

const UP_TO_DATE: readonly string[] = ["UpToDate"];
const pin = expected(hexAlternatives);

/** Registers by the names that claims and policies use. */
const registers = {
  mrtd: pin,
  rtmr0: pin,
  rtmr1: pin,
  rtmr2: pin,
  rtmr3: pin,
  mrSeam: pin,
  mrSignerSeam: pin,
  seamAttributes: pin,
  mrConfigId: pin,
  mrOwner: pin,
  mrOwnerConfig: pin,
  mrServiceTd: pin,
};

const decodePolicy = object({
  /** False: structure, chain and signatures of the quote only; collateral is not looked at. */
  requireCollateral: orElse(boolean, true),
  acceptedTcbStatus: orElse(array(text(64), 16), UP_TO_DATE),
  allowDebug: orElse(boolean, false),
  minimumTcbEvaluationDataNumber: expected(integer(0)),
  fmspc: expected(hexAlternatives),
  qeVendorId: expected(hexAlternatives),
  tdAttributes: expected(hexAlternatives),
  xfam: expected(hexAlternatives),
  requireSeptVeDisable: orElse(boolean, false),
  minimumTeeTcbSvn: expected(hex),
  reportData: expected(hex),
  trailing: oneTrailing,
  measurements: expected(object(registers)),
});

/** What a relying party expects of a TDX quote. Null means "not compared". */
export type TdxPolicy = Decoded<typeof decodePolicy>;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseTdxPolicy(policy: JsonObject): TdxPolicy {
  return decodePolicy(policy, "policy");
}
