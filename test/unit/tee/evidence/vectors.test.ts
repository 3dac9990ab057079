/** Real evidence with expected verdicts, where it lies beside the repository. */
import { describe, expect, it } from "vitest";
import { caseKinds, decodeCaseDocument, readCaseDocument } from "../../../../src/main/evidence/case-file.ts";
import { judgeCase, unknownKind } from "../../../../src/main/evidence/judge-case.ts";
import { vectorCases, vectorFolder } from "../../../fixtures/evidence/vectors.ts";

const folder = vectorFolder();

describe.skipIf(folder === null)("cases over real evidence", () => {
  for (const { file, id, expect: wanted } of folder === null ? [] : vectorCases(folder)) {
    it(id, async ({ skip }) => {
      const document = await readCaseDocument(file);
      const kind = unknownKind(caseKinds(document));
      if (kind !== null) skip(`evidence of kind ${kind} is not appraised by this version`);
      const { verdict, code, claims } = await judgeCase(await decodeCaseDocument(document, file));
      expect(verdict).toBe(wanted.verdict);
      expect([wanted.code, ...(wanted.alsoAllowed ?? [])]).toContain(code);
      if (wanted.verdict === "accept") expect(claims).toMatchObject(wanted.claims ?? {});
    });
  }
});

describe.runIf(folder === null)("cases over real evidence", () => {
  it("are skipped: the folder shared/vectors/attestation does not lie beside this repository", ({ skip }) => {
    skip("no ../shared/vectors/attestation");
  });
});
