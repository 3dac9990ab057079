import { describe, expect, it } from "vitest";
import { welch } from "../../../bench/fhe/welch.ts";

describe("Welch's t", () => {
  it("is that of the definition for samples of unequal size and variance", () => {
    // Means 2.5 and 6, variances 5/3 and 10: t = -3.5 / sqrt(5/12 + 2).
    const { t, degreesOfFreedom } = welch([1, 2, 3, 4], [2, 4, 6, 8, 10]);
    expect(t).toBeCloseTo(-3.5 / Math.sqrt(29 / 12), 12);
    expect(degreesOfFreedom).toBeCloseTo((29 / 12) ** 2 / ((5 / 12) ** 2 / 3 + 1), 12);
  });

  it("is 0 where nothing varies and both are equal, and beyond every threshold where they are not", () => {
    expect(welch([5, 5], [5, 5]).t).toBe(0);
    expect(welch([5, 5], [6, 6]).t).toBeGreaterThan(1e9);
  });

  it("changes its sign with the sides", () => {
    expect(welch([1, 2, 3], [2, 3, 5]).t).toBeCloseTo(-welch([2, 3, 5], [1, 2, 3]).t, 12);
  });
});
