import { describe, expect, it } from "vitest";
import { evidenceSuite } from "../../../bench/evidence/suite.ts";

const OPTIONS = {
  seconds: 0.1,
  model: null,
  shape: null,
  against: null,
  memoryRequests: 0,
  only: null,
  peers: false,
  smallest: true,
  out: null,
  progress: () => undefined,
};

describe("the evidence bench", () => {
  it("appraises every workload in the same rounds, and counts the signatures that were verified", async () => {
    const result = await evidenceSuite.run(OPTIONS);
    expect(result).toMatchObject({ schema: "triseal.bench/v1", suite: "evidence" });
    const own = result.rows.filter(({ source }) => source === "test authority");
    // Chain, report, two RIMs with their chains, three answers; then two devices' tokens and the one about them.
    expect(own.map(({ verifications }) => verifications)).toEqual([16, 36, 6]);
    for (const { wallMs, firstMs, cpuMs } of result.rows) {
      expect(wallMs.n).toBe(result.rounds);
      for (const time of [wallMs.p50, firstMs, cpuMs]) expect(time).toBeGreaterThan(0);
    }
    const [about, appraisals] = evidenceSuite.tables(result);
    expect(about?.title).toContain("nothing kept between them");
    expect(appraisals?.rows).toHaveLength(result.rows.length);
  }, 120_000);
});
