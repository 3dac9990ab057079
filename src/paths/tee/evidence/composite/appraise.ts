/**
 * Appraises several pieces of evidence as one platform: a CPU whose report data binds byte strings, and devices beside it.
 * Without a binding, evidence that stands together may come from two machines.
 */
import { concatBytes, encodeBase64, encodeHex, equalBytes, utf8 } from "../../../../core/bytes.ts";
import type { Check } from "../../../../core/check.ts";
import { array, boolean, type Decoded, type Decoder, integer, map, object, text } from "../../../../core/decode.ts";
import { sha256Bytes } from "../../../../core/digest.ts";
import { TrisealError } from "../../../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../../../core/json.ts";
import type { EvidenceAppraisal, EvidenceInputs, Roles } from "../appraisal/appraiser.ts";
import { Findings } from "../appraisal/findings.ts";
import { expected, hex, orElse } from "../appraisal/policy-members.ts";
import { bytesOf } from "../appraisal/roles.ts";

/** Name of this kind in case files. It is no kind that a component can have. */
export const COMPOSITE = "composite";

/** Name of the component whose report data binds the others. */
export const CPU = "cpu";

const MAX_BOUND_BYTES = 4 * 1024 * 1024;
const REPORT_DATA_BYTES = 64;
const offset = integer(0, REPORT_DATA_BYTES - 1);
const name = text(64);

const hashedBinding = object({ offset, sha256: array(name, 16) });
const valueBinding = object({ offset, value: name });
type Binding = Decoded<typeof hashedBinding> | Decoded<typeof valueBinding>;

const binding: Decoder<Binding> = (value, place) => {
  if (!isJsonObject(value) || !Object.hasOwn(value, "sha256")) return valueBinding(value, place);
  const hashed = hashedBinding(value, place);
  if (hashed.sha256.length === 0) throw new TrisealError("FORMAT_INVALID", `${place}.sha256: expected names`);
  return hashed;
};

const decodePolicy = object({
  nonce: expected(hex),
  reportDataBinding: expected(array(binding, 16)),
  /** The first is the SHA-256 of the second. */
  digests: expected(map(name, name, 64)),
  requireGpuBinding: orElse(boolean, false),
  requireDistinctDevices: orElse(boolean, false),
});

/** What a relying party expects of a whole platform. */
export type CompositePolicy = Decoded<typeof decodePolicy>;

/** @throws TrisealError `FORMAT_INVALID`. */
export function parseCompositePolicy(policy: JsonObject): CompositePolicy {
  return decodePolicy(policy, "policy");
}

/** One component: how it is appraised, and from what. */
export interface Component {
  readonly appraise: (inputs: EvidenceInputs) => Promise<EvidenceAppraisal>;
  readonly inputs: EvidenceInputs;
}

type Bound = ReadonlyMap<string, Uint8Array>;

function readBound(roles: Roles, findings: Findings): Bound {
  const bound = new Map<string, Uint8Array>();
  for (const role of roles.keys()) {
    const bytes = findings.read(`\`${role}\``, () => bytesOf(roles, role, MAX_BOUND_BYTES));
    if (bytes !== null) bound.set(role, bytes);
  }
  return bound;
}

/** What stands in the report data by this rule; null where a byte string that it names was not given. */
function expectedBytes(rule: Binding, bound: Bound): Uint8Array | null {
  if ("value" in rule) return bound.get(rule.value) ?? null;
  const parts = rule.sha256.map((part) => bound.get(part));
  const known = parts.filter((part) => part !== undefined);
  return known.length === parts.length ? sha256Bytes(concatBytes(...known)) : null;
}

function standsAt(rule: Binding, bound: Bound, reportData: Uint8Array): boolean {
  const wanted = expectedBytes(rule, bound);
  if (wanted === null || wanted.length === 0) return false;
  return equalBytes(reportData.subarray(rule.offset, rule.offset + wanted.length), wanted);
}

function judgeReportData(policy: CompositePolicy, bound: Bound, reportData: Uint8Array | null, findings: Findings): void {
  for (const rule of policy.reportDataBinding ?? []) {
    const stands = reportData !== null && standsAt(rule, bound, reportData);
    findings.expect("report-data.matches", stands, `binding at offset ${rule.offset}`);
  }
  for (const [digest, source] of policy.digests ?? []) {
    const bytes = bound.get(source);
    const holds = bytes !== undefined && equalBytes(bound.get(digest) ?? new Uint8Array(), sha256Bytes(bytes));
    findings.expect("report-data.matches", holds, "digest of a bound byte string");
  }
}

const GPU_HASH = "gpuEvidenceHash";
const GPU_EVIDENCE = "gpuEvidence";

function covers(rule: Binding, part: string): boolean {
  return "value" in rule ? rule.value === part : rule.sha256.includes(part);
}

function includesBytes(whole: Uint8Array, part: Uint8Array): boolean {
  const [text, wanted] = [new TextDecoder("latin1").decode(whole), new TextDecoder("latin1").decode(part)];
  return wanted !== "" && text.includes(wanted);
}

/** GPU evidence is bound where the report data covers its hash, and the report of every component beside the CPU stands in what was hashed. */
function judgeGpuBinding(
  policy: CompositePolicy,
  bound: Bound,
  appraisals: ReadonlyMap<string, EvidenceAppraisal>,
  findings: Findings,
): void {
  if (!policy.requireGpuBinding) return;
  const isCovered = policy.reportDataBinding?.some((rule) => covers(rule, GPU_HASH)) === true;
  findings.expect("evidence.bound", isCovered, "the report data covers the hash of the GPU evidence");
  const evidence = bound.get(GPU_EVIDENCE) ?? new Uint8Array();
  // Where the policy itself names the two, its own check answers for a hash that differs.
  const isNamed = policy.digests?.get(GPU_HASH) === GPU_EVIDENCE;
  const isHashed = isNamed || equalBytes(bound.get(GPU_HASH) ?? new Uint8Array(), sha256Bytes(evidence));
  findings.expect("evidence.bound", isHashed, "the hash is that of the GPU evidence");
  for (const [component, { bonds }] of appraisals) {
    if (component === CPU) continue;
    const stands = bonds.report !== null && includesBytes(evidence, utf8(encodeBase64(bonds.report)));
    findings.expect("evidence.bound", stands, `${component}: its report stands in the bound GPU evidence`);
  }
}

function judgeDevices(appraisals: ReadonlyMap<string, EvidenceAppraisal>, policy: CompositePolicy, findings: Findings): void {
  if (!policy.requireDistinctDevices) return;
  const keys = [...appraisals.values()].flatMap(({ bonds }) => (bonds.deviceKey === null ? [] : [encodeHex(bonds.deviceKey)]));
  findings.expect("devices.distinct", new Set(keys).size === keys.length, `${keys.length} devices`);
}

function checksOf(appraisals: ReadonlyMap<string, EvidenceAppraisal>): readonly Check[] {
  return [...appraisals].flatMap(([component, { checks }]) =>
    checks.map((check) => ({ ...check, message: `${component}: ${check.message}` })),
  );
}

/**
 * Appraises every component on its own, and what binds them. There is a component `cpu`.
 * @param bound byte strings that the policy names; its own roles are not looked at otherwise.
 */
export async function appraiseComposite(
  components: ReadonlyMap<string, Component>,
  bound: Roles,
  policy: CompositePolicy,
): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const strings = readBound(bound, findings);
  const appraisals = new Map<string, EvidenceAppraisal>();
  for (const [component, { appraise, inputs }] of components) appraisals.set(component, await appraise(inputs));
  const nonce = strings.get("nonce");
  const isFresh = policy.nonce === null || (nonce !== undefined && policy.nonce === encodeHex(nonce));
  findings.expect("nonce.matches", isFresh, "bound nonce");
  const reportData = appraisals.get(CPU)?.bonds.reportData ?? null;
  judgeReportData(policy, strings, reportData, findings);
  judgeGpuBinding(policy, strings, appraisals, findings);
  judgeDevices(appraisals, policy, findings);
  const claims = Object.fromEntries([...appraisals].map(([component, appraisal]) => [component, appraisal.claims]));
  const bonds = { reportData, deviceKey: null, report: null };
  return { checks: [...checksOf(appraisals), ...findings.all()], claims, bonds };
}
