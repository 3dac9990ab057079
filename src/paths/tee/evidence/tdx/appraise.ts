/** Appraises a TDX quote: Intel's chain and collateral, the quote's signatures, the platform's TCB, and the TD itself. */
import { concatBytes, encodeHex, equalBytes, parseHex } from "../../../../core/bytes.ts";
import { sha256Bytes } from "../../../../core/digest.ts";
import type { JsonObject } from "../../../../core/json.ts";
import { type EvidenceAppraisal, type EvidenceInputs, NO_BONDS } from "../appraisal/appraiser.ts";
import type { EvidenceCheckId } from "../appraisal/evidence-checks.ts";
import { Findings } from "../appraisal/findings.ts";
import { meets } from "../appraisal/policy-members.ts";
import { bytesOf, jsonOf, requiredPart } from "../appraisal/roles.ts";
import type { PublicKey } from "../x509/algorithm.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { judgeChain } from "../x509/chain.ts";
import { verifySignature } from "../x509/signature.ts";
import type { QeIdentity, TcbInfo } from "./collateral.ts";
import { isAbout, judgeTdxCollateral, type PckChain, readTdxEndorsements } from "./endorsements.ts";
import { type EventLog, hasTruePayloads, parseEventLog, replay, runtimeEvents } from "./event-log.ts";
import { type PckPlatform, parsePckPlatform } from "./pck.ts";
import type { TdxPolicy } from "./policy.ts";
import { MAX_QUOTE_BYTES, parseTdxQuote, type TdReport, type TdxQuote } from "./quote.ts";
import { type FoundLevel, isNamedQe, isvLevel, judgeModule, mergeLevels, platformLevel } from "./tcb-level.ts";

/** Largest event log that is read. */
const MAX_EVENT_LOG_BYTES = 4 * 1024 * 1024;

const ECDSA_SHA256 = { name: "ECDSA", hash: "SHA-256" } as const;

/** A key given as x and y side by side. */
function p256Key(coordinates: Uint8Array): PublicKey {
  const point = concatBytes(Uint8Array.of(4), coordinates);
  return { type: "EC", curve: "P-256", point, spki: new Uint8Array() };
}

/** A quote with its certificates, as far as they parse. */
export interface ReadQuote {
  readonly quote: TdxQuote;
  readonly chain: readonly Certificate[];
  readonly platform: PckPlatform | null;
}

/** Reads a quote and the certificates in it; null where it does not parse, and that is recorded. */
export function readTdxQuote(bytes: Uint8Array, policy: TdxPolicy, findings: Findings): ReadQuote | null {
  const quote = findings.read("`quote`", () => parseTdxQuote(bytes, policy.trailing));
  if (quote === null) return null;
  const parsed = quote.pckChain.map((der, index) => findings.read(`PCK chain[${index}]`, () => parseCertificate(der)));
  const chain = parsed.filter((certificate) => certificate !== null);
  const leaf = chain[0];
  const platform = leaf === undefined ? null : findings.read("PCK certificate", () => parsePckPlatform(leaf));
  return { quote, chain, platform };
}

async function judgePckChain({ chain, platform }: ReadQuote, inputs: EvidenceInputs, findings: Findings): Promise<PckChain> {
  const { certificates } = await judgeChain(chain, inputs.anchors, inputs.at, findings, "PCK chain");
  const leaf = chain[0] ?? null;
  const isPck = leaf?.isAuthority === false && leaf.subjectName?.includes("SGX PCK Certificate") === true && platform !== null;
  findings.expect("chain.trusted", isPck, "PCK chain: a PCK certificate");
  return { leaf, certificates };
}

async function judgeSignatures({ quote, chain }: ReadQuote, findings: Findings): Promise<void> {
  const { qeReport, qeReportSignature, qeAuthData, attestationKey, signed, signature } = quote;
  const leaf = chain[0];
  const byPck = leaf !== undefined && (await verifySignature(leaf.publicKey, ECDSA_SHA256, qeReport.raw, qeReportSignature));
  findings.expect("evidence.signed", byPck, "report of the quoting enclave");
  findings.expect("evidence.signed", await verifySignature(p256Key(attestationKey), ECDSA_SHA256, signed, signature), "quote");
  const bound = concatBytes(sha256Bytes(concatBytes(attestationKey, qeAuthData)), new Uint8Array(32));
  findings.expect(
    "evidence.bound",
    equalBytes(qeReport.reportData, bound),
    "attestation key in the report of the quoting enclave",
  );
}

/** Judges TCB info and QE identity against the quote. Returns the state of the whole, or null where there is none. */
function judgeTcb(
  { quote, platform }: ReadQuote,
  tcbInfo: TcbInfo | null,
  qeIdentity: QeIdentity | null,
  policy: TdxPolicy,
  findings: Findings,
): FoundLevel | null {
  if (qeIdentity !== null) {
    findings.expect("collateral.matches", qeIdentity.id === "TD_QE", "QE identity of the TD quoting enclave");
    findings.expect("qe.matches", isNamedQe(quote.qeReport, qeIdentity), "report of the quoting enclave");
  }
  if (tcbInfo === null || qeIdentity === null || platform === null) return null;
  // Levels and modules of another platform, or of SGX, say nothing of this one.
  if (!findings.expect("collateral.matches", isAbout(tcbInfo, platform), "TCB info of this FMSPC, PCE id and kind")) return null;
  const { matches, level: moduleLevel } = judgeModule(tcbInfo, quote.report);
  findings.expect("tcb.matches", matches, "TDX module");
  const platformPart = platformLevel(tcbInfo, platform, quote.report);
  const parts = moduleLevel === "none needed" ? [] : [moduleLevel];
  const merged = mergeLevels([platformPart, isvLevel(qeIdentity.tcbLevels, quote.qeReport.isvSvn), ...parts]);
  const accepted = merged !== null && policy.acceptedTcbStatus.includes(merged.status);
  findings.expect("tcb.current", accepted, merged === null ? "no level is reached" : `status ${merged.status}`);
  return merged;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function bits(...positions: readonly bigint[]): bigint {
  return positions.reduce((mask, bit) => mask | (1n << bit), 0n);
}

const DEBUG = bits(0n);
const SEPT_VE_DISABLE = bits(28n);
/** Attributes that a TD may have: DEBUG, and of the others those that are defined and harmless. */
const KNOWN_ATTRIBUTES = bits(0n, 27n, 28n, 30n, 31n, 63n);
/** State components that every TD has, and those that one may have. */
const XFAM_REQUIRED = 0x3n;
const XFAM_ALLOWED = 0x6dbe7n;

function reachesSvn(actual: Uint8Array, minimum: string): boolean {
  const floor = parseHex(minimum);
  return floor.length === actual.length && actual.every((byte, index) => byte >= (floor[index] ?? 0));
}

/** Registers of a TD by the names of policies and claims, in hexadecimal. */
export function registersOf(report: TdReport): Readonly<Record<string, string | null>> {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = report.rtmrs.map(encodeHex);
  return {
    mrtd: encodeHex(report.mrtd),
    rtmr0: rtmr0 ?? null,
    rtmr1: rtmr1 ?? null,
    rtmr2: rtmr2 ?? null,
    rtmr3: rtmr3 ?? null,
    mrSeam: encodeHex(report.mrSeam),
    mrSignerSeam: encodeHex(report.mrSignerSeam),
    seamAttributes: encodeHex(report.seamAttributes),
    mrConfigId: encodeHex(report.mrConfigId),
    mrOwner: encodeHex(report.mrOwner),
    mrOwnerConfig: encodeHex(report.mrOwnerConfig),
    mrServiceTd: report.mrServiceTd === null ? null : encodeHex(report.mrServiceTd),
  };
}

/** Compares a TD with what the relying party expects. Verifies nothing. */
function appraiseTd({ quote, platform }: ReadQuote, policy: TdxPolicy, findings: Findings): void {
  const { report, qeVendorId } = quote;
  const attributes = littleEndian(report.tdAttributes);
  const xfam = littleEndian(report.xfam);
  findings.expect("collateral.matches", meets(policy.fmspc, platform?.fmspc ?? null), "FMSPC of the policy");
  findings.expect("qe.matches", meets(policy.qeVendorId, encodeHex(qeVendorId)), "vendor of the quoting enclave");
  findings.expect("guest.not-debugged", policy.allowDebug || (attributes & DEBUG) === 0n, "TD attribute DEBUG");
  findings.expect("guest.attributes", (attributes & ~KNOWN_ATTRIBUTES) === 0n, "reserved TD attributes");
  const isKnownXfam = (xfam & XFAM_REQUIRED) === XFAM_REQUIRED && (xfam & ~XFAM_ALLOWED) === 0n;
  findings.expect("guest.attributes", isKnownXfam, "XFAM");
  findings.expect("guest.attributes", meets(policy.tdAttributes, encodeHex(report.tdAttributes)), "TD attributes of the policy");
  findings.expect("guest.attributes", meets(policy.xfam, encodeHex(report.xfam)), "XFAM of the policy");
  const noVe = !policy.requireSeptVeDisable || (attributes & SEPT_VE_DISABLE) !== 0n;
  findings.expect("guest.attributes", noVe, "SEPT_VE_DISABLE");
  const { minimumTeeTcbSvn, reportData, measurements } = policy;
  const reaches = minimumTeeTcbSvn === null || reachesSvn(report.teeTcbSvn, minimumTeeTcbSvn);
  findings.expect("tcb.current", reaches, "TEE TCB SVN");
  findings.expect("report-data.matches", reportData === null || reportData === encodeHex(report.reportData), "report data");
  for (const [name, value] of Object.entries(registersOf(report))) {
    const allowed = measurements?.[name as keyof typeof measurements] ?? null;
    findings.expect("measurement.matches", meets(allowed, value), name);
  }
}

async function judgeEventLog(log: EventLog, report: TdReport, findings: Findings): Promise<void> {
  const registers = await replay(log);
  const same = report.rtmrs.every((rtmr, index) => equalBytes(rtmr, registers[index] ?? new Uint8Array()));
  findings.expect("event-log.replays", same, "RTMR 0 to 3");
  findings.expect("event-log.replays", await hasTruePayloads(log), "digests of runtime events");
}

/** What a quote says, for people and policies. */
export function tdxClaims({ quote, platform }: ReadQuote, level: FoundLevel | null, log: EventLog | null): JsonObject {
  const { report } = quote;
  return {
    quoteVersion: quote.version,
    fmspc: platform?.fmspc ?? null,
    pceId: platform?.pceId ?? null,
    tcbStatus: level?.status ?? null,
    advisoryIds: level?.advisories ?? [],
    teeTcbSvn: encodeHex(report.teeTcbSvn),
    tdAttributes: encodeHex(report.tdAttributes),
    xfam: encodeHex(report.xfam),
    reportData: encodeHex(report.reportData),
    qeVendorId: encodeHex(quote.qeVendorId),
    ...registersOf(report),
    ...(log === null ? {} : { runtimeEvents: runtimeEvents(log) }),
  };
}

/** What a policy that asks for no collateral waives. */
const WAIVED = [
  "collateral.present",
  "collateral.signed",
  "collateral.current",
  "chain.unrevoked",
  "tcb.matches",
  "qe.matches",
  "tcb.current",
] as const satisfies readonly EvidenceCheckId[];

/** Judges a quote that was read: chain, signatures, collateral where the policy wants it, and the TD. Returns the state of its TCB. */
export async function judgeTdx(
  read: ReadQuote,
  inputs: EvidenceInputs,
  policy: TdxPolicy,
  findings: Findings,
): Promise<FoundLevel | null> {
  const pck = await judgePckChain(read, inputs, findings);
  await judgeSignatures(read, findings);
  appraiseTd(read, policy, findings);
  if (!policy.requireCollateral) {
    for (const id of WAIVED) findings.skip(id, "the policy asks for no collateral");
    return null;
  }
  const endorsements = readTdxEndorsements(inputs.endorsements, findings);
  const { tcbInfo, qeIdentity } = await judgeTdxCollateral(endorsements, pck, inputs, policy, findings);
  return judgeTcb(read, tcbInfo, qeIdentity, policy, findings);
}

/** Appraises a quote. */
export async function appraise(inputs: EvidenceInputs, policy: TdxPolicy): Promise<EvidenceAppraisal> {
  const findings = new Findings();
  const bytes = requiredPart(findings, "quote", (name) => bytesOf(inputs.evidence, name, MAX_QUOTE_BYTES));
  const read = bytes === null ? null : readTdxQuote(bytes, policy, findings);
  const log = findings.read("`eventLog`", () => {
    const value = jsonOf(inputs.evidence, "eventLog", MAX_EVENT_LOG_BYTES);
    return value === null ? null : parseEventLog(value);
  });
  if (read === null) return { checks: findings.all(), claims: null, bonds: NO_BONDS };
  const level = await judgeTdx(read, inputs, policy, findings);
  if (log !== null) await judgeEventLog(log, read.quote.report, findings);
  const bonds = { ...NO_BONDS, reportData: read.quote.report.reportData };
  return { checks: findings.all(), claims: tdxClaims(read, level, log), bonds };
}
