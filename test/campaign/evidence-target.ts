/**
 * The fuzz target `evidence`: every parser of hardware evidence, and behind the parsers the appraisers: evidence or
 * endorsements that were changed are never accepted, unless the change is of a spelling that is free and the claims are those
 * of the original.
 */
import { encodeBase64, encodeHex, parseUtf8, utf8 } from "../../src/core/bytes.ts";
import { parseJson } from "../../src/core/json.ts";
import { codeOf } from "../../src/paths/tee/evidence/appraisal/findings.ts";
import { compactText, memberText } from "../../src/paths/tee/evidence/appraisal/json-text.ts";
import { parseHclReport } from "../../src/paths/tee/evidence/azure/hcl-report.ts";
import { parseCompositePolicy } from "../../src/paths/tee/evidence/composite/appraise.ts";
import { parseSnpPolicy } from "../../src/paths/tee/evidence/sev-snp/policy.ts";
import { parseSnpReport } from "../../src/paths/tee/evidence/sev-snp/report.ts";
import { parseVek } from "../../src/paths/tee/evidence/sev-snp/vek.ts";
import { parseQeIdentity, parseSignedObject, parseTcbInfo } from "../../src/paths/tee/evidence/tdx/collateral.ts";
import { parseEventLog } from "../../src/paths/tee/evidence/tdx/event-log.ts";
import { parsePckPlatform } from "../../src/paths/tee/evidence/tdx/pck.ts";
import { parseTdxPolicy } from "../../src/paths/tee/evidence/tdx/policy.ts";
import { parseTdxQuote } from "../../src/paths/tee/evidence/tdx/quote.ts";
import { parseTpmQuote, parseTpmSignature } from "../../src/paths/tee/evidence/tpm2/attest.ts";
import { parseBootLog } from "../../src/paths/tee/evidence/tpm2/boot-log.ts";
import { parseSpki } from "../../src/paths/tee/evidence/tpm2/judge-quote.ts";
import { parsePcrValues } from "../../src/paths/tee/evidence/tpm2/pcr-values.ts";
import { parsePublicKey } from "../../src/paths/tee/evidence/x509/algorithm.ts";
import { parseCertificate } from "../../src/paths/tee/evidence/x509/certificate.ts";
import { parseCrl } from "../../src/paths/tee/evidence/x509/crl.ts";
import { parsePem } from "../../src/paths/tee/evidence/x509/pem.ts";
import { encodeBootLog } from "../fixtures/evidence/boot-log.ts";
import { ask, type Question } from "../fixtures/evidence/question.ts";
import { snpQuestion } from "../fixtures/evidence/snp.ts";
import { issuePck, tdxQuestion } from "../fixtures/evidence/tdx.ts";
import {
  azureSnpQuestion,
  azureTdxQuestion,
  encodeTpmQuote,
  PCRS,
  pcrFile,
  rsaSignature,
  rsaSpki,
  tpmQuestion,
} from "../fixtures/evidence/tpm.ts";
import { deviceEvidenceSubjects } from "./device-evidence.ts";
import type { FuzzTarget, Judged, Subject } from "./fuzz-target.ts";
import { parsing } from "./verify-parsers.ts";

const CASE_TIMEOUT_MS = 10_000;

/** Roles in which some bytes are not authenticated: white space of PEM and JSON, filling around a report, PEM or DER of a key. */
const FREE_SPELLING = new Set(["quote", "pcrs", "tcbInfo", "qeIdentity", "hclReport", "eventLog", "akPublic"]);

type Side = "evidence" | "endorsements";

/** `question` with another value of one role, or of one member of a list. */
function withRole(question: Question, side: Side, role: string, index: number | null, bytes: Uint8Array): Question {
  const old = question[side][role];
  const value = index === null ? bytes : (old as readonly Uint8Array[]).with(index, bytes);
  return { ...question, [side]: { ...question[side], [role]: value } };
}

/** The appraisal of a question as a whole, with one of its byte strings changed. */
async function appraisalSubject(question: Question, side: Side, role: string, index: number | null): Promise<Subject> {
  const value = question[side][role];
  const example = index === null ? (value as Uint8Array) : ((value as readonly Uint8Array[])[index] ?? new Uint8Array());
  const original = JSON.stringify((await ask(question)).claims);
  return {
    name: `${question.kind.kind} ${role}${index === null ? "" : ` ${index}`}`,
    examples: [example],
    judge: async (bytes): Promise<Judged> => {
      const { checks, claims } = await ask(withRole(question, side, role, index, bytes));
      const code = codeOf(checks);
      if (code !== null) return { outcome: code, fault: null };
      const same = encodeHex(bytes) === encodeHex(example);
      const isFree = FREE_SPELLING.has(role) && JSON.stringify(claims) === original;
      return { outcome: "accepted", fault: same || isFree ? null : "accepted: changed evidence" };
    },
  };
}

/** A subject for every byte string of a question. */
async function appraisalSubjects(question: Question): Promise<readonly Subject[]> {
  const subjects: Subject[] = [];
  for (const side of ["evidence", "endorsements"] as const) {
    for (const [role, value] of Object.entries(question[side])) {
      if (value instanceof Uint8Array) subjects.push(await appraisalSubject(question, side, role, null));
      else if (Array.isArray(value))
        for (const index of value.keys()) subjects.push(await appraisalSubject(question, side, role, index));
    }
  }
  return subjects;
}

const json = (value: unknown) => utf8(JSON.stringify(value));

function parserSubjects(snp: Question, tdx: Question): readonly Subject[] {
  const bytes = (question: Question, role: string) => (question.evidence[role] ?? question.endorsements[role]) as Uint8Array;
  const vek = bytes(snp, "vek");
  const pck = issuePck().der;
  const pem = utf8(`-----BEGIN CERTIFICATE-----\n${encodeBase64(pck)}\n-----END CERTIFICATE-----\n`);
  const [azureSnp, azureTdx] = [azureSnpQuestion(), azureTdxQuestion()];
  const key = parsePublicKey(rsaSpki);
  const event = { imr: 3, digest: "00".repeat(48), event_type: 0x08000001, event: "a", event_payload: "00" };
  const object = (member: "tcbInfo" | "enclaveIdentity") => (body: Uint8Array) => {
    const signed = parseSignedObject(body, member, null);
    return member === "tcbInfo" ? parseTcbInfo(signed) : parseQeIdentity(signed);
  };
  const policy = (parse: (value: never) => unknown) => (body: Uint8Array) => parse(parseJson(body) as never);
  return [
    parsing("certificate", [vek, pck], parseCertificate),
    parsing("vek extensions", [vek], (der) => parseVek(parseCertificate(der))),
    parsing("pck extension", [pck], (der) => parsePckPlatform(parseCertificate(der))),
    parsing("crl", [bytes(snp, "crl"), bytes(tdx, "pckCrl")], parseCrl),
    parsing("pem", [pem], (text) => parsePem(parseUtf8(text))),
    parsing("public key", [rsaSpki], parseSpki),
    parsing("snp report", [bytes(snp, "report")], parseSnpReport),
    parsing("tdx quote", [bytes(tdx, "quote")], (quote) => parseTdxQuote(quote, "zeros")),
    parsing("tcb info", [bytes(tdx, "tcbInfo")], object("tcbInfo")),
    parsing("qe identity", [bytes(tdx, "qeIdentity")], object("enclaveIdentity")),
    parsing("event log", [json([event])], (log) => parseEventLog(parseJson(log))),
    parsing("tpm quote", [encodeTpmQuote()], parseTpmQuote),
    parsing("boot log", [encodeBootLog([{ register: 0, type: 4, data: utf8("data") }])], parseBootLog),
    parsing("tpm signature", [rsaSignature(encodeTpmQuote())], (signature) => parseTpmSignature(signature, key)),
    parsing("pcr values", [pcrFile([0, 1], PCRS.slice(0, 2)), json(PCRS.map(encodeHex))], parsePcrValues),
    parsing("hcl report", [bytes(azureSnp, "hclReport")], (report) => parseHclReport(report, "snp")),
    parsing("hcl report of tdx", [bytes(azureTdx, "hclReport")], (report) => parseHclReport(report, "tdx")),
    parsing(
      "snp policy",
      [json({ vmpl: 0, minimumTcb: { snp: 1 }, measurements: { measurement: ["00"] } })],
      policy(parseSnpPolicy),
    ),
    parsing(
      "tdx policy",
      [json({ requireCollateral: true, measurements: { mrtd: "00" }, trailing: "any" })],
      policy(parseTdxPolicy),
    ),
    parsing(
      "composite policy",
      [json({ nonce: "00", digests: { a: "b" }, reportDataBinding: [{ offset: 0, sha256: ["a"] }] })],
      policy(parseCompositePolicy),
    ),
    memberSubject(),
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

/** The target. */
export const evidenceTarget: FuzzTarget = {
  name: "evidence",
  open: async () => {
    const [snp, tdx] = [snpQuestion(), tdxQuestion()];
    const questions = [
      snp,
      snpQuestion({ version: 5, product: "Turin" }),
      tdx,
      tpmQuestion(),
      azureSnpQuestion(),
      azureTdxQuestion(),
    ];
    const appraisals = await Promise.all(questions.map(appraisalSubjects));
    return {
      subjects: [...parserSubjects(snp, tdx), ...appraisals.flat(), ...deviceEvidenceSubjects()],
      concurrency: 1,
      caseTimeoutMs: CASE_TIMEOUT_MS,
      inspect: async () => {
        const codes = await Promise.all(questions.map(async (question) => codeOf((await ask(question)).checks)));
        return codes.every((code) => code === null) ? null : "good evidence is rejected after a batch";
      },
      numbers: () => ({ rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20) }),
      close: async () => undefined,
    };
  },
};
