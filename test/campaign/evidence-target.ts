/**
 * The fuzz target `evidence`: every parser of hardware evidence, and behind the parsers the appraisers: evidence or
 * endorsements that were changed are never accepted, unless the change is of a spelling that is free and the claims are those
 * of the original.
 */
import { encodeHex } from "../../src/core/bytes.ts";
import { codeOf } from "../../src/paths/tee/evidence/appraisal/findings.ts";
import { ask, type Question } from "../fixtures/evidence/question.ts";
import { snpQuestion } from "../fixtures/evidence/snp.ts";
import { tdxQuestion } from "../fixtures/evidence/tdx.ts";
import { azureSnpQuestion, azureTdxQuestion, tpmQuestion } from "../fixtures/evidence/tpm.ts";
import { deviceAppraisalSubjects } from "./device-evidence.ts";
import { evidenceParserSubjects } from "./evidence-parsers.ts";
import type { FuzzTarget, Judged, Subject } from "./fuzz-target.ts";

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

/** The target. */
export const evidenceTarget: FuzzTarget = {
  name: "evidence",
  startsPrograms: false,
  open: async () => {
    const questions = [
      snpQuestion(),
      snpQuestion({ version: 5, product: "Turin" }),
      tdxQuestion(),
      tpmQuestion(),
      azureSnpQuestion(),
      azureTdxQuestion(),
    ];
    const appraisals = await Promise.all(questions.map(appraisalSubjects));
    return {
      subjects: [...evidenceParserSubjects(), ...appraisals.flat(), ...deviceAppraisalSubjects()],
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
