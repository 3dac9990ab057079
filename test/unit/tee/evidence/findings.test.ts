/** What checks come to: the first code in the order of the table, and never a pass for what was skipped. */
import { describe, expect, it } from "vitest";
import { evidenceChecks } from "../../../../src/paths/tee/evidence/appraisal/evidence-checks.ts";
import { malformed, unsupported } from "../../../../src/paths/tee/evidence/appraisal/evidence-error.ts";
import { closeChecks, codeOf, Findings } from "../../../../src/paths/tee/evidence/appraisal/findings.ts";

describe("findings", () => {
  it("answer with the first failed row, whatever the order of recording", () => {
    const findings = new Findings();
    findings.expect("measurement.matches", false, "register");
    findings.expect("evidence.signed", false, "report");
    findings.expect("evidence.signed", true, "other report");
    findings.expect("chain.trusted", true, "chain");
    expect(codeOf(findings.all())).toBe("EVIDENCE_SIGNATURE_INVALID");
    expect(findings.all().map(({ id }) => id)).toEqual([
      "chain.trusted",
      "evidence.signed",
      "evidence.signed",
      "measurement.matches",
    ]);
  });

  it("say that something was skipped, and do not call it a pass", () => {
    const findings = new Findings();
    findings.skip("tcb.current", "no collateral");
    expect(codeOf(findings.all())).toBeNull();
    expect(findings.all()).toEqual([expect.objectContaining({ status: "skipped", code: "EVIDENCE_TCB_OUT_OF_DATE" })]);
  });

  it("compare what the policy names, and skip what it does not", () => {
    const findings = new Findings();
    findings.compare("nonce.matches", "a", (wanted) => wanted === "a", "nonce");
    findings.compare("report-data.matches", "a", (wanted) => wanted === "b", "report data");
    findings.compare("measurement.matches", null, () => false, "register");
    expect(findings.all().map(({ id, status }) => [id, status])).toEqual([
      ["nonce.matches", "pass"],
      ["report-data.matches", "fail"],
      ["measurement.matches", "skipped"],
    ]);
  });

  it("tell what cannot be read from what is not accepted, and let no reader throw", () => {
    const code = (parse: () => unknown) => {
      const findings = new Findings();
      expect(findings.read("part", parse)).toBeNull();
      return codeOf(findings.all());
    };
    expect(code(() => malformed("cut"))).toBe("EVIDENCE_MALFORMED");
    expect(code(() => unsupported("version 9"))).toBe("EVIDENCE_UNSUPPORTED");
    expect(code(() => new Uint8Array(-1))).toBe("EVIDENCE_MALFORMED");
    const findings = new Findings();
    expect(findings.read("part", () => 7)).toBe(7);
    expect(findings.all()).toEqual([expect.objectContaining({ id: "evidence.well-formed", status: "pass", code: null })]);
  });

  it("are closed: what must pass and was not made fails, unless something failed anyway or it was waived", () => {
    const findings = new Findings();
    findings.expect("evidence.signed", true, "report");
    findings.skip("tcb.current", "waived");
    expect(codeOf(closeChecks(findings.all(), ["evidence.signed", "tcb.current"]))).toBeNull();
    expect(codeOf(closeChecks(findings.all(), ["evidence.signed", "tcb.matches"]))).toBe("EVIDENCE_TCB_MISMATCH");
    expect(codeOf(closeChecks([], ["chain.trusted"]))).toBe("EVIDENCE_CHAIN_UNTRUSTED");
    findings.expect("nonce.matches", false, "nonce");
    expect(codeOf(closeChecks(findings.all(), ["tcb.matches"]))).toBe("EVIDENCE_NONCE_MISMATCH");
  });

  it("have one row for each code", () => {
    const codes = Object.values(evidenceChecks).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes).toHaveLength(29);
  });
});
