import { expect, it } from "vitest";
import { evidenceTarget } from "./evidence-target.ts";
import { runCampaign } from "./run-campaign.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 32);

it("readers of hardware evidence answer every changed input with a code, and no changed evidence is accepted", async () => {
  console.log(`fuzz evidence: FUZZ_SEED=${seed}`);
  const target = await evidenceTarget.open();
  const { failures, inspections, cases, outcomes } = await runCampaign(target, {
    seed,
    seconds: 4,
    casesPerSubject: null,
    minCases: 2000,
    maxFailures: 3,
  });
  const named = failures.map(({ bytes, ...failure }) => ({ ...failure, bytes: Buffer.from(bytes).toString("base64") }));
  expect({ named, inspections }).toEqual({ named: [], inspections: [] });
  expect(cases).toBeGreaterThanOrEqual(2000);
  expect(Object.keys(outcomes).sort()).toEqual([...new Set(target.subjects.map(({ name }) => name))].sort());
}, 240_000);
