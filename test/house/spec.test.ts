/** The specification's table of checks is the verifier's. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { CheckTable } from "../../src/core/check.ts";
import { teeChecks } from "../../src/paths/tee/evidence/check-table.ts";
import { zkChecks } from "../../src/paths/zk/evidence/check-table.ts";
import { verifyChecks } from "../../src/verify/check-table.ts";

const SPEC = readFileSync(fileURLToPath(new URL("../../src/receipt/SPEC.md", import.meta.url)), "utf8");

function rows(table: CheckTable): readonly string[] {
  return Object.entries(table).map(
    ([id, { code, states, spec, optional }]) =>
      `| \`${id}\` | \`${code}\` | ${states}${optional ? " (optional)" : ""} | ${spec} |`,
  );
}

describe("src/receipt/SPEC.md", () => {
  it("lists exactly the checks of the verifier and of the shipped paths, in their order", () => {
    const table = SPEC.slice(SPEC.indexOf("<!-- checks:begin -->"), SPEC.indexOf("<!-- checks:end -->"));
    const between = table
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) => line.replace(/ +\|/g, " |"));
    expect(between).toEqual([...rows(verifyChecks), ...rows(teeChecks), ...rows(zkChecks)]);
  });
});
