/** Appraises a quote of a TPM 2.0 whose key a named enroller endorses, or nobody. */
import { type EvidenceAppraisal, type EvidenceInputs, NO_BONDS } from "../appraisal/appraiser.ts";
import { Findings } from "../appraisal/findings.ts";
import { bytesOf, certificatesOf, requiredPart } from "../appraisal/roles.ts";
import { judgeChain } from "../x509/chain.ts";
import { type BootEvent, hasTrueData, leadsTo, MAX_BOOT_LOG_BYTES, parseBootLog } from "./boot-log.ts";
import { judgeEnrolment } from "./judge-enrolment.ts";
import { type JudgedTpmQuote, judgeTpmQuote, parseSpki, readTpmQuote, tpmClaims } from "./judge-quote.ts";
import type { TpmPolicy } from "./policy.ts";

const MAX_KEY_BYTES = 8192;
const ROLES = { quote: "quote", signature: "signature", pcrs: "pcrs" };

/** An endorsement key cannot sign quotes, so its certificate says nothing of the attestation key. It is judged where it is given. */
async function judgeEndorsementKey({ endorsements, anchors, at }: EvidenceInputs, findings: Findings): Promise<void> {
  const leaf = certificatesOf(endorsements, "ekCert", findings);
  const chain = certificatesOf(endorsements, "chain", findings);
  if (leaf === null || chain === null || leaf.length + chain.length === 0) return;
  await judgeChain([...leaf, ...chain], anchors, at, findings, "EK chain");
}

function readBootLog({ evidence }: EvidenceInputs, findings: Findings): readonly BootEvent[] | null {
  return findings.read("`eventLog`", () => {
    const bytes = bytesOf(evidence, "eventLog", MAX_BOOT_LOG_BYTES);
    return bytes === null ? null : parseBootLog(bytes);
  });
}

async function judgeBootLog(log: readonly BootEvent[], { pcrs }: JudgedTpmQuote, findings: Findings): Promise<void> {
  findings.expect("event-log.replays", await leadsTo(log, pcrs), "quoted registers");
  findings.expect("event-log.replays", await hasTrueData(log), "digests of events that are measured as they are shown");
}

/** What may be appraised as what: a simulator's quotes have hardware's form, and are a type of their own. */
export type TpmType = "tpm2" | "tpm2-simulated";

/** Appraises a quote as one of that type. */
export async function appraiseAs(type: TpmType, inputs: EvidenceInputs, policy: TpmPolicy): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const { evidence } = inputs;
  const spki = requiredPart(findings, "akPublic", (name) => bytesOf(evidence, name, MAX_KEY_BYTES));
  const key = spki === null ? null : findings.read("`akPublic`", () => parseSpki(spki));
  const read = readTpmQuote(evidence, ROLES, key, findings);
  const log = readBootLog(inputs, findings);
  await judgeEndorsementKey(inputs, findings);
  const judged = await judgeTpmQuote(read, key, policy, findings);
  const enrolled = judgeEnrolment({ type, key, policy, inputs }, findings);
  findings.expect("evidence.bound", enrolled || !policy.requireAkBinding, "an endorsement of the attestation key");
  if (judged !== null && log !== null) await judgeBootLog(log, judged, findings);
  if (judged === null) return { checks: findings.all(), claims: null, bonds: NO_BONDS };
  const bonds = { ...NO_BONDS, reportData: judged.quote.extraData };
  return { checks: findings.all(), claims: { hardwareBacked: enrolled && type === "tpm2", ...tpmClaims(judged) }, bonds };
}
