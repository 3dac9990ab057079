/**
 * The fuzz target `evidence-parsers`: every reader of hardware evidence by itself, with no signature, chain or comparison
 * behind it, so that each can be given a million inputs. The target `evidence` holds the same subjects and the appraisals.
 */
import { encodeBase64, encodeHex, parseUtf8, utf8 } from "../../src/core/bytes.ts";
import { parseJson } from "../../src/core/json.ts";
import { compactText, memberText } from "../../src/paths/tee/evidence/appraisal/json-text.ts";
import { parseHclReport } from "../../src/paths/tee/evidence/azure/hcl-report.ts";
import { parseSnpReport } from "../../src/paths/tee/evidence/sev-snp/report.ts";
import { parseVek } from "../../src/paths/tee/evidence/sev-snp/vek.ts";
import { parseQeIdentity, parseSignedObject, parseTcbInfo } from "../../src/paths/tee/evidence/tdx/collateral.ts";
import { parseEventLog } from "../../src/paths/tee/evidence/tdx/event-log.ts";
import { parsePckPlatform } from "../../src/paths/tee/evidence/tdx/pck.ts";
import { parseTdxQuote } from "../../src/paths/tee/evidence/tdx/quote.ts";
import { parseTpmQuote, parseTpmSignature } from "../../src/paths/tee/evidence/tpm2/attest.ts";
import { parseBootLog } from "../../src/paths/tee/evidence/tpm2/boot-log.ts";
import { parseSpki } from "../../src/paths/tee/evidence/tpm2/judge-quote.ts";
import { parsePcrValues } from "../../src/paths/tee/evidence/tpm2/pcr-values.ts";
import { parsePublicKey } from "../../src/paths/tee/evidence/x509/algorithm.ts";
import { parseCertificate } from "../../src/paths/tee/evidence/x509/certificate.ts";
import { parseCrl } from "../../src/paths/tee/evidence/x509/crl.ts";
import { parsePem } from "../../src/paths/tee/evidence/x509/pem.ts";
import { parseEcdsaDer } from "../../src/paths/tee/evidence/x509/signature.ts";
import { encodeBootLog } from "../fixtures/evidence/boot-log.ts";
import type { Question } from "../fixtures/evidence/question.ts";
import { snpQuestion } from "../fixtures/evidence/snp.ts";
import { issuePck, tdxQuestion } from "../fixtures/evidence/tdx.ts";
import { ecKey } from "../fixtures/evidence/test-authority.ts";
import {
  azureSnpQuestion,
  azureTdxQuestion,
  ecdsaSignature,
  encodeTpmQuote,
  PCRS,
  pcrFile,
  rsaSignature,
  rsaSpki,
} from "../fixtures/evidence/tpm.ts";
import { deviceParserSubjects } from "./device-parsers.ts";
import { documentParserSubjects } from "./document-parsers.ts";
import type { FuzzTarget, Subject } from "./fuzz-target.ts";
import { parsing } from "./verify-parsers.ts";

const CASE_TIMEOUT_MS = 2000;

const json = (value: unknown) => utf8(JSON.stringify(value));

const bytesOf = (question: Question, role: string) => (question.evidence[role] ?? question.endorsements[role]) as Uint8Array;

/** Certificates, lists of revoked ones and keys. */
function certificateSubjects(snp: Question, tdx: Question): readonly Subject[] {
  const vek = bytesOf(snp, "vek");
  const pck = issuePck().der;
  const pem = utf8(`-----BEGIN CERTIFICATE-----\n${encodeBase64(pck)}\n-----END CERTIFICATE-----\n`);
  return [
    parsing("certificate", [vek, pck], parseCertificate),
    parsing("vek extensions", [vek], (der) => parseVek(parseCertificate(der))),
    parsing("pck extension", [pck], (der) => parsePckPlatform(parseCertificate(der))),
    parsing("crl", [bytesOf(snp, "crl"), bytesOf(tdx, "pckCrl")], parseCrl),
    parsing("pem", [pem], (text) => parsePem(parseUtf8(text))),
    parsing("public key", [rsaSpki, ecKey("P-384").spki], parseSpki),
    parsing("ecdsa signature", [ecKey("P-256").sign(utf8("a"))], (der) => parseEcdsaDer(der, "P-256")),
  ];
}

/** Reports and quotes of processors, and their collateral. */
function processorSubjects(snp: Question, tdx: Question): readonly Subject[] {
  const turin = snpQuestion({ version: 5, product: "Turin" });
  const [azureSnp, azureTdx] = [azureSnpQuestion(), azureTdxQuestion()];
  const event = { imr: 3, digest: "00".repeat(48), event_type: 0x08000001, event: "a", event_payload: "00" };
  const collateral = (member: "tcbInfo" | "enclaveIdentity") => (body: Uint8Array) => {
    const signed = parseSignedObject(body, member, null);
    return member === "tcbInfo" ? parseTcbInfo(signed) : parseQeIdentity(signed);
  };
  return [
    parsing("snp report", [bytesOf(snp, "report"), bytesOf(turin, "report")], parseSnpReport),
    parsing("tdx quote", [bytesOf(tdx, "quote")], (quote) => parseTdxQuote(quote, "zeros")),
    parsing("tcb info", [bytesOf(tdx, "tcbInfo")], collateral("tcbInfo")),
    parsing("qe identity", [bytesOf(tdx, "qeIdentity")], collateral("enclaveIdentity")),
    parsing("event log", [json([event])], (log) => parseEventLog(parseJson(log))),
    parsing("hcl report", [bytesOf(azureSnp, "hclReport")], (report) => parseHclReport(report, "snp")),
    parsing("hcl report of tdx", [bytesOf(azureTdx, "hclReport")], (report) => parseHclReport(report, "tdx")),
    memberSubject(),
  ];
}

function tpmSubjects(): readonly Subject[] {
  const rsa = parsePublicKey(rsaSpki);
  const ecc = ecKey("P-256");
  const quote = encodeTpmQuote();
  return [
    parsing("tpm quote", [quote], parseTpmQuote),
    parsing("boot log", [encodeBootLog([{ register: 0, type: 4, data: utf8("data") }])], parseBootLog),
    parsing("tpm signature", [rsaSignature(quote)], (signature) => parseTpmSignature(signature, rsa)),
    parsing("tpm signature by a curve", [ecdsaSignature(quote, ecc)], (bytes) =>
      parseTpmSignature(bytes, parsePublicKey(ecc.spki)),
    ),
    parsing("pcr values", [pcrFile([0, 1], PCRS.slice(0, 2)), json(PCRS.map(encodeHex))], parsePcrValues),
  ];
}

/** The exact text of a member reads as the member that a parser of the whole sees, however the document is laid out. */
function memberSubject(): Subject {
  const example = utf8('{"a": {"b": [1, 2.5, "x\\"}"], "c": null}, "signature":"00", "é": [true]}');
  return parsing("member text", [example], (bytes) => {
    const text = parseUtf8(bytes);
    const whole = parseJson(text);
    if (typeof whole !== "object" || whole === null) return;
    for (const [key, value] of Object.entries(whole)) {
      const exact = memberText(text, key);
      if (exact === null || JSON.stringify(parseJson(exact)) !== JSON.stringify(value))
        throw new Error("another member was found");
      if (JSON.stringify(parseJson(compactText(exact))) !== JSON.stringify(value))
        throw new Error("compact text says something else");
    }
  });
}

/** A subject for every reader of hardware evidence, of its collateral, and of what is expected of it. */
export function evidenceParserSubjects(): readonly Subject[] {
  const [snp, tdx] = [snpQuestion(), tdxQuestion()];
  return [
    ...certificateSubjects(snp, tdx),
    ...processorSubjects(snp, tdx),
    ...tpmSubjects(),
    ...deviceParserSubjects(),
    ...documentParserSubjects(),
  ];
}

/** The target. */
export const evidenceParsersTarget: FuzzTarget = {
  name: "evidence-parsers",
  startsPrograms: false,
  open: async () => ({
    subjects: evidenceParserSubjects(),
    concurrency: 1,
    caseTimeoutMs: CASE_TIMEOUT_MS,
    inspect: async () => null,
    numbers: () => ({ rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20) }),
    close: async () => undefined,
  }),
};
