/** A verdict for people: what was checked, what it supports, what it rests on, and what was not looked at. */
import { formatTime } from "../core/time.ts";
import type { Verdict } from "../verify/index.ts";

const MARK = { pass: "ok  ", fail: "FAIL", skipped: "skip" } as const;

/** The table that is printed wherever a person decides to trust an answer. */
export const ASSURANCE_TABLE = [
  "path  confidentiality rests on                              correctness rests on",
  "tee   isolation by the worker's attested hardware; what     attestation of the measured code and model",
  "      the caller did not seal, the gateway saw",
  "fhe   TFHE encryption; the key stays with its holder        the engine's signature, re-executable bit for bit",
  "zk    nothing against the prover, unless it is attested     the proof, if one setup contributor was honest",
];

/** The lines of a verdict. `verbose` adds the checks that passed. */
export function verdictLines(verdict: Verdict, verbose: boolean): readonly string[] {
  const { outcome, code, service, receiptId, judgedAt } = verdict;
  const lines = [`${outcome.toUpperCase()}${code === null ? "" : `  ${code}`}`, `receipt    ${receiptId ?? "unknown"}`];
  lines.push(`service    ${service ?? "none that the trust file names"}`);
  if (judgedAt !== null) {
    const how = judgedAt.chosenByYou ? "chosen by you" : judgedAt.basis === "signature" ? "witnessed" : "the operator's word";
    lines.push(`judged as of ${formatTime(judgedAt.seconds)} (${how})`);
  }
  const passed = verdict.checks.filter((check) => check.status === "pass").length;
  lines.push("", `checks     ${passed} passed, ${verdict.checks.length - passed} not`);
  for (const check of verdict.checks) {
    if (verbose || check.status !== "pass")
      lines.push(
        `  ${MARK[check.status]} ${check.id.padEnd(28)} ${check.message}${check.code === null ? "" : ` [${check.code}]`} (${check.spec}, ${check.basis})`,
      );
  }
  if (verdict.claims.length > 0) lines.push("", "what this supports, and what each line rests on");
  for (const claim of verdict.claims) lines.push(`  [${claim.basis}] ${claim.text}`);
  if (verdict.waivers.length > 0) lines.push("", "weak entries of your trust file that this relied on");
  for (const waiver of verdict.waivers) lines.push(`  ${waiver.entry}: ${waiver.because}`);
  for (const note of verdict.notes) lines.push("", `note: ${note}`);
  if (outcome === "accepted") lines.push("", ...ASSURANCE_TABLE);
  return lines;
}
