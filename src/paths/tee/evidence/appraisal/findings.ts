/** Collects the checks of one appraisal, and says what they come to. */
import { type Check, Checklist } from "../../../../core/check.ts";
import { type EvidenceCheckId, evidenceChecks } from "./evidence-checks.ts";
import { isUnsupported } from "./evidence-error.ts";

/** The checks of one piece of evidence. */
export class Findings {
  private readonly checklist = new Checklist<Readonly<Record<EvidenceCheckId, (typeof evidenceChecks)[EvidenceCheckId]>>>(
    evidenceChecks,
  );

  /** Records whether the statement of `id` holds, and returns that. `detail` says of which part; never content. */
  expect(id: EvidenceCheckId, holds: boolean, detail: string): boolean {
    return this.checklist.expect(id, holds, evidenceChecks[id].basis, detail);
  }

  /** Records that `id` was not checked, and why: never a pass. */
  skip(id: EvidenceCheckId, why: string): void {
    this.checklist.skip(id, evidenceChecks[id].basis, why);
  }

  /** Records whether what a policy expects holds. Where it expects nothing, nothing was compared, and that is no pass. */
  compare<T>(id: EvidenceCheckId, expected: T | null, holds: (expected: T) => boolean, detail: string): void {
    if (expected === null) this.skip(id, `${detail}: the policy names none`);
    else this.expect(id, holds(expected), detail);
  }

  /**
   * Reads one part. What the reader throws is a failure: of `evidence.supported` where the part is well-formed and not
   * accepted, else of `evidence.well-formed`; null then.
   */
  read<T>(part: string, parse: () => T): T | null {
    try {
      const value = parse();
      this.expect("evidence.well-formed", true, part);
      return value;
    } catch (error) {
      const why = error instanceof Error ? error.message : "unreadable";
      this.expect(isUnsupported(error) ? "evidence.supported" : "evidence.well-formed", false, `${part}: ${why}`);
      return null;
    }
  }

  /** All checks so far, in the order of the table. */
  all(): readonly Check[] {
    return this.checklist.all();
  }
}

/**
 * Closes an appraisal: where nothing failed, every check that its kind must pass was made, or it fails now. So a way through an
 * appraiser that forgets a check is a refusal. What a policy waived is recorded as skipped, and counts as made.
 */
export function closeChecks(checks: readonly Check[], mustPass: readonly EvidenceCheckId[]): readonly Check[] {
  if (checks.some(({ status }) => status === "fail")) return checks;
  const made = new Set(checks.map(({ id }) => id));
  const findings = new Findings();
  for (const id of mustPass) if (!made.has(id)) findings.expect(id, false, "the check was not made");
  return [...checks, ...findings.all()];
}

/** What checks come to: the code of the first that failed, or null where none did. Skipped checks are no failures and no passes. */
export function codeOf(checks: readonly Check[]): string | null {
  const codes: readonly string[] = Object.values(evidenceChecks).map(({ code }) => code);
  const failed = new Set(checks.filter(({ status }) => status === "fail").map(({ code }) => code));
  return codes.find((code) => failed.has(code)) ?? null;
}
