import { expect, it } from "vitest";
import { runCampaign } from "./run-campaign.ts";
import { verifyTarget } from "./verify-target.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 32);

it("the verifier and its parsers answer every changed input with a code, and accept no changed bundle", async () => {
  console.log(`fuzz verify: FUZZ_SEED=${seed}`);
  const target = await verifyTarget.open();
  const { failures, inspections, cases, outcomes } = await runCampaign(target, {
    seed,
    seconds: 8,
    casesPerSubject: null,
    minCases: 1500,
    maxFailures: 3,
  });
  const named = failures.map(({ bytes, ...failure }) => ({ ...failure, bytes: Buffer.from(bytes).toString("base64") }));
  expect({ named, inspections }).toEqual({ named: [], inspections: [] });
  // Every subject was fed, and not only with what is refused at the first byte.
  expect(cases).toBeGreaterThanOrEqual(1500);
  expect(Object.keys(outcomes).sort()).toEqual([...new Set(target.subjects.map(({ name }) => name))].sort());
  expect(outcomes["bundle"]?.["accepted"]).toBeGreaterThan(0);
}, 240_000);
