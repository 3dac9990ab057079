import { expect, it } from "vitest";
import { httpTarget } from "../campaign/http-target.ts";
import { runCampaign } from "../campaign/run-campaign.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 32);

it("a gateway answers every changed request with a code or not at all, stays within its memory, and goes on answering", async () => {
  console.log(`fuzz http: FUZZ_SEED=${seed}`);
  const target = await httpTarget.open();
  try {
    const { failures, inspections, cases, outcomes } = await runCampaign(target, {
      seed,
      seconds: 10,
      casesPerSubject: null,
      minCases: 200,
      maxFailures: 3,
    });
    const named = failures.map(({ bytes, ...failure }) => ({ ...failure, bytes: Buffer.from(bytes).toString("base64") }));
    expect({ named, inspections }).toEqual({ named: [], inspections: [] });
    expect(cases).toBeGreaterThanOrEqual(200);
    expect(Object.keys(outcomes).sort()).toEqual(["body", "envelope", "request", "sealed content"]);
  } finally {
    await target.close();
  }
}, 240_000);
