/** `SECURITY.md` lists the adversary's ways as they are tried, in their order, each with what stops it. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fheChecks } from "../../src/paths/fhe/evidence/check-table.ts";
import { teeChecks } from "../../src/paths/tee/evidence/check-table.ts";
import { zkChecks } from "../../src/paths/zk/evidence/check-table.ts";
import { verifyChecks } from "../../src/verify/check-table.ts";
import { rowOf } from "./way.ts";
import { ways } from "./ways.ts";

const text = readFileSync(new URL("../../SECURITY.md", import.meta.url), "utf8");
const CHECKS: Readonly<Record<string, { readonly code: string }>> = { ...verifyChecks, ...teeChecks, ...fheChecks, ...zkChecks };

describe("the table of SECURITY.md", () => {
  it("has every way that a test tries, and no other", () => {
    const rows = text
      .split("\n")
      .filter((line) => /^\| +\d+ +\|/.test(line))
      .map((line) =>
        line
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim())
          .join(" | "),
      );
    expect(rows).toEqual(ways.map((way, index) => `${index + 1} | ${rowOf(way)}`));
  });

  it("has forty ways and more, no way twice, and some on every ground", () => {
    expect(ways.length).toBeGreaterThanOrEqual(40);
    expect(new Set(ways.map(({ ground, way }) => `${ground} ${way}`)).size).toBe(ways.length);
    for (const ground of ["any", "tee", "zk", "fhe", "sdk"])
      expect(ways.filter((way) => way.ground === ground).length, ground).toBeGreaterThanOrEqual(10);
  });

  it("gives each check of the verifier its own code", () => {
    const others = ways.filter(({ stop, code }) => Object.hasOwn(CHECKS, stop) && CHECKS[stop]?.code !== code);
    // A bundle of another version is no malformed one.
    expect(others.map(({ code }) => code)).toEqual(["BUNDLE_VERSION_UNSUPPORTED"]);
  });
});
