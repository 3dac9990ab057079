/** `triseal evidence show`: every kind that it knows, and what it refuses. */
import { describe, expect, it } from "vitest";
import { encodeBase64, encodeHex, utf8 } from "../../../src/core/bytes.ts";
import { showEvidence, shownLines } from "../../../src/main/evidence/show-evidence.ts";
import { snpQuestion } from "../../fixtures/evidence/snp.ts";
import { encodeQuote, issuePck, tdxEndorsements } from "../../fixtures/evidence/tdx.ts";
import { azureSnpQuestion, azureTdxQuestion, encodeTpmQuote } from "../../fixtures/evidence/tpm.ts";

const snp = snpQuestion();
const report = snp.evidence["report"] as Uint8Array;
const pck = issuePck().der;
const pem = `-----BEGIN CERTIFICATE-----\n${encodeBase64(pck)}\n-----END CERTIFICATE-----\n`;
const hcl = (question: ReturnType<typeof azureSnpQuestion>) => question.evidence["hclReport"] as Uint8Array;
const { tcbInfo, rootCrl } = tdxEndorsements() as Record<string, Uint8Array>;

describe("showEvidence", () => {
  it.each<readonly [string, Uint8Array, object]>([
    ["SEV-SNP report", report, { product: "Milan", reportVersion: 3 }],
    ["TDX quote", encodeQuote({ version: 5 }), { quoteVersion: 5, fmspc: "b0c06f000000" }],
    ["TPM 2.0 quote", encodeTpmQuote(), { resetCount: 4 }],
    [
      "report of Azure's paravisor around a SEV-SNP report",
      hcl(azureSnpQuestion()),
      { product: "Milan", runtimeDataHash: "SHA-256" },
    ],
    ["report of Azure's paravisor around a TDREPORT", hcl(azureTdxQuestion()), { runtimeDataHash: "SHA-256" }],
    ["certificate revocation list", rootCrl as Uint8Array, { revoked: [] }],
    ["Intel TCB info", tcbInfo as Uint8Array, { id: "TDX" }],
  ])("shows a %s", (type, bytes, fields) => {
    expect(showEvidence(bytes)).toMatchObject({ type, fields });
  });

  it("shows the certificates of a file and of a quote, with dates and fingerprint", () => {
    const shown = { subject: "Intel SGX PCK Certificate", issuer: "Intel SGX PCK Platform CA", notAfter: "2034-01-01T00:00:00Z" };
    expect(showEvidence(utf8(pem)).certificates).toEqual([expect.objectContaining(shown)]);
    expect(showEvidence(pck).certificates).toEqual([expect.objectContaining(shown)]);
    expect(showEvidence(encodeQuote()).certificates).toHaveLength(3);
  });

  it("reads hexadecimal and base64, and says that nothing is verified", () => {
    for (const text of [encodeHex(report), encodeBase64(report)])
      expect(showEvidence(utf8(`${text}\n`)).type).toBe("SEV-SNP report");
    expect(shownLines(showEvidence(report)).join("\n")).toMatch(
      /^SEV-SNP report \(read, not verified\)\n {2}reportVersion {4}3\n/,
    );
  });

  it.each<readonly [string, Uint8Array, string]>([
    ["a file of no kind", utf8("hello"), "EVIDENCE_UNSUPPORTED"],
    ["JSON that is no collateral", utf8("{}"), "EVIDENCE_UNSUPPORTED"],
    ["a report of another version", report.with(0, 9), "EVIDENCE_UNSUPPORTED"],
    ["a quote that is cut", encodeQuote().slice(0, 700), "EVIDENCE_MALFORMED"],
    ["a certificate that is cut", pck.slice(0, -1), "EVIDENCE_MALFORMED"],
    ["JSON that is cut", (tcbInfo as Uint8Array).slice(0, -1), "FORMAT_INVALID"],
  ])("refuses %s", (_, bytes, code) => {
    expect(() => showEvidence(bytes)).toThrow(expect.objectContaining({ code }));
  });
});
