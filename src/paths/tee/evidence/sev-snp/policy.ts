import { boolean, type Decoded, integer, object } from "../../../../core/decode.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { expected, hex, hexAlternatives, oneTrailing, orElse } from "../appraisal/policy-members.ts";

/** Not bounded to what a report can hold: a floor above that is one that no report reaches. */
const svn = expected(integer());

const decodePolicy = object({
  allowDebug: orElse(boolean, false),
  allowMigration: orElse(boolean, false),
  /** Whether a CRL must be there; one that is there is judged anyway. */
  requireRevocation: orElse(boolean, false),
  vmpl: expected(integer()),
  reportData: expected(hex),
  minimumTcb: expected(object({ fmc: svn, bootloader: svn, tee: svn, snp: svn, microcode: svn })),
  measurements: expected(
    object({
      measurement: expected(hexAlternatives),
      hostData: expected(hexAlternatives),
      idKeyDigest: expected(hexAlternatives),
      authorKeyDigest: expected(hexAlternatives),
    }),
  ),
  trailing: oneTrailing,
});

/** What a relying party expects of a SEV-SNP report. Null means "not compared". */
export type SnpPolicy = Decoded<typeof decodePolicy>;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseSnpPolicy(policy: JsonObject): SnpPolicy {
  return decodePolicy(policy, "policy");
}
