/** A verdict for people: what was checked, what it supports, what it rests on, and what was not looked at. */
import { formatTime } from "../core/time.ts";
import type { Check, Verdict } from "../verify/index.ts";
import { shownLine } from "./shown-text.ts";

const MARK = { pass: "ok  ", fail: "FAIL", skipped: "skip" } as const;

/** The table that is printed wherever a person decides to trust an answer. */
const ASSURANCE_TABLE = [
  "path  confidentiality rests on                              correctness rests on",
  "tee   isolation by the worker's attested hardware; what     attestation of the measured code and model",
  "      the caller did not seal, the gateway saw",
  "fhe   TFHE encryption; the key stays with its holder        the engine's signature, re-executable bit for bit",
  "zk    nothing against the prover, unless it is attested     the proof, for the committed input, if one setup",
  "                                                            contributor was honest",
];

function headLines({ outcome, code, service, receiptId, judgedAt }: Verdict): readonly string[] {
  const lines = [
    `${outcome.toUpperCase()}${code === null ? "" : `  ${code}`}`,
    `receipt    ${receiptId ?? "unknown"}`,
    `service    ${service ?? "none that the trust file names"}`,
  ];
  if (judgedAt === null) return lines;
  const how = judgedAt.chosenByYou ? "chosen by you" : judgedAt.basis === "signature" ? "witnessed" : "the operator's word";
  return [...lines, `judged as of ${formatTime(judgedAt.seconds)} (${how})`];
}

function checkLine({ id, status, message, code, spec, basis }: Check): string {
  return `  ${MARK[status]} ${id.padEnd(28)} ${message}${code === null || status === "skipped" ? "" : ` [${code}]`} (${spec}, ${basis})`;
}

/** A block of lines under a title; nothing where it has no lines. */
function block(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ["", title, ...lines];
}

/** The lines of a verdict, each shown as it is. `verbose` adds the checks that passed. */
export function verdictLines(verdict: Verdict, verbose: boolean): readonly string[] {
  return writtenLines(verdict, verbose).map(shownLine);
}

function writtenLines(verdict: Verdict, verbose: boolean): readonly string[] {
  const { checks } = verdict;
  const count = (status: Check["status"]) => checks.filter((check) => check.status === status).length;
  const shown = checks.filter((check) => verbose || check.status !== "pass");
  return [
    ...headLines(verdict),
    "",
    `checks     ${count("pass")} passed, ${count("fail")} failed, ${count("skipped")} not asked for`,
    ...shown.map(checkLine),
    ...block(
      "what this supports, and what each line rests on",
      verdict.claims.map((claim) => `  [${claim.basis}] ${claim.text}`),
    ),
    ...block(
      "weak entries of your trust file that this relied on",
      verdict.waivers.map((waiver) => `  ${waiver.entry}: ${waiver.because}`),
    ),
    ...block(
      "notes",
      verdict.notes.map((note) => `  ${note}`),
    ),
    ...(verdict.outcome === "accepted" ? block("what the paths give", ASSURANCE_TABLE) : []),
  ];
}
