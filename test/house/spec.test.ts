/** The specification's table of checks is the verifier's. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { CheckTable } from "../../src/core/check.ts";
import { fheChecks } from "../../src/paths/fhe/evidence/check-table.ts";
import { revealChecks } from "../../src/paths/fhe/evidence/reveal-check-table.ts";
import { evidenceChecks } from "../../src/paths/tee/evidence/appraisal/evidence-checks.ts";
import { teeChecks } from "../../src/paths/tee/evidence/check-table.ts";
import { zkChecks } from "../../src/paths/zk/evidence/check-table.ts";
import { verifyChecks } from "../../src/verify/check-table.ts";

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
const SPEC = read("src/receipt/SPEC.md");
const EVIDENCE = read("src/paths/tee/evidence/EVIDENCE.md");

/** The rows of a table between two marks, without padding. */
function tableBetween(text: string, mark: string): readonly string[] {
  return text
    .slice(text.indexOf(`<!-- ${mark}:begin -->`), text.indexOf(`<!-- ${mark}:end -->`))
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.replace(/ +\|/g, " |"));
}

function rows(table: CheckTable): readonly string[] {
  return Object.entries(table).map(
    ([id, { code, states, spec, optional }]) =>
      `| \`${id}\` | \`${code}\` | ${states}${optional ? " (optional)" : ""} | ${spec} |`,
  );
}

describe("src/receipt/SPEC.md", () => {
  it("lists exactly the checks of the verifier and of the shipped paths, in their order", () => {
    expect(tableBetween(SPEC, "checks")).toEqual([
      ...rows(verifyChecks),
      ...rows(teeChecks),
      ...rows(fheChecks),
      ...rows(zkChecks),
    ]);
  });
});

describe("src/paths/fhe/SPEC.md", () => {
  it("lists exactly the checks of a reveal, in their order", () => {
    expect(tableBetween(read("src/paths/fhe/SPEC.md"), "reveal-checks")).toEqual(rows(revealChecks));
  });
});

describe("src/paths/tee/evidence/EVIDENCE.md", () => {
  it("lists exactly the checks of hardware evidence, in the order that decides the answer", () => {
    const expected = Object.entries(evidenceChecks).map(
      ([id, { code, states, basis }]) => `| \`${id}\` | \`${code}\` | ${states} | ${basis} |`,
    );
    expect(tableBetween(EVIDENCE, "evidence-checks")).toEqual(expected);
  });
});
