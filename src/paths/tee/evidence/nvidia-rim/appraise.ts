/** Appraises a RIM by itself: who signed it, and what it says. */
import type { JsonObject } from "../../../../core/json.ts";
import { type EvidenceAppraisal, type EvidenceInputs, NO_BONDS } from "../appraisal/appraiser.ts";
import { Findings } from "../appraisal/findings.ts";
import { bytesOf, requiredPart } from "../appraisal/roles.ts";
import { judgeRim, readSignedRim } from "./judge-rim.ts";
import type { Rim } from "./rim.ts";
import { MAX_XML_BYTES } from "./xml-document.ts";

/** What a RIM says. */
export function rimClaims({ name, version, measurements }: Rim): JsonObject {
  return { name, version, activeMeasurements: measurements.filter(({ active }) => active).length };
}

/** Appraises a RIM by itself. */
export async function appraiseRim({ evidence, anchors, at }: EvidenceInputs): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const bytes = requiredPart(findings, "rim", (name) => bytesOf(evidence, name, MAX_XML_BYTES));
  const signed = bytes === null ? null : readSignedRim(bytes, findings, "RIM");
  const judged = signed === null ? null : await judgeRim(signed, anchors, at, findings, "RIM");
  const rim = judged?.rim ?? null;
  return { checks: findings.all(), claims: rim === null ? null : rimClaims(rim), bonds: NO_BONDS };
}
