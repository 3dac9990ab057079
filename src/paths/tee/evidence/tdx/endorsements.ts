/** Reads and judges what Intel says about a platform: chains, CRLs, TCB info and QE identity. */
import { equalBytes } from "../../../../core/bytes.ts";
import type { EvidenceInputs, Roles } from "../appraisal/appraiser.ts";
import type { Findings } from "../appraisal/findings.ts";
import { bytesOf, certificatesOf, isGiven } from "../appraisal/roles.ts";
import type { Certificate } from "../x509/certificate.ts";
import { judgeChain } from "../x509/chain.ts";
import { type Crl, judgeCrl, judgeRevocation, MAX_CRL_BYTES, parseCrl } from "../x509/crl.ts";
import { verifySignature } from "../x509/signature.ts";
import {
  MAX_COLLATERAL_BYTES,
  parseQeIdentity,
  parseSignedObject,
  parseTcbInfo,
  type QeIdentity,
  type SignedObject,
  type TcbInfo,
} from "./collateral.ts";
import type { TdxPolicy } from "./policy.ts";

const MAX_SIGNATURE_BYTES = 1024;

/** Collateral of a quote, as far as it is there and parses. */
export interface TdxEndorsements {
  readonly tcbInfo: SignedObject | null;
  readonly qeIdentity: SignedObject | null;
  readonly tcbSigningChain: readonly Certificate[];
  readonly qeSigningChain: readonly Certificate[];
  readonly pckCrl: Crl | null;
  /** Null where the CRL is signed by the chain of the quote. */
  readonly pckCrlChain: readonly Certificate[] | null;
  readonly rootCrl: Crl | null;
}

function signedObject(roles: Roles, name: "tcbInfo" | "qeIdentity", member: "tcbInfo" | "enclaveIdentity", findings: Findings) {
  const apart = findings.read(`\`${name}Signature\``, () => bytesOf(roles, `${name}Signature`, MAX_SIGNATURE_BYTES));
  const parsed = findings.read(`\`${name}\``, () => {
    const bytes = bytesOf(roles, name, MAX_COLLATERAL_BYTES);
    return bytes === null ? null : parseSignedObject(bytes, member, apart);
  });
  const isSigned = parsed === null || parsed.signature !== null;
  findings.expect("collateral.present", isGiven(roles, name) && isSigned, `\`${name}\` with its signature`);
  return parsed;
}

function crlOf(roles: Roles, name: string, findings: Findings): Crl | null {
  findings.expect("collateral.present", isGiven(roles, name), `\`${name}\``);
  return findings.read(`\`${name}\``, () => {
    const der = bytesOf(roles, name, MAX_CRL_BYTES);
    return der === null ? null : parseCrl(der);
  });
}

/** Reads all collateral. What is absent or does not parse is recorded. */
export function readTdxEndorsements(roles: Roles, findings: Findings): TdxEndorsements {
  const tcbSigningChain = certificatesOf(roles, "tcbSigningChain", findings) ?? [];
  findings.expect("collateral.present", isGiven(roles, "tcbSigningChain"), "`tcbSigningChain`");
  const own = (name: string) => (isGiven(roles, name) ? (certificatesOf(roles, name, findings) ?? []) : null);
  return {
    tcbInfo: signedObject(roles, "tcbInfo", "tcbInfo", findings),
    qeIdentity: signedObject(roles, "qeIdentity", "enclaveIdentity", findings),
    tcbSigningChain,
    qeSigningChain: own("qeSigningChain") ?? tcbSigningChain,
    pckCrl: crlOf(roles, "pckCrl", findings),
    pckCrlChain: own("pckCrlChain"),
    rootCrl: crlOf(roles, "rootCrl", findings),
  };
}

/** Intel gives each kind of certificate a name; only the one that signs TCB documents may. */
const TCB_SIGNER_NAME = "SGX TCB Signing";

/** What of the judgement of the quote's own chain the collateral is compared with. */
export interface PckChain {
  readonly leaf: Certificate | null;
  readonly certificates: readonly Certificate[];
}

interface Context {
  readonly inputs: EvidenceInputs;
  readonly findings: Findings;
}

async function judgeSigner(chain: readonly Certificate[], name: string, { inputs, findings }: Context) {
  if (chain.length === 0) return [];
  const { certificates } = await judgeChain(chain, inputs.anchors, inputs.at, findings, name);
  const leaf = chain[0];
  const isSigner = leaf !== undefined && !leaf.isAuthority && leaf.subjectName?.includes(TCB_SIGNER_NAME) === true;
  findings.expect("chain.trusted", isSigner, `${name}: a signer of TCB documents`);
  return certificates;
}

async function hasSignature(document: SignedObject, signer: Certificate | undefined): Promise<boolean> {
  if (document.signature === null || signer === undefined) return false;
  return await verifySignature(signer.publicKey, { name: "ECDSA", hash: "SHA-256" }, document.signed, document.signature);
}

interface Period {
  readonly issueDate: number;
  readonly nextUpdate: number;
  readonly tcbEvaluationDataNumber: number;
}

/** Reads a document whose signature verified, and judges its period. What is not signed is not looked into. */
async function judgeDocument<T extends Period>(
  document: SignedObject | null,
  chain: readonly Certificate[],
  parse: (source: SignedObject) => T,
  policy: TdxPolicy,
  name: string,
  { inputs, findings }: Context,
): Promise<T | null> {
  if (document === null || document.signature === null) return null;
  const signer = chain[0];
  if (signer === undefined) return null;
  if (!findings.expect("collateral.signed", await hasSignature(document, signer), name)) return null;
  const value = findings.read(name, () => parse(document));
  if (value === null) return null;
  findings.expect("collateral.current", value.issueDate <= inputs.at && inputs.at <= value.nextUpdate, name);
  const floor = policy.minimumTcbEvaluationDataNumber;
  const number = value.tcbEvaluationDataNumber;
  findings.expect("collateral.current", floor === null || number >= floor, `evaluation ${number} of the ${name}`);
  return value;
}

async function judgeLists(endorsements: TdxEndorsements, pck: PckChain, signers: readonly Certificate[], context: Context) {
  const { pckCrl, pckCrlChain, rootCrl } = endorsements;
  const { inputs, findings } = context;
  const root = pck.certificates.at(-1) ?? null;
  let listChain: readonly Certificate[] = [];
  if (pckCrlChain !== null) {
    listChain = (await judgeChain(pckCrlChain, inputs.anchors, inputs.at, findings, "chain of the PCK CRL")).certificates;
  }
  if (pckCrl !== null) {
    const issuer = (pckCrlChain === null ? pck.certificates[1] : pckCrlChain[0]) ?? null;
    await judgeCrl(pckCrl, issuer, inputs.at, findings, "PCK CRL");
    const covers = pck.leaf !== null && equalBytes(pckCrl.issuer, pck.leaf.issuer);
    findings.expect("collateral.matches", covers, "the PCK CRL is of the authority that issued the PCK certificate");
  }
  if (rootCrl !== null) {
    await judgeCrl(rootCrl, root, inputs.at, findings, "root CRL");
  }
  const lists = [pckCrl, rootCrl].filter((list) => list !== null);
  judgeRevocation([...pck.certificates, ...signers, ...listChain], lists, findings, "chains of quote and collateral");
}

/** TCB info and QE identity whose signatures verified and that are well-formed. */
export interface JudgedCollateral {
  readonly tcbInfo: TcbInfo | null;
  readonly qeIdentity: QeIdentity | null;
}

/** Judges signatures, chains, dates and revocation of all collateral. */
export async function judgeTdxCollateral(
  endorsements: TdxEndorsements,
  pck: PckChain,
  inputs: EvidenceInputs,
  policy: TdxPolicy,
  findings: Findings,
): Promise<JudgedCollateral> {
  const context = { inputs, findings };
  const { tcbSigningChain, qeSigningChain } = endorsements;
  const signers = [...(await judgeSigner(tcbSigningChain, "TCB signing chain", context))];
  if (qeSigningChain !== tcbSigningChain) signers.push(...(await judgeSigner(qeSigningChain, "QE signing chain", context)));
  const tcbInfo = await judgeDocument(endorsements.tcbInfo, tcbSigningChain, parseTcbInfo, policy, "TCB info", context);
  const qeIdentity = await judgeDocument(
    endorsements.qeIdentity,
    qeSigningChain,
    parseQeIdentity,
    policy,
    "QE identity",
    context,
  );
  await judgeLists(endorsements, pck, signers, context);
  return { tcbInfo, qeIdentity };
}

/** Whether TCB info is about a TD on this platform. */
export function isAbout(info: TcbInfo, platform: { readonly fmspc: string; readonly pceId: string }): boolean {
  return info.id === "TDX" && info.fmspc === platform.fmspc && info.pceId === platform.pceId;
}
